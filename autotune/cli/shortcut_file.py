"""Makes the content of the file that is double-clicked, as each system wants it, from a command line."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

MARK = "autotune shortcut: made by `autotune shortcut`, which may write it again"
NAMES = {"win32": "autotune-tune.bat", "darwin": "autotune-tune.command"}
ENDS = "Press Enter to close this window. "


def name(system: str = sys.platform) -> str:
    """What the file is called on that system."""
    return NAMES.get(system, "autotune-tune.desktop")


def content(words: Sequence[str], system: str = sys.platform) -> bytes:
    """The file's bytes: it runs ``words`` in a window that stays until it was read."""
    if system == "win32":
        return _batch(words)
    return _shell(words) if system == "darwin" else _desktop(words)


def _batch(words: Sequence[str]) -> bytes:
    """A batch file. Paths cannot hold quotes on Windows, so quotes hold all but %, which is doubled.

    cmd reads it in the system's OEM code page; what that page lacks needs UTF-8 and a chcp before it.
    """
    command = " ".join(f'"{word.replace("%", "%%")}"' for word in words)
    before, after = ["@echo off", f"rem {MARK}"], ["title autotune", "setlocal DisableDelayedExpansion", command,
                                                   "echo.", "pause"]
    try:
        return "".join(line + "\r\n" for line in [*before, *after]).encode(oem_encoding())
    except UnicodeEncodeError:
        lines = [*before, "chcp 65001 >nul", *after]
        return "".join(line + "\r\n" for line in lines).encode("utf-8", "surrogateescape")


def oem_encoding() -> str:
    """The code page in which cmd reads batch files here; ASCII, which all of them share, where there is no cmd."""
    import ctypes

    library = getattr(ctypes, "windll", None)
    return "ascii" if library is None else f"cp{library.kernel32.GetOEMCP()}"


def _shell(words: Sequence[str]) -> bytes:
    return f'#!/bin/bash\n# {MARK}\n{shlex.join(words)}\nread -r -p "{ENDS}"\n'.encode("utf-8", "surrogateescape")


def _desktop(words: Sequence[str]) -> bytes:
    """A desktop entry: Exec knows no shell, quotes with ``"`` and takes a double % for one."""
    script = f'{shlex.join(words)}; printf "\\n%s" "{ENDS}"; read -r answer'
    quoted = script
    for special in ("\\", '"', "`", "$"):
        quoted = quoted.replace(special, "\\" + special)
    # The value of a key is unescaped once before Exec's own quoting is.
    value = f'bash -c "{quoted}"'.replace("%", "%%").replace("\\", "\\\\")
    lines = ["[Desktop Entry]", "Type=Application", "Version=1.0", "Name=autotune: tune my web UI",
             f"Comment={MARK}", f"Exec={value}", "Terminal=true", "Icon=utilities-terminal"]
    return "".join(line + "\n" for line in lines).encode("utf-8", "surrogateescape")
