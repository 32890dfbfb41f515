"""Launch files that are no shell script: a kind of web UI brings its own, each tells by a name which files are its."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from autotune.language.translate import _
from autotune.launchfile import stability_matrix
from autotune.launchfile.launch_file import IsManaged, LaunchFile
from autotune.launchfile.put_back import put_back
from autotune.model.errors import StateDamaged


class Writer(NamedTuple):
    """A program that keeps such a file in its memory while it runs, and writes it: what people call it, and what its
    process is called, without .exe, in lower case."""

    title: str
    process: re.Pattern[str]


class LaunchFormat(Protocol):
    """How such a file is read and edited; ``name`` is the ``kind`` of the files it makes.

    A class inherits from this one. ``writer``: the program that would write over a change while it runs; None: none.
    """

    name: str
    writer: Writer | None = None

    def claims(self, path: Path) -> bool:
        """Whether a file of this name is one of its."""

    def parse(self, data: bytes, path: Path, root: Path | None) -> LaunchFile:
        """The file as read; ``root``: the install that it is read for. Raises Refused."""

    def edit(self, file: LaunchFile, target: Sequence[str], is_managed: IsManaged) -> bytes:
        """The bytes with exactly ``target`` as managed words and every other word as it was. Raises Refused."""

    def put_back(self, now: bytes, before: bytes, after: bytes) -> bytes | None:  # noqa: ARG002  # it can not
        """``now``, which its program made of ``after``, with the flags of ``before``; None: they changed, too."""
        return None


class StabilityMatrixFile(LaunchFormat):
    """Its settings.json, which holds the options of all its packages."""

    name = "stability-matrix"
    writer: Writer | None = Writer("Stability Matrix", re.compile("stabilitymatrix.*"))

    def claims(self, path: Path) -> bool:
        return path.suffix.lower() == ".json"

    def parse(self, data: bytes, path: Path, root: Path | None) -> LaunchFile:
        return stability_matrix.parse(data, path, root)

    def edit(self, file: LaunchFile, target: Sequence[str], is_managed: IsManaged) -> bytes:
        return stability_matrix.edit(file, target, is_managed)

    def put_back(self, now: bytes, before: bytes, after: bytes) -> bytes | None:
        return put_back(now, before, after, stability_matrix.flags_in, json.loads, "[]")


_known: dict[str, LaunchFormat] = {"stability-matrix": StabilityMatrixFile()}


def register(formats: Iterable[LaunchFormat]) -> None:
    """Makes formats known to this process, those that are known already anew."""
    _known.update({one.name: one for one in formats})


def of_file(path: Path) -> LaunchFormat | None:
    """The format that claims a file by its name; None: it is a script."""
    return next((one for one in reversed(_known.values()) if one.claims(path)), None)


def of_kind(kind: str) -> LaunchFormat | None:
    """The format of a file that was read; None: it is a script."""
    return _known.get(kind)


def rewritten(
    path: Path, now: bytes | None, before: bytes | None, after: Callable[[], bytes | None]
) -> tuple[bytes, list[str]] | None:
    """(the bytes with the flags of ``before``, a note) of a file that its own program wrote anew since ``after``.

    None where the flags themselves were changed since, the file is of no format that tells, or ``after`` is damaged.
    """
    made = of_file(path)
    if made is None or now is None or before is None:
        return None
    try:
        written = after()
    except StateDamaged:
        return None
    data = None if written is None else made.put_back(now, before, written)
    return None if data is None else (data, [
        _("{name} was written anew since by the program that keeps it: only the flags are as before").format(
            name=path.name)])
