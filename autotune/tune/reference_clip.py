"""Reference clips of the current flags; frames of all other sets are compared with them, at equal seed and steps."""

from __future__ import annotations

from pathlib import Path

from autotune.model.workload import Profile, Workload
from autotune.store.journal import write_whole_bytes
from autotune.workload import clip


class ReferenceClips:
    """One reference clip for each workload and number of steps, stored as a GIF in the study's folder."""

    def __init__(self, folder: Path, profile: Profile) -> None:
        self._folder = folder
        self._workloads = profile.workloads
        self._frames: dict[Path, clip.Frames] = {}

    def likeness(
        self, index: int, workload: Workload, baseline: bool, gif: bytes, frames: clip.Frames
    ) -> tuple[float, float] | None:
        """(SSIM, PSNR in dB) of a clip against the reference clip of workload ``index``; None while there is none.

        ``workload``: what was rendered. With fewer steps it is another picture, and has a reference of its own. The
        first clip of the baseline becomes the reference: its bytes, ``gif``, are stored.
        """
        path = self._path(index, workload)
        reference = self._load(path, workload)
        if reference is None and baseline:
            write_whole_bytes(path, gif)
            self._frames[path] = reference = frames
        return None if reference is None else clip.compare_clips(frames, reference)

    def _path(self, index: int, workload: Workload) -> Path:
        short = "" if workload.steps == self._workloads[index].steps else f"-{workload.steps}-steps"
        return self._folder / f"reference-{index}{short}.gif"

    def _load(self, path: Path, workload: Workload) -> clip.Frames | None:
        if path not in self._frames:
            try:
                data = path.read_bytes()
            except OSError:
                return None
            frames = clip.check_clip(data, workload)
            if isinstance(frames, clip.ClipRefusal):
                return None
            self._frames[path] = frames
        return self._frames[path]
