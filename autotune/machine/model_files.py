"""Finds files of models below a folder, in linked folders too, and what is wrong with the links."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from autotune.language.translate import _

_JUNCTION = 0xA0000003


@dataclass(frozen=True, slots=True)
class Link:
    """A link in a model folder: where it leads, and why nothing is found behind it (None: something is).
    ``circles``: it leads back to a folder above it."""

    path: Path
    target: str
    trouble: str | None
    circles: bool = False


def files(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """Files below ``folder``, in linked folders too, as the web UI lists them."""
    found = [here / name for here, _, files, _ in _walk(folder) for name in files]
    return sorted(path for path in found if path.suffix.lower() in suffixes and _is_file(path))


def links(folder: Path) -> Iterator[Link]:
    """Every link at or below ``folder`` that the web UI would follow there, and what is wrong with it."""
    if _is_link(folder):
        yield _link(folder, ())
    for here, names, files, above in _walk(folder):
        for name in (*names, *files):
            path = here / name
            if _is_link(path):
                yield _link(path, above)


def _walk(folder: Path) -> Iterator[tuple[Path, list[str], list[str], tuple[str, ...]]]:
    """Walks through folders and links to folders, each once, since a link to a folder above would lead round for ever.

    Each step: the folder, its folders, its other entries, the real paths of the folders above it and its own.
    """
    seen: set[str] = set()
    waiting: list[tuple[Path, tuple[str, ...]]] = [(folder, ())]
    while waiting:
        here, above = waiting.pop()
        real = os.path.realpath(here)
        if real in seen:
            continue
        seen.add(real)
        try:
            with os.scandir(here) as entries:
                names = sorted((entry.name, _is_folder(entry)) for entry in entries)
        except OSError:
            continue
        folders = [name for name, is_folder in names if is_folder]
        yield here, folders, [name for name, is_folder in names if not is_folder], (*above, real)
        waiting += [(here / name, (*above, real)) for name in reversed(folders)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _is_link(path: Path) -> bool:
    """A symbolic link, or a junction of Windows."""
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISLNK(found.st_mode) or getattr(found, "st_reparse_tag", 0) == _JUNCTION


def _link(path: Path, above: Sequence[str]) -> Link:
    target = os.path.realpath(path)
    try:
        path.stat()
    except FileNotFoundError:
        return Link(path, target, _("it leads nowhere"))
    except OSError as error:
        trouble = _("it leads back to itself") if error.errno == errno.ELOOP else _("it cannot be followed: {reason}")
        return Link(path, target, trouble.format(reason=error.strerror))
    if target in above:
        return Link(path, target, _("it leads back to a folder above it"), circles=True)
    return Link(path, target, None)
