"""Facts that the batch reader relies on: which commands change no variable, and where paths lead.

Anything that is not listed here may be a batch file on the PATH, and so may change every variable.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

HARMLESS = frozenset((
    "echo", "rem", "title", "color", "cls", "pause", "ver", "vol", "verify", "date", "time", "dir", "type", "copy",
    "move", "ren", "rename", "del", "erase", "md", "mkdir", "rd", "rmdir", "mklink", "assoc", "ftype", "break",
    "start", "cmd", "git", "python", "python3", "pythonw", "py", "pip", "pip3", "uv", "accelerate", "where", "taskkill",
    "tasklist", "timeout", "ping", "powershell", "pwsh", "curl", "tar", "nvidia-smi", "robocopy", "xcopy", "find",
    "findstr", "more", "sort", "attrib", "mode", "reg", "setx", "wmic", "icacls", "explorer", "notepad", "whoami",
    "hostname", "systeminfo", "net", "netsh", "sc", "schtasks", "choice", "fc", "comp", "certutil", "bitsadmin",
    "mshta", "wscript", "cscript", "chcp",
))
"""Commands of cmd.exe that set no variable, and programs: a child process cannot change its parent's variables."""

DYNAMIC = frozenset(("DATE", "TIME", "RANDOM", "ERRORLEVEL", "CMDCMDLINE", "CMDEXTVERSION", "HIGHESTNUMANODENUMBER",
                     "__CD__", "__APPDIR__", "=EXITCODE", "=EXITCODEASCII"))
"""Variables that cmd.exe computes whenever they are asked for."""

_UNGUESSABLE = re.compile(r"[*?\"<>|!%\x00-\x1f\x7f]")


def upper_name(name: str) -> str:
    """A variable's name in upper case, as cmd compares names. Bytes beyond ASCII stay: their letters are not known."""
    return re.sub("[a-z]+", lambda found: found.group().upper(), name)


def leaves_variables_alone(head: str) -> bool:
    """Is this a command that cannot change a variable? ``head``: its name as written, in lower case."""
    if head.startswith("\xef\xbb\xbf"):
        return True  # a byte order mark makes the file's first command one that is not found
    name = re.split(r"[\\/]", head.replace('"', ""))[-1]
    if re.search(r"\.(?:exe|com|py|ps1|vbs)$", name):
        return True
    if re.match(r"echo[.:,;/\\(+\[\]]", head):
        return True
    return name in HARMLESS or re.sub(r"\d+(?:\.\d+)*$", "", name) == "python"


def compared(kind: str, left: str, right: str, caseless: bool) -> bool | None:
    """Whether IF finds ``left kind right`` true (kind: ==, equ, neq, lss, leq, gtr, geq); None if not known."""
    if caseless:
        left, right = left.lower(), right.lower()
    if kind == "==":
        return left == right
    number = re.compile(r"0|-?[1-9]\d{0,8}")
    if number.fullmatch(left) and number.fullmatch(right):
        order = (int(left) > int(right)) - (int(left) < int(right))
        return {"equ": order == 0, "neq": order != 0, "lss": order < 0, "leq": order <= 0, "gtr": order > 0,
                "geq": order >= 0}[kind]
    plain = re.compile(r'"?[A-Za-z_]\w*"?')
    if kind in ("equ", "neq") and plain.fullmatch(left) and plain.fullmatch(right):
        return (left == right) == (kind == "equ")
    return None


class BatchFolders:
    """The folder a batch file lies in, and the one it is in at the moment ("" when that is not known)."""

    def __init__(self, file: Path) -> None:
        self.file = str(file.absolute())
        self.folder = self.here = str(file.absolute().parent)

    def argument(self, spelled: str) -> str | None:
        """What ``%~dp0`` and its like give, which name the file itself; None for any other spelling."""
        match = re.fullmatch(r"%~([a-z]+)0", spelled, re.IGNORECASE)
        if not match:
            return None
        folder, name = os.path.split(self.file)
        folder = folder.rstrip("\\/") + "\\"
        stem, dot, ending = name.rpartition(".")
        parts = {"f": folder + name, "dpnx": folder + name, "dp": folder, "dpn": folder + (stem or name),
                 "n": stem or name, "nx": name, "x": dot + ending}
        return parts.get("".join(sorted(match.group(1).lower(), key="fdpnx".find)) if set(match.group(1).lower())
                         <= set("fdpnx") else "")

    def resolve(self, text: str) -> str | None:
        """An absolute path of this system for a path as a batch file writes it; None where that is not known."""
        text = text.replace('"', "").rstrip(" .\\/") if text.strip('" ') not in (".", "..", "\\") else text.strip('" ')
        device = re.search(r"(?:^|[\\/:])(?:nul|con|prn|aux)$", text, re.IGNORECASE)
        if not text or device or _UNGUESSABLE.search(text):
            return None
        if os.name != "nt":
            text = text.replace("\\", "/")
            if re.match(r"[A-Za-z]:", text):
                return None  # a drive of Windows cannot be looked at from here
        path = Path(self.here) / text
        return os.path.normpath(path) if path.is_absolute() else None

    def exists(self, text: str) -> bool | None:
        """Whether IF EXIST finds it now; None where that cannot be told."""
        path = self.resolve(text)
        return None if path is None else _found(Path(path)) is not None

    def enter(self, text: str) -> None:
        """Follow CD or PUSHD to a folder."""
        path = self.resolve(text)
        found = None if path is None else _found(Path(path))
        self.here = str(found) if found is not None and found.is_dir() else ""


def _found(path: Path) -> Path | None:
    """The path as it exists, whatever the case of its names, as Windows finds it; None if it does not exist."""
    if os.path.lexists(path):
        return path
    above = path.parent
    if os.name == "nt" or above == path:
        return None
    folder = _found(above)
    try:
        return next((entry for entry in folder.iterdir() if entry.name.lower() == path.name.lower()),
                    None) if folder else None
    except OSError:
        return None
