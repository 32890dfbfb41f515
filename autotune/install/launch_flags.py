"""Which file of an install holds the flags that count, and which flags are they? Light enough for `status`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from autotune.launchfile.launch_file import LaunchFile
from autotune.launchfile.reader import read
from autotune.model.errors import AutotuneError, NothingToWorkOn, Refused
from autotune.model.home_folder import expand_home
from autotune.webui.face import Layout
from autotune.webui.recognise import face_of


@dataclass(frozen=True)
class Where:
    """``path``: the file, None where there is none; ``file``: as read, None if it cannot be.

    ``why_not``: why it cannot be edited, ``fault``: why it cannot be read; ``layout``: what the install is, None
    for a file that was named. ``words``: the flags it gives, a fact when ``depends`` (what only the shell knows) is
    empty, or as bash in the sandbox gave them (``asked``); else a guess, and no ground to measure or write on
    (``silent``: why bash could not say).
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
    def known(self) -> bool:
        """Whether ``words`` are a fact, and no guess."""
        return not self.depends or self.asked

    @property
    def doubt(self) -> str | None:
        """What the flags depend on that only the shell knows, in a sentence; None where they are certain."""
        if not self.depends or self.path is None:
            return None
        return depends_on(self.path.name, self.depends, self.words if self.asked else None, self.silent)


def flags_of(root: Path, named: Path | None = None) -> Where:
    """The file that was named, else the one whose words count (see ``WebUI.read``).

    Raises NothingToWorkOn when a file that was named is not there.
    """
    if named is not None:
        layout = None
        path: Path | None = expand_home(named).absolute()
    else:
        layout = face_of(root).layout(root)
        path = layout.launch_files[0] if layout.launch_files else layout.owners_file
    if path is None:
        return Where(None, None, layout.why_not if layout else None, layout)
    try:
        file = face_of(root).read(root, layout) if layout and layout.manageable else read(path, root=root)
    except Refused as error:
        return Where(path, None, error.message, layout, error)
    except NothingToWorkOn as error:
        if named is not None:
            raise
        return Where(path, None, error.message, layout, error)
    words = answer(root, file) if file.uncertain else file.words
    silent = words if isinstance(words, str) and file.kind == "sh" else ""
    return Where(
        file.path, file, file.why_not or (layout.why_not if layout else None), layout,
        words=file.words if isinstance(words, str) else words, depends=file.uncertain,
        asked=bool(file.uncertain) and not isinstance(words, str), silent=silent)


def answer(root: Path, file: LaunchFile, data: bytes | None = None) -> tuple[str, ...] | str:
    """The words of an uncertain file as bash in the sandbox gives them; else why it cannot.

    ``data``: the bytes that are to be asked about, when they are not those on disk.
    """
    try:
        return face_of(root).ask_shell(root, file, data)
    except AutotuneError as error:
        return error.message


def known_words(root: Path, file: LaunchFile, data: bytes | None = None) -> tuple[str, ...] | None:
    """The words of a file where they are a fact, by reading it or by asking bash; else None.

    ``data`` as for ``answer``.
    """
    found = answer(root, file, data) if file.uncertain else file.words
    return None if isinstance(found, str) else found


def depends_on(name: str, depends: tuple[str, ...], words: tuple[str, ...] | None, silent: str = "") -> str:
    """One sentence for people: on what the flags depend, and which ones bash gives, or why it cannot say."""
    from autotune.secrets.mask import masked_words

    said = f"the flags in {name} depend on {', '.join(depends)}"
    if words is None:
        why = f" (bash cannot say without running it: {silent})" if silent else ""
        return f"{said}: which flags the web UI gets is not certain{why}"
    return f"{said}; bash gives: {' '.join(masked_words(words)) or 'none'}"
