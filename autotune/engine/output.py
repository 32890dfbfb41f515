"""Pictures, GIFs and the texts that go with them."""

from __future__ import annotations

import base64
import io
import re
import struct
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.engine.values import Json, Tensor

if TYPE_CHECKING:
    from PIL.Image import Image

VERSION = "1.10.1"


def pictures(frames: Tensor) -> list[Image]:
    """PIL pictures from (n, 3, h, w) in 0..1."""
    from PIL import Image as Pillow

    arrays = (frames * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return [Pillow.fromarray(array) for array in arrays]


def png(picture: Image, infotext: str = "") -> bytes:
    """A PNG with the infotext in it, as A1111 keeps it (text chunk `parameters`)."""
    from PIL.PngImagePlugin import PngInfo

    buffer, info = io.BytesIO(), PngInfo()
    if infotext:
        info.add_text("parameters", infotext)
    picture.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def gif(frames: Sequence[Image], fps: int, loops: int, comment: str = "") -> bytes:
    """An animated GIF, each frame with its own palette; ``loops`` 0: for ever; ``comment``: AnimateDiff's infotext.

    Pillow's own writer joins frames that are alike; here each stays a frame, so the container is put together
    by hand (GIF89a: header, NETSCAPE loop extension, frames as Pillow encodes them, end mark).
    """
    from PIL import Image as Pillow
    from PIL.GifImagePlugin import getdata

    size = frames[0].size
    parts = [b"GIF89a", struct.pack("<HHBBB", *size, 0x70, 0, 0),
             b"\x21\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<H", loops) + b"\x00"]
    said = comment.encode()
    if said:  # in blocks of at most 255 bytes, each after its length
        blocks = (said[at : at + 255] for at in range(0, len(said), 255))
        parts.append(b"\x21\xfe" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\x00")
    for frame in frames:
        small = frame.convert("P", palette=Pillow.Palette.ADAPTIVE)
        parts.extend(getdata(small, duration=round(1000 / max(fps, 1)), disposal=1, include_color_table=True))
    return b"".join([*parts, b"\x3b"])


def base64_of(data: bytes) -> str:
    """Bytes as base64 text."""
    return base64.b64encode(data).decode("ascii")


def next_file(folder: Path, tail: str) -> Path:
    """The path of the next numbered file, 00000-TAIL; makes the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = [int(m.group(1)) for m in (re.match(r"(\d{5,})-", p.name) for p in folder.iterdir()) if m]
    return folder / f"{max(numbers, default=-1) + 1:05}-{tail}"


def today() -> str:
    """The date that A1111's `[date]` folder pattern gives."""
    return datetime.now(tz=timezone.utc).astimezone().strftime("%Y-%m-%d")


def infotext(values: dict[str, Json], seed: int, animated: str) -> str:
    """One infotext: prompt, negative prompt, parameters; ``animated`` is AnimateDiff's part or empty."""
    fields = [
        ("Steps", values["steps"]), ("Sampler", values["sampler"]), ("Schedule type", values["scheduler"]),
        ("CFG scale", values["cfg_scale"]), ("Seed", seed), ("Size", f"{values['width']}x{values['height']}"),
        ("Model hash", values["model_hash"]), ("Model", values["model"]),
    ]
    if animated:
        fields.append(("AnimateDiff", f'"{animated}"'))
    fields.append(("Version", VERSION))
    text = ", ".join(f"{name}: {value}" for name, value in fields)
    negative = f"\nNegative prompt: {values['negative_prompt']}" if values["negative_prompt"] else ""
    return f"{values['prompt']}{negative}\n{text}"
