"""A look at one install: its launch file read, the machine probed. Everything else stands on it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from autotune.flags.catalogue import Catalogue
from autotune.install.interrupted_edit import recover
from autotune.install.launch_flags import depends_on, flags_of
from autotune.launchfile import LaunchFile
from autotune.model.errors import AutotuneError, NothingToWorkOn, Refused
from autotune.model.machine import Machine
from autotune.store.places import Places
from autotune.webui.a1111.flags.known_flags import load
from autotune.webui.face import Layout

PREFERRED_MODULES = ("v3", "v15_v2", "v2", "v15", "v14")
"""Motion modules in the order of preference: newer ones first (the extension's own default is the v3 one)."""
CONTEXT = {"lcm": 64, "v1": 24}
"""Longest clip of a motion module, frames (docs/webuis.md): 64 for LCM, 24 for V1, 32 for the others."""
USUAL_CONTEXT = 32


@dataclass(frozen=True)
class Inspection:
    """What was found. ``file`` None: there is a launch file but it cannot be read (``why_not_editable``, ``fault``).

    ``layout``: what the install is and where its flags go; None when the launch file was named. ``asked``: the flags
    are uncertain by the file alone and are those that bash in the sandbox gave; ``silent``: why it could not say.
    ``unsettled``: why an edit that was interrupted cannot be settled now.
    """

    machine: Machine
    path: Path | None
    file: LaunchFile | None
    why_not_editable: str | None
    catalogue: Catalogue
    fault: AutotuneError | None = None
    layout: Layout | None = None
    asked: bool = False
    unsettled: AutotuneError | None = None
    silent: str = ""

    @property
    def root(self) -> Path:
        """The web UI's folder."""
        return self.machine.webui.root

    @property
    def uncertainty(self) -> str | None:
        """What the flags depend on that only the shell knows, in a sentence; None where they are certain."""
        webui = self.machine.webui
        if webui.certain or self.path is None:
            return None
        return depends_on(self.path.name, webui.depends, webui.flags if self.asked else None, self.silent)

    def require_certain(self) -> str | None:
        """Raises Refused when nobody knows which flags the web UI gets: then there is no set to compare with.

        Otherwise what to tell the user of flags that bash had to be asked for; None where they are certain.
        """
        said = self.uncertainty
        if said is not None and not self.asked:
            raise Refused(said, f"Give the flags in one plain line of {self.path}, COMMANDLINE_ARGS, outside of any "
                          "condition, loop or function; nothing was started or changed.")
        return said

    def require_tunable(self) -> None:
        """Raises NothingToWorkOn when this install cannot be tuned: what is missing, and what to do."""
        from autotune.webui.a1111.machine import require_animatediff

        webui = self.machine.webui
        if self.unsettled is not None:
            raise self.unsettled
        if not self.catalogue.tuned:
            raise NothingToWorkOn(
                f"{self.root}: {self.catalogue.title} is not tuned: {self.catalogue.why_not}",
                "See `autotune probe` for where its flags live.",
            )
        if webui.python is None or not webui.python.exists():
            raise NothingToWorkOn(
                f"{self.root}: its Python interpreter is missing ({webui.python or 'no venv, no python_cmd'})",
                "Start the web UI once by its own script: it makes its venv.",
            )
        if self.machine.runtime.torch is None:
            raise NothingToWorkOn(
                f"{webui.python}: torch cannot be imported there",
                "Start the web UI once by its own script: it installs torch.",
            )
        require_animatediff(self.machine)

    def motion_module(self, context: int) -> str | None:
        """The motion module to render with: the best that takes ``context`` frames at a time; None: there is none."""
        if self.machine.animatediff is None:
            return None
        return preferred_module([module.name for module in self.machine.animatediff.motion_modules], context)


def preferred_module(names: Iterable[str], frames: int) -> str | None:
    """Of these motion modules the best whose context holds ``frames``; None: there is none."""
    ordered = sorted(names)
    fitting = [name for name in ordered if _context(name) >= frames] or ordered
    for word in PREFERRED_MODULES:
        for name in fitting:
            if word in _own_name(name):
                return name
    return fitting[0] if fitting else None


def _own_name(name: str) -> str:
    """The file's name: a folder called v3 says nothing of the module in it."""
    return name.rpartition("/")[2].lower()


def _context(name: str) -> int:
    text = _own_name(name)
    for word, frames in CONTEXT.items():
        if word in text or (word == "v1" and ("v14" in text or text.endswith(("v15.ckpt", "v15.safetensors")))):
            return frames
    return USUAL_CONTEXT


def inspect_install(
    webui: Path | None, configured: Path | None, launch_file: Path | None, places: Places
) -> Inspection:
    """Finds the web UI, settles an edit that was interrupted, reads its launch file and probes the machine.

    Raises NothingToWorkOn (no web UI, or a launch file that was named and is not there).
    """
    from autotune.webui import running
    from autotune.webui.a1111 import install, machine

    root = install.find(webui, configured)
    unsettled = recover(places, root)
    found = flags_of(root, launch_file)
    words = found.words
    # A pipe under that name would hold up whoever opens it; a folder has nothing to say.
    ordinary = found.path if found.path is not None and found.path.is_file() else None
    seen = machine.look(root, ordinary, words)
    seen = replace(seen, webui=replace(seen.webui, running=running.runs(root)))
    layout = found.layout
    if layout is not None and not layout.manageable and seen.webui.manageable:
        seen = replace(seen, webui=replace(seen.webui, manageable=False, why_not=layout.why_not))
    if found.depends:
        seen = replace(seen, webui=replace(seen.webui, certain=False, depends=found.depends))
    catalogue = load(seen.webui.flavour, seen.webui.version)
    return Inspection(seen, found.path, found.file, found.why_not, catalogue, found.fault, layout, found.asked,
                unsettled, found.silent)
