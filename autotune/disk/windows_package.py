"""Finds where files of a Python from the Microsoft Store really lie.

What such a program writes below AppData\\Local goes into its package's own copy of it, and only programs of the package
see it where it was written: neither the Explorer nor the Task Scheduler finds a path there. So that folder is named as
it is. https://docs.python.org/3/using/windows.html (redirection of local data, registry, and temporary paths)
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path, PurePath
from typing import TypeVar

from autotune.language.translate import _

P = TypeVar("P", bound=PurePath)
PYTHON = re.compile(r"PythonSoftwareFoundation\.Python\.3\.\d+_\w+", re.IGNORECASE)
"""Package families of the Store's Pythons. Other packages that Python runs in (a terminal) may not redirect."""
LENGTH = 256
"""More letters than the name of a package family has (64)."""


def family() -> str | None:
    """The package family of this process; None for a program that was not installed from the Store."""
    if sys.platform == "win32":
        import ctypes

        ask = getattr(ctypes.WinDLL("kernel32"), "GetCurrentPackageFamilyName", None)  # since Windows 8
        length, name = ctypes.c_uint32(LENGTH), ctypes.create_unicode_buffer(LENGTH)
        if ask is not None and ask(ctypes.byref(length), name) == 0:
            return name.value
    return None


def redirected(path: P, local: P, package: str) -> P:
    """Where ``path`` lies for a program of ``package``; ``local``: the user's AppData\\Local."""
    own = local / "Packages"
    if PYTHON.fullmatch(package) is None or not path.is_relative_to(local) or path.is_relative_to(own):
        return path
    return own / package / "LocalCache" / "Local" / path.relative_to(local)


def real(path: Path) -> Path:
    """The path by which every program finds what this one writes to ``path``."""
    package, local = family(), os.environ.get("LOCALAPPDATA")
    return redirected(path, Path(local), package) if package and local else path


def warning(path: Path) -> str:
    """What to know of a folder that lies in the package of the Store's Python; nothing for any other."""
    package = family()
    if package is None or PYTHON.fullmatch(package) is None or package not in path.parts:
        return ""
    return _("; it belongs to the Python from the Microsoft Store and goes when that is uninstalled: "
             "AUTOTUNE_STATE_DIR names another, for every command")
