"""Inspects one install: finds the web UI, reads its launch file and probes the machine. Most verbs begin with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from autotune.flags.catalogue import Catalogue
from autotune.install.interrupted_edit import settle_interrupted_edit
from autotune.install.launch_flags import LaunchFlags, flags_of
from autotune.language.translate import _
from autotune.launchfile import LaunchFile
from autotune.model.errors import AutotuneError, NothingToWorkOn, Refused
from autotune.model.machine import Machine
from autotune.store.places import Places
from autotune.webui.face import WebUI
from autotune.webui.recognise import face_of


@dataclass(frozen=True)
class Inspection:
    """What an inspection of an install found: the machine, its launch file and flags, and all flags of its web UI.

    ``unsettled``: why an edit that was interrupted can neither be finished nor undone now; None where there is none.
    """

    machine: Machine
    launch: LaunchFlags
    catalogue: Catalogue
    unsettled: AutotuneError | None = None

    @property
    def root(self) -> Path:
        """The web UI's folder."""
        return self.machine.webui.root

    @property
    def path(self) -> Path | None:
        """The launch file that counts; None where there is none."""
        return self.launch.path

    @property
    def file(self) -> LaunchFile | None:
        """Its content; None where there is none, or where it cannot be read."""
        return self.launch.file

    @property
    def kind(self) -> WebUI:
        """The kind of web UI it is, which answers all that is its own."""
        return face_of(self.root)

    def require_certain(self) -> str | None:
        """Raises Refused when the web UI's flags are not certain: then there is no set to compare with.

        Else returns a sentence for the user about flags that bash had to be asked for; None where it had not to be.
        """
        doubt = self.launch.doubt
        if doubt is not None and not self.launch.asked:
            hint = _("Give the flags in one plain line of {path}, outside of any condition, loop or function; nothing "
                     "was started or changed.")
            if self.launch.undecided:
                hint = _("Name the one that you start with --launch-file; nothing was started or changed.")
            raise Refused(doubt, hint.format(path=self.path))
        if isinstance(self.launch.fault, Refused):
            raise self.launch.fault
        if self.path is None and not self.machine.webui.running:
            return _("{root} has no launch file that tells its flags, and does not run: sets are compared with a start "
                     "without any flag").format(root=self.root)
        return doubt

    def require_tunable(self, clips: bool = True) -> None:
        """Raises NothingToWorkOn (what is missing, and what to do), or the error of an edit that is not settled;
        ``clips``: also where clips of our own lack something, and not only workflows of the user's are rendered."""
        webui = self.machine.webui
        if self.unsettled is not None:
            raise self.unsettled
        if not self.catalogue.tuned:
            raise NothingToWorkOn(_("{root}: {title} is not tuned: {reason}").format(
                                      root=self.root, title=self.catalogue.title, reason=self.catalogue.why_not),
                                  _("See `autotune probe` for where its flags live."))
        if webui.python is None or not webui.python.exists():
            raise NothingToWorkOn(
                _("{root}: its Python interpreter is missing ({python})").format(
                    root=self.root, python=webui.python or _("no venv, no python_cmd")),
                _("Start the web UI once by its own script: it makes its venv."))
        if clips:
            self.kind.require_clips(self.machine)

    def motion_module(self, context: int) -> str | None:
        """Name of the best motion module that takes ``context`` frames at a time; None where there is none."""
        return self.kind.motion_module(self.machine, context)


def inspect_install(
    webui: Path | None, configured: Path | None, launch_file: Path | None, places: Places
) -> Inspection:
    """Finds the web UI, settles an interrupted edit, reads the launch file and probes the machine.

    ``webui``: its folder by the command line, ``configured``: by the configuration; None where not given there. Raises
    NothingToWorkOn (no web UI, or the ``launch_file`` that was named does not exist).
    """
    from autotune.webui import find, running

    root = find.find(webui, configured)
    kind = face_of(root)
    unsettled = settle_interrupted_edit(places, root)
    launch = flags_of(root, launch_file, places)
    # Only an ordinary file: opening a pipe under that name would block, and a folder has no content.
    ordinary = launch.path if launch.path is not None and launch.path.is_file() else None
    machine = kind.inspect(root, ordinary, launch.words)
    seen = replace(machine.webui, running=running.is_running(root))
    if launch.layout is not None and not launch.layout.manageable and seen.manageable:
        seen = replace(seen, manageable=False, why_not=launch.layout.why_not)
    if launch.depends:
        seen = replace(seen, certain=False, depends=launch.depends)
    return Inspection(replace(machine, webui=seen), launch, kind.catalogue(root), unsettled)
