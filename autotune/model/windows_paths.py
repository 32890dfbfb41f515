"""Windows paths that need care: long ones, network folders, and the prefix for paths that are not to be interpreted.

https://learn.microsoft.com/windows/win32/fileio/maximum-file-path-limitation
"""

from __future__ import annotations

import ntpath

from autotune.language.translate import _

PREFIX, NETWORK_PREFIX = "\\\\?\\", "\\\\?\\UNC\\"
LONGEST_FOLDER = 247
"""Characters of a folder's path that every program can work with: MAX_PATH less an 8.3 name and the end. A current
folder has to be as short also where the system allows long paths."""
LONGEST = 259
"""Characters of a file's path that every program can open."""


def without_prefix(path: str) -> str:
    """The path without the prefix, as the Explorer and cmd.exe take it; others are returned as they are."""
    if path[: len(NETWORK_PREFIX)].upper() == NETWORK_PREFIX:
        return "\\\\" + path[len(NETWORK_PREFIX) :]
    rest = path[len(PREFIX) :]
    return rest if path.startswith(PREFIX) and rest[1:3] == ":\\" else path


def with_prefix(path: str) -> str:
    """An absolute path that opens at any length, whatever the system's setting; a short one is returned as it is."""
    if len(path) <= LONGEST_FOLDER or path.startswith((PREFIX, "\\\\.\\")):
        return path
    full = ntpath.normpath(path)
    if full.startswith("\\\\"):
        return NETWORK_PREFIX + full[2:]
    return PREFIX + full if full[1:3] == ":\\" else path


def why_not_for_cmd(folder: str) -> tuple[str, str] | None:
    """Why cmd.exe cannot work in this folder, and what to do; None where it can."""
    plain = ntpath.normpath(without_prefix(folder))
    if plain.startswith("\\\\"):
        share = ntpath.splitdrive(plain)[0]
        return (_("cmd.exe cannot work in the network folder {folder}").format(folder=plain),
                _('Give it a letter (net use W: "{share}") and name the folder by that with --webui; or apply with '
                  "--no-start").format(share=share))
    return why_too_long(plain)


def why_too_long(folder: str) -> tuple[str, str] | None:
    """Why no program can be started in this folder, and what to do; None where one can."""
    plain = ntpath.normpath(without_prefix(folder))
    if len(plain) <= LONGEST_FOLDER:
        return None
    return (
        _("the path of {folder} has {count} letters, programs start in folders of up to {longest}").format(
            folder=plain, count=len(plain), longest=LONGEST_FOLDER),
        _('Move it, or give it a letter (subst W: "{parent}") and name the folder by that with --webui').format(
            parent=ntpath.dirname(plain)))


def why_files_too_long(folder: str, deepest: int, allowed: bool) -> str | None:
    """Why files whose paths are ``deepest`` characters longer than a folder's cannot be opened; None where they can.
    ``allowed``: the system allows long paths."""
    if allowed or len(folder) + deepest <= LONGEST:
        return None
    return _("files in {folder} would have paths of more than the {longest} letters that this Windows opens").format(
        folder=folder, longest=LONGEST)
