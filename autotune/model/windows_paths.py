"""Paths of Windows beyond the plain ones: long ones, network folders, and the prefix that means "take it as it is".

https://learn.microsoft.com/windows/win32/fileio/maximum-file-path-limitation
"""

from __future__ import annotations

import ntpath

AS_IT_IS, NETWORK = "\\\\?\\", "\\\\?\\UNC\\"
LONGEST_FOLDER = 247
"""Letters of a folder's path that every program can work with: MAX_PATH less an 8.3 name and the end. A current
folder has to be as short also where the system allows long paths."""
LONGEST = 259
"""Letters of a file's path that every program can open."""


def usual(path: str) -> str:
    """The path without the prefix, as the Explorer and cmd.exe take it; others stay as they are."""
    if path[: len(NETWORK)].upper() == NETWORK:
        return "\\\\" + path[len(NETWORK) :]
    rest = path[len(AS_IT_IS) :]
    return rest if path.startswith(AS_IT_IS) and rest[1:3] == ":\\" else path


def extended(path: str) -> str:
    """An absolute path so that it opens at any length, whatever the system's setting; a short one stays as it is."""
    if len(path) <= LONGEST_FOLDER or path.startswith((AS_IT_IS, "\\\\.\\")):
        return path
    full = ntpath.normpath(path)
    if full.startswith("\\\\"):
        return NETWORK + full[2:]
    return AS_IT_IS + full if full[1:3] == ":\\" else path


def not_for_cmd(folder: str) -> tuple[str, str] | None:
    """Why cmd.exe cannot work in this folder, and what to do; None where it can."""
    plain = ntpath.normpath(usual(folder))
    if plain.startswith("\\\\"):
        share = ntpath.splitdrive(plain)[0]
        return (f"cmd.exe cannot work in the network folder {plain}",
                f"Give it a letter (net use W: \"{share}\") and name the folder by that with --webui; or apply with "
                "--no-start")
    return too_long(plain)


def too_long(folder: str) -> tuple[str, str] | None:
    """Why no program can be started in this folder, and what to do; None where one can."""
    plain = ntpath.normpath(usual(folder))
    if len(plain) <= LONGEST_FOLDER:
        return None
    return (f"the path of {plain} has {len(plain)} letters, programs start in folders of up to {LONGEST_FOLDER}",
            f"Move it, or give it a letter (subst W: \"{ntpath.dirname(plain)}\") and name the folder by that with "
            "--webui")


def below_too_long(folder: str, deepest: int, allowed: bool) -> str | None:
    """Why files ``deepest`` letters below a folder cannot be opened; None where they can. ``allowed``: by the system's
    setting paths may be long."""
    if allowed or len(folder) + deepest <= LONGEST:
        return None
    return f"files in {folder} would have paths of more than the {LONGEST} letters that this Windows opens"
