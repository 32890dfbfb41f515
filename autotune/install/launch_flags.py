"""Which launch file of an install counts, and which flags does it give? Light enough for `status`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from autotune.language.translate import _
from autotune.launchfile.launch_file import LaunchFile
from autotune.launchfile.reader import read
from autotune.model.errors import AutotuneError, NothingToWorkOn, Refused
from autotune.model.home_folder import expand_home
from autotune.store.places import Places
from autotune.webui.face import Layout
from autotune.webui.recognise import face_of


@dataclass(frozen=True)
class LaunchFlags:
    """The flags of an install, and the launch file that they stand in.

    ``path`` is None where there is no launch file; ``file`` is None where it cannot be read (``fault``).
    ``why_not``: why it cannot be edited. ``layout``: what the install is; None where the file was named by the user.

    ``words``: the flags. ``depends``: what they depend on that only the shell knows; where it is empty, the words are
    certain. ``asked``: bash, in a sandbox, gave the words; they count as certain, too. Where bash could not
    (``silent``: why), they are a guess, on which nothing may be measured or written.
    """

    path: Path | None
    file: LaunchFile | None
    why_not: str | None
    layout: Layout | None
    fault: AutotuneError | None = None
    words: tuple[str, ...] = ()
    depends: tuple[str, ...] = ()
    asked: bool = False
    silent: str = ""

    @property
    def undecided(self) -> bool:
        """Whether its owner starts one of several launch files, and nothing tells which."""
        several = self.layout is not None and self.layout.one_of and len(self.layout.launch_files) > 1
        return several and self.file is not None and self.file.why_not is not None

    @property
    def known(self) -> bool:
        """Whether ``words`` are certain: by the file alone, or because bash gave them."""
        return not self.depends or self.asked

    @property
    def doubt(self) -> str | None:
        """A sentence for people: what the flags depend on that only the shell knows, and what bash gave.

        None where the file alone makes them certain.
        """
        from autotune.secrets.mask import masked_words

        if not self.depends or self.path is None:
            return None
        text = _("the flags in {file} depend on {reasons}: which flags the web UI gets is not certain")
        flags = ""
        if self.asked:
            text = _("the flags in {file} depend on {reasons}; bash gives: {flags}")
            flags = " ".join(masked_words(self.words)) or _("none")
        elif self.silent:
            text = _("the flags in {file} depend on {reasons}: which flags the web UI gets is not certain (bash cannot "
                     "say without running it: {why})")
        return text.format(file=self.path.name, reasons=", ".join(self.depends), flags=flags, why=self.silent)


def last_written(places: Places, root: Path) -> Path | None:
    """The launch file that the newest apply in force wrote; None without one. Raises StateDamaged."""
    if not places.checkpoints(root).is_dir():
        return None
    from autotune.launchfile.checkpoints import Checkpoints

    applied = Checkpoints(places.checkpoints(root)).current()
    return next((file.path for file in applied.files if not file.keys), None) if applied else None


def flags_of(root: Path, named: Path | None = None, places: Places | None = None) -> LaunchFlags:
    """The flags of the install at ``root``, from the file ``named`` or else the one that counts (``WebUI.read``).

    ``places``: of several files of which nothing tells which one is started, the one that was written last counts.
    Raises NothingToWorkOn when a named file does not exist, StateDamaged.
    """
    found = _flags_of(root, named)
    if places is None or found.layout is None or not found.undecided:
        return found
    written = last_written(places, root)
    chosen = next((path for path in found.layout.launch_files if path.resolve() == written), None)
    return found if chosen is None else replace(_flags_of(root, chosen), layout=found.layout)


def _flags_of(root: Path, named: Path | None) -> LaunchFlags:
    if named is not None:
        layout = None
        path: Path | None = expand_home(named).absolute()
    else:
        layout = face_of(root).layout(root)
        path = layout.launch_files[0] if layout.launch_files else layout.owners_file
    if path is None:
        return LaunchFlags(None, None, layout.why_not if layout else None, layout, words=_running_words(root))
    try:
        file = face_of(root).read(root, layout) if layout and layout.manageable else read(path, root=root)
        if named is not None and face_of(root).formats and file.kind in ("sh", "cmd"):
            raise Refused(_("{path} does not start the web UI in {root}").format(path=path, root=root),
                          _("Name the file that starts it with --launch-file."))
    except (Refused, NothingToWorkOn) as error:
        if named is not None and isinstance(error, NothingToWorkOn):
            raise
        return LaunchFlags(path, None, error.message, layout, error)
    words, silent = _words(root, file)
    return LaunchFlags(
        file.path, file, file.why_not or (layout.why_not if layout else None), layout,
        words=file.words if words is None else words, depends=file.uncertain,
        asked=bool(file.uncertain) and words is not None, silent=silent if file.kind == "sh" else "")


def _running_words(root: Path) -> tuple[str, ...]:
    """The flags of the web UI that runs from this folder now; none where none runs, or its words are not told."""
    from autotune.webui import running

    return next((one.words for one in running.web_uis(root) if one.certain and one.words is not None), ())


def known_words(root: Path, file: LaunchFile, data: bytes | None = None) -> tuple[str, ...] | None:
    """The flags that a launch file gives, from bash in a sandbox where the file is not certain; None: not known.

    ``data``: the file's bytes, where they are not (yet) those on disk.
    """
    return _words(root, file, data)[0]


def _words(root: Path, file: LaunchFile, data: bytes | None = None) -> tuple[tuple[str, ...] | None, str]:
    """(the words, '') or (None, why bash could not give them)."""
    try:
        found = face_of(root).ask_shell(root, file, data) if file.uncertain else file.words
    except AutotuneError as error:
        found = error.message
    return (None, found) if isinstance(found, str) else (found, "")
