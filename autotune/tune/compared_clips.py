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
"""All clips use one seed, so that their frames can be compared; a web UI that needs another for each counts from it."""
MOST_SEEDS = 4
"""Clips of different seeds that are kept of a set until it has its verdict: the two that are shown have one seed."""
MOST_WORKLOADS = 4
"""Workloads of a profile of which clips are kept, the first ones: more would be too small to see anything."""
MOST_BYTES = 1_500_000
"""Of all small pictures of a study. In a page they take a third more, which leaves a third of its 3 MB for the rest."""


def keep(folder: Path, workload: int, candidate: str, clip: bytes, seed: int | None = None) -> None:
    """Stores the first clip of a seed that a set rendered for the comparison, as it came. Raises StateDamaged."""
    there, seed = _kept(folder, workload, candidate), SEED if seed is None else seed
    if workload < MOST_WORKLOADS and seed not in there and len(there) < MOST_SEEDS:
        write_whole_bytes(folder / f"{_name(workload, candidate)}-{seed}.clip", clip)


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
        for path in study.folder.glob("compared-*.*"):
            remove(path)
    except OSError as error:
        raise write_problem(study.folder, error) from None


def _pair(folder: Path, number: int, workload: Workload, names: tuple[str, str], budget: int) -> ClipPair | None:
    """Small pictures of both sets' clips of a workload and one seed, in ``budget`` bytes; None where one of them is not
    there or cannot be drawn."""
    from autotune.workload.clip import ClipRefusal, check_clip
    from autotune.workload.small_clips import small_pair

    mine, others = (_kept(folder, number, name) for name in names)
    shared = next((seed for seed in mine if seed in others), None)
    if shared is None:
        return None
    clips = [_bytes(one[shared]) for one in (mine, others)]
    current, other = (check_clip(clip, workload) for clip in clips)
    if isinstance(current, ClipRefusal) or isinstance(other, ClipRefusal) or current.shape != other.shape:
        return None
    try:
        return small_pair((clips[0], clips[1]), (current, other), names, (number, shared), budget)
    except (OSError, KeyError):  # a Pillow that was built without WebP: no reason to lose the verdict
        return None


def _name(workload: int, candidate: str) -> str:
    return f"compared-{workload}-{hashlib.sha256(candidate.encode()).hexdigest()[:12]}"


def _kept(folder: Path, workload: int, candidate: str) -> dict[int, Path]:
    """The clips of a set that are there, by their seed in rising order. A name that ends in no seed, as older versions
    gave, is of SEED."""
    found = {}
    for path in folder.glob(f"{_name(workload, candidate)}*.*"):
        ending = path.stem.removeprefix(_name(workload, candidate)).removeprefix("-")
        found[int(ending) if ending.isdecimal() else SEED] = path
    return dict(sorted(found.items()))


def _bytes(path: Path) -> bytes:
    """What is in the file; nothing where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError:
        return b""
