"""AnimateDiff's arguments of a request, as sd-webui-animatediff 2 reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from autotune.engine.values import Json

EXTENSION = "sd-webui-animatediff"
VERSION = "2.0.1-a"


class Unusable(Exception):
    """AnimateDiff cannot run: A1111 logs it and answers 200 with ordinary stills."""


@dataclass(frozen=True)
class Clip:
    """AnimateDiff's arguments of one job; the defaults are the extension's. Lengths are in frames."""

    model: str = "mm_sd15_v3.safetensors"
    enable: bool = False
    video_length: int = 0
    fps: int = 8
    loop_number: int = 0
    closed_loop: str = "R-P"
    batch_size: int = 16
    stride: int = 1
    overlap: int = -1
    format: tuple[str, ...] = ("GIF", "PNG")
    interp: str = "Off"
    interp_x: int = 10
    freeinit_enable: bool = False
    request_id: str = ""
    video_source: Json = None
    video_path: str = ""
    mask_path: str = ""
    latent_power: float = 1
    latent_scale: float = 32
    last_frame: Json = None
    latent_power_last: float = 1
    latent_scale_last: float = 32
    freeinit_filter: str = "butterworth"
    freeinit_ds: float = 0.25
    freeinit_dt: float = 0.25
    freeinit_iters: int = 3

    @property
    def frames(self) -> int:
        """Frames that are computed: at least one context."""
        return max(self.length, self.batch_size)

    @property
    def length(self) -> int:
        """Frames of the video; a length of 0 means one context."""
        return self.video_length or self.batch_size

    @property
    def window_overlap(self) -> int:
        """Frames that neighbouring context windows share; -1 asks for a quarter of the context."""
        return self.batch_size // 4 if self.overlap == -1 else self.overlap

    def describe(self, motion_hash: str) -> str:
        """AnimateDiff's part of the infotext."""
        return (f"model: {self.model}, video_length: {self.length}, fps: {self.fps}, loop_number: "
                f"{self.loop_number}, closed_loop: {self.closed_loop}, batch_size: {self.batch_size}, stride: "
                f"{self.stride}, overlap: {self.window_overlap}, interp: {self.interp}, interp_x: {self.interp_x}, "
                f"freeinit_enable: {self.freeinit_enable}, mm_hash: {motion_hash}, version: v{VERSION}")


def read(args: list[Json]) -> Clip | None:
    """The clip that a request asks for, None when it is not enabled. Raises Unusable on unknown fields."""
    if not args or not isinstance(args[0], Mapping):
        return None
    given = dict(args[0])
    if "format" in given:
        given["format"] = tuple(given["format"]) if isinstance(given["format"], list) else (given["format"],)
    unknown = set(given) - {f.name for f in fields(Clip)}
    if unknown:
        name = sorted(unknown)[0]
        raise Unusable(f"AnimateDiffProcess.__init__() got an unexpected keyword argument '{name}'")
    clip = Clip(**given)
    return clip if clip.enable else None


def motion_file(extension: Path, name: str) -> Path:
    """The motion module's file. Raises Unusable when the extension has none of that name."""
    folder = (extension / "model").resolve()
    path = folder / name  # the extension joins them too: a module in a subfolder is named with it
    if not path.is_file() or not path.resolve().is_relative_to(folder):
        raise Unusable(f"Motion module {name} not found in {extension / 'model'}")
    return path
