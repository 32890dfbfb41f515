"""A look at one install: its launch file read, the machine probed. Everything else stands on it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from autotune.flags.catalogue import Catalogue
from autotune.install.interrupted_edit import recover
from autotune.install.launch_flags import depends_on, flags_of
from autotune.launchfile import LaunchFile
from autotune.model.errors import AutotuneError, NothingToWorkOn, Refused
from autotune.model.machine import Machine
from autotune.store.places import Places
from autotune.webui.face import Layout
from autotune.webui.recognise import face_of


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
        face_of(self.root).require_clips(self.machine)

    def motion_module(self, context: int) -> str | None:
        """The motion module to render with: the best that takes ``context`` frames at a time; None: there is none."""
        return face_of(self.root).motion_module(self.machine, context)


def inspect_install(
    webui: Path | None, configured: Path | None, launch_file: Path | None, places: Places
) -> Inspection:
    """Finds the web UI, settles an edit that was interrupted, reads its launch file and probes the machine.

    Raises NothingToWorkOn (no web UI, or a launch file that was named and is not there).
    """
    from autotune.webui import find, running

    root = find.find(webui, configured)
    kind = face_of(root)
    unsettled = recover(places, root)
    found = flags_of(root, launch_file)
    words = found.words
    # A pipe under that name would hold up whoever opens it; a folder has nothing to say.
    ordinary = found.path if found.path is not None and found.path.is_file() else None
    seen = kind.inspect(root, ordinary, words)
    seen = replace(seen, webui=replace(seen.webui, running=running.runs(root)))
    layout = found.layout
    if layout is not None and not layout.manageable and seen.webui.manageable:
        seen = replace(seen, webui=replace(seen.webui, manageable=False, why_not=layout.why_not))
    if found.depends:
        seen = replace(seen, webui=replace(seen.webui, certain=False, depends=found.depends))
    return Inspection(seen, found.path, found.file, found.why_not, kind.catalogue(root), found.fault, layout,
                      found.asked, unsettled, found.silent)
