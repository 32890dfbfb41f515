"""Is the user's own web UI running from this folder?"""

from __future__ import annotations

import os
from pathlib import Path

PROGRAMS = ("launch.py", "webui.py")


def pids(root: Path) -> tuple[int, ...]:
    """Process ids of web UIs running from ``root``: a Python whose launch.py or webui.py lies there.

    Processes of other users that cannot be read are not seen.
    """
    import psutil

    found = []
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        try:
            program = _program(process.cmdline())
            if program is None:
                continue
            path = Path(program)
            if not path.is_absolute():
                path = Path(process.cwd()) / path
            if _same(path.parent, root):
                found.append(process.pid)
        except (psutil.Error, OSError):
            continue
    return tuple(sorted(found))


def _program(words: list[str]) -> str | None:
    """The script of a Python command line, if it is a web UI's; accelerate may stand before it."""
    if not words or not any(name in Path(words[0]).name.lower() for name in ("python", "accelerate")):
        return None
    through = "accelerate" in words[0]
    for word in words[1:20]:
        if Path(word).name in PROGRAMS:
            return word
        through = through or "accelerate" in word
        if not through and not word.startswith("-"):
            return None  # another script, which may have the name among its arguments
    return None


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False
