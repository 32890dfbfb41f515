"""Keeps the clips of the comparison: as rendered while a tune goes on, as small pictures once it has its verdict."""

from __future__ import annotations

import hashlib
from pathlib import Path

from autotune.disk.files import remove
from autotune.model.clips import ClipPair
from autotune.model.study import MeasuredSet
from autotune.model.workload import Profile, Workload
from autotune.store.journal import write_problem, write_whole_bytes
from autotune.store.studies import Study

SEED = 20_240_301
"""All clips use one seed, so that their frames can be compared."""
MOST_WORKLOADS = 4
"""Workloads of a profile of which clips are kept, the first ones: more would be too small to see anything."""
MOST_BYTES = 1_500_000
"""Of all small pictures of a study. In a page they take a third more, which leaves a third of its 3 MB for the rest."""


def keep(folder: Path, workload: int, candidate: str, gif: bytes) -> None:
    """Stores the first clip that a set rendered for the comparison, as it came. Raises StateDamaged."""
    path = _path(folder, workload, candidate)
    if workload < MOST_WORKLOADS and not path.exists():
        write_whole_bytes(path, gif)


def conclude(study: Study, profile: Profile, baseline: str, other: MeasuredSet | None) -> None:
    """Makes small pictures of the clips of the two sets that were compared, and removes the clips as rendered.

    What was made before stays where nothing new was kept. Raises StateDamaged.
    """
    if other is not None:
        workloads = profile.workloads[:MOST_WORKLOADS]
        found = [_pair(study.folder, number, workload, (baseline, other.candidate), MOST_BYTES // len(workloads))
                 for number, workload in enumerate(workloads)]
        pairs = [one for one in found if one is not None]
        if pairs:
            study.save_clips(pairs)
    try:
        for path in study.folder.glob("compared-*.gif"):
            remove(path)
    except OSError as error:
        raise write_problem(study.folder, error) from None


def _pair(folder: Path, number: int, workload: Workload, names: tuple[str, str], budget: int) -> ClipPair | None:
    """Small pictures of both sets' clips of a workload, in ``budget`` bytes; None where one of them is not there or
    cannot be drawn."""
    from autotune.workload.clip import ClipRefusal, check_clip
    from autotune.workload.small_clips import small_pair

    gifs = [_bytes(_path(folder, number, name)) for name in names]
    current, other = (check_clip(gif, workload) for gif in gifs)
    if isinstance(current, ClipRefusal) or isinstance(other, ClipRefusal):
        return None
    try:
        return small_pair((gifs[0], gifs[1]), (current, other), names, (number, SEED), budget)
    except (OSError, KeyError):  # a Pillow that was built without WebP: no reason to lose the verdict
        return None


def _path(folder: Path, workload: int, candidate: str) -> Path:
    return folder / f"compared-{workload}-{hashlib.sha256(candidate.encode()).hexdigest()[:12]}.gif"


def _bytes(path: Path) -> bytes:
    """What is in the file; nothing where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError:
        return b""
