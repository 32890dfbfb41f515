"""The current flags' own clip, against which every other set's frames are compared at equal seed."""

from __future__ import annotations

from pathlib import Path

from autotune.model.workload import Profile
from autotune.store.journal import write_whole_bytes
from autotune.workload import clip


class Reference:
    """One reference clip per workload, kept as a GIF in the study's folder so that a resumed study has it."""

    def __init__(self, folder: Path, profile: Profile) -> None:
        self._folder = folder
        self._workloads = profile.workloads
        self._frames: dict[int, clip.Frames] = {}

    def likeness(
        self, index: int, baseline: bool, gif: bytes, frames: clip.Frames
    ) -> tuple[float, float] | None:
        """(SSIM, PSNR in dB) with the reference of workload ``index``; None while there is none.

        The first clip of the baseline becomes the reference.
        """
        reference = self._load(index)
        if reference is None and baseline:
            write_whole_bytes(self._path(index), gif)
            self._frames[index] = reference = frames
        return None if reference is None else clip.compare(frames, reference)

    def _path(self, index: int) -> Path:
        return self._folder / f"reference-{index}.gif"

    def _load(self, index: int) -> clip.Frames | None:
        if index not in self._frames:
            try:
                data = self._path(index).read_bytes()
            except OSError:
                return None
            frames = clip.check(data, self._workloads[index])
            if isinstance(frames, clip.Refusal):
                return None
            self._frames[index] = frames
        return self._frames[index]
