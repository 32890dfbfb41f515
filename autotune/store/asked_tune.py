"""A tune that the user asked for, to be begun later: one file in a folder of its own, which the agent looks at.

The file is the wish: while it is there the tune is wanted, and whoever takes it away has taken the wish back.
"""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from autotune.disk import files as disk
from autotune.model import codec
from autotune.store.journal import write_whole

When = Literal["away", "closed"]
"""When it may begin: nobody uses the machine, or the user's own web UI is closed."""


@dataclass(frozen=True, slots=True)
class AskedTune:
    """``id``: another one for each wish; ``when``: see When; ``at``: when it was asked for, seconds since 1970."""

    id: str
    when: When
    at: float


def read(folder: Path) -> AskedTune | None:
    """The tune that is wanted, None where there is none; a file that makes no sense is none."""
    try:
        return codec.load(AskedTune, codec.decode(_file(folder).read_bytes()))
    except (OSError, codec.InvalidRecord):
        return None


def write(folder: Path, when: When) -> AskedTune:
    """Asks for a tune; one wish at a time, so that an earlier one is replaced. Raises StateDamaged."""
    asked = AskedTune(secrets.token_hex(8), when, round(time.time(), 3))
    write_whole(_file(folder), json.dumps(asdict(asked)) + "\n")
    return asked


def forget(folder: Path, name: str | None = None) -> bool:
    """Takes the wish away, if it is the one called ``name`` (None: whichever); whether there was one."""
    there = read(folder)
    if name is not None and (there is None or there.id != name):
        return False
    found = _file(folder).exists()
    disk.remove(_file(folder))
    return found


def _file(folder: Path) -> Path:
    return folder / "tune.json"
