"""Programs that run now and stand in the way of writing a launch file, or of starting a web UI to prove a change."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.language.translate import _
from autotune.launchfile import formats
from autotune.model.errors import Busy
from autotune.webui import running
from autotune.webui.running import OwnWebUI

if TYPE_CHECKING:
    import psutil

BATCH = (".bat", ".cmd")


def against_starting(root: Path) -> Busy | None:
    """Why no web UI can be started from ``root`` to prove a change: the user's own runs. None where it does not."""
    own = _running(root)
    return None if own is None else Busy(
        _("{webui} is running: proving the change would start a second one beside it").format(webui=own),
        _("Close it and run again, or add --no-start: what is written is then in effect at its next start."))


def next_start_note(root: Path) -> str | None:
    """A note for the user whose web UI runs while its launch file is written; None where it does not run."""
    own = _running(root)
    if own is None:
        return None
    return _("{webui} is running: what is written is in effect at its next start by its script (its own Reload UI does "
             "not read the file again)").format(webui=own)


def _running(root: Path) -> str | None:
    """The user's own web UI of ``root`` that runs now, in words for people."""
    return next((one.name for one in running.web_uis(root) if one.certain), None)


def against_writing(root: Path, files: Iterable[Path]) -> Busy | None:
    """Why one of these launch files must not be replaced now: a program that reads or writes it. None: none does."""
    files = list(files)
    for writer in dict.fromkeys(made.writer for made in map(formats.of_file, files) if made is not None):
        # It rewrites its settings while it runs, and would undo the change.
        pid = None if writer is None else _first(partial(_is_called, writer.process))
        if writer is not None and pid is not None:
            return Busy(_("{program} runs (pid {pid}) and would write over its settings").format(
                            program=writer.title, pid=pid), _("Close it and run again."))
    for path in files:
        pid = _cmd_running(path, running.web_uis(root)) if path.suffix.lower() in BATCH else None
        if pid is not None:
            return Busy(
                _("{name} is being run by cmd (pid {pid}), which reads on in it where it stopped").format(
                    name=path.name, pid=pid),
                _("Close the web UI and its window, and run again: a batch file that is replaced while it runs goes "
                  "on in the middle of the new one."))
    return None


def _first(wanted: Callable[[psutil.Process], bool]) -> int | None:
    """The pid of the first process that is ``wanted``; processes that cannot be read are left out."""
    import psutil

    for process in psutil.process_iter():
        try:
            if wanted(process):
                return process.pid
        except (psutil.Error, OSError):
            continue
    return None


def _is_called(names: re.Pattern[str], process: psutil.Process) -> bool:
    return names.fullmatch(process.name().lower().removesuffix(".exe")) is not None


def _cmd_running(file: Path, own: Iterable[OwnWebUI]) -> int | None:
    """The pid of a cmd.exe that runs this batch file: it names the file, or the user's web UI descends from it."""
    import psutil

    pid = _first(lambda process: _is_cmd(process) and _names(process, file))
    if pid is not None:
        return pid
    for one in own:
        try:
            found = next((above.pid for above in psutil.Process(one.pid).parents() if _is_cmd(above)), None)
        except (psutil.Error, OSError):
            continue
        if found is not None:
            return found
    return None


def _is_cmd(process: psutil.Process) -> bool:
    return process.name().lower() == "cmd.exe"


def _names(process: psutil.Process, file: Path) -> bool:
    """Whether a command line names this file, by its whole path or relative to the process's current folder."""
    words = process.cmdline()
    text = " ".join(words).replace("\\", "/").lower()
    if str(file).replace("\\", "/").lower() in text:
        return True
    here = Path(process.cwd())
    for word in words:
        named = here / word.strip('" ').replace("\\", "/")
        if named.name.lower() == file.name.lower() and named.exists() and named.samefile(file):
            return True
    return False
