"""Starts programs without a window: on Windows a console program gets one where there is none.

The agent runs without a console there (pythonw.exe), so whatever it starts would open a black window on the owner's
desktop, and closing that would end the program. Elsewhere there is nothing to hide.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

HIDDEN = 0x08000000 if sys.platform == "win32" else 0
"""For ``creationflags``: a console that nobody sees. What the program starts in turn shares it.

It is CREATE_NO_WINDOW of the module subprocess, which takes long to import.
"""
_NAME = re.compile(r"(python)(w?)([\d.]*)", re.IGNORECASE)
"""python.exe, pythonw.exe and, as the Store's Python has it, pythonw3.11.exe: "w" is the one without a console."""


def search_path(environ: Mapping[str, str]) -> str:
    """Where programs are looked for, without the virtual environment that is active: it is autotune's own."""
    parts, venv = environ.get("PATH", "").split(os.pathsep), environ.get("VIRTUAL_ENV")
    own = {os.path.normcase(Path(venv) / name) for name in ("bin", "Scripts")} if venv else set()
    return os.pathsep.join(part for part in parts if os.path.normcase(part.rstrip("/\\")) not in own)


def windowless_python(python: str) -> str:
    """The Python beside this one that opens no window (a venv has it too); this one where there is none."""
    return _beside(python, "w")


def console_python(python: str = sys.executable) -> str:
    """The Python beside this one that can have a console: only in a common one can a process be interrupted."""
    return _beside(python, "")


def _beside(python: str, mark: str) -> str:
    path = Path(python)
    name = _NAME.fullmatch(path.stem)
    if name is None or path.suffix.lower() != ".exe" or name[2].lower() == mark:
        return python
    other = path.with_name(f"{name[1]}{mark}{name[3]}{path.suffix}")
    return str(other) if other.is_file() else python
