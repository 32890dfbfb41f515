"""Reference clips of the current flags; frames of all other sets are compared with them, at equal seed and steps."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from autotune.model.workload import Profile, Workload
from autotune.store.journal import write_whole_bytes
from autotune.tune.compared_clips import SEED
from autotune.workload import clip

MOST_HELD = 8
"""Clips that are held unpacked; 16 frames of 512x512 take 12 MiB."""
SUFFIXES = {"GIF": ".gif", "WEBP": ".webp"}


@dataclass(frozen=True, slots=True)
class ReferenceKey:
    """What a reference clip shows: ``workload``, number ``index`` of the profile, as it was rendered (with fewer steps
    it is another picture), with ``seed``; None: the seed that all clips share."""

    index: int
    workload: Workload
    seed: int | None = None


class ReferenceClips:
    """One reference clip for each workload, number of steps and seed, stored in the study's folder as it came."""

    def __init__(self, folder: Path, profile: Profile) -> None:
        self._folder = folder
        self._workloads = profile.workloads
        self._frames: OrderedDict[str, clip.Frames] = OrderedDict()

    def of(self, key: ReferenceKey, baseline: bool, data: bytes, frames: clip.Frames) -> clip.Frames | None:
        """The frames that a clip is to be compared with; None while there are none.

        The first clip of the baseline becomes the reference: its bytes, ``data``, are stored. Raises StateDamaged.
        """
        name = self._name(key)
        reference = self._load(name, key.workload)
        if reference is None and baseline:
            write_whole_bytes(self._folder / f"{name}{SUFFIXES[clip.format_of(data) or 'GIF']}", data)
            self._hold(name, frames)
            return frames
        return reference

    def _name(self, key: ReferenceKey) -> str:
        short = "" if key.workload.steps == self._workloads[key.index].steps else f"-{key.workload.steps}-steps"
        seed = "" if key.seed in (None, SEED) else f"-seed-{key.seed}"
        return f"reference-{key.index}{short}{seed}"

    def _load(self, name: str, workload: Workload) -> clip.Frames | None:
        if name in self._frames:
            self._frames.move_to_end(name)
            return self._frames[name]
        for suffix in SUFFIXES.values():
            try:
                data = (self._folder / f"{name}{suffix}").read_bytes()
            except OSError:
                continue
            frames = clip.check_clip(data, workload)
            if not isinstance(frames, clip.ClipRefusal):
                self._hold(name, frames)
                return frames
        return None

    def _hold(self, name: str, frames: clip.Frames) -> None:
        self._frames[name] = frames
        while len(self._frames) > MOST_HELD:
            self._frames.popitem(last=False)
