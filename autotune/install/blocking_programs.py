"""What stands in the way of writing a launch file or of starting a web UI: programs that hold the one or the other."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.model.errors import Busy
from autotune.webui import running
from autotune.webui.running import OwnWebUI

if TYPE_CHECKING:
    import psutil

BATCH = (".bat", ".cmd")


def no_second(root: Path) -> Busy | None:
    """Why no web UI can be started from ``root`` to prove an apply: the user's own runs. None: none does."""
    found = [one for one in running.web_uis(root) if one.certain]
    if not found:
        return None
    return Busy(
        f"{found[0].name} is running: proving the change would start a second one beside it",
        "Close it and run again, or add --no-start: what is written is then in effect at its next start.")


def at_next_start(root: Path) -> str | None:
    """What to tell who writes while the web UI runs; None when none does."""
    found = [one for one in running.web_uis(root) if one.certain]
    if not found:
        return None
    return (f"{found[0].name} is running: what is written is in effect at its next start by its script "
            "(its own Reload UI does not read the file again)")


def holder(root: Path, files: Iterable[Path]) -> Busy | None:
    """The program that makes it unsafe to replace one of these launch files now, None when none does."""
    files = list(files)
    if any(path.suffix == ".json" for path in files):
        # It writes its settings.json anew while it runs: what is changed in it then would be lost.
        pid = _stability_matrix()
        if pid is not None:
            return Busy(f"Stability Matrix runs (pid {pid}) and would write over its settings",
                        "Close it and run again.")
    for path in files:
        pid = _cmd(path, running.web_uis(root)) if path.suffix.lower() in BATCH else None
        if pid is not None:
            return Busy(
                f"{path.name} is being run by cmd (pid {pid}), which reads on in it where it stopped",
                "Close the web UI and its window, and run again: a batch file that is replaced while it runs goes on "
                "in the middle of the new one.")
    return None


def _stability_matrix() -> int | None:
    import psutil

    for process in psutil.process_iter():
        try:
            if process.name().lower().startswith("stabilitymatrix"):
                return process.pid
        except (psutil.Error, OSError):
            continue
    return None


def _cmd(file: Path, own: Iterable[OwnWebUI]) -> int | None:
    """The pid of a cmd.exe that runs this batch file: it names it, or the user's web UI descends from it."""
    import psutil

    for process in psutil.process_iter():
        try:
            if _is_cmd(process) and _names(process, file):
                return process.pid
        except (psutil.Error, OSError):
            continue
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
    """Whether a cmd's command line names this file: its whole path, or from the folder that it stands in."""
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
