"""The clip among the outputs of a prompt, as one animated WEBP whatever files the graph wrote."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from autotune.language.translate import _
from autotune.model.api import ApiProblem
from autotune.workload.webp import animation

Fetch = Callable[[Mapping[str, str]], bytes]
"""Gets the bytes that are at the ``address`` of one file."""

KEYS = ("images", "gifs", "videos")
"""Keys of a node's output under which it names files with pictures: core nodes, VideoHelperSuite, others."""
PICTURES = (".png", ".webp", ".gif", ".apng", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
VIDEOS = (".mp4", ".webm", ".mov", ".mkv", ".avi", ".m4v")
FRAME_SECONDS = 0.125
MOST_FILES = 4096
"""Files of one node that are looked at."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What one node shows: its files, in order, each with ``filename``, ``subfolder`` and ``type``; ``kept``: saved as
    output, not only for a preview."""

    node: str
    files: tuple[dict[str, str], ...]
    kept: bool

    @property
    def exact(self) -> int:
        """How little the files lose: 2 for PNG and WEBP, 1 for GIF and JPEG, 0 for a video."""
        name = self.files[0]["filename"].lower()
        return 0 if is_video(name) else 2 if name.endswith((".png", ".webp", ".apng")) else 1


def is_video(name: str) -> bool:
    """Whether a file is a video, by its name."""
    return name.lower().endswith(VIDEOS)


def address(file: Mapping[str, str]) -> str:
    """Where a trial's ComfyUI hands out a file: a picture itself, a video as the pictures in it (trial_node/)."""
    path = "/autotune/pictures" if is_video(file["filename"]) else "/view"
    return f"{path}?{urlencode({name: file[name] for name in ('filename', 'subfolder', 'type')})}"


def clip_of(outputs: Mapping[str, Any], shown: Sequence[str], fetch: Fetch) -> bytes:
    """The clip as an animated WEBP: as it was saved, where it is one, else its frames without loss.

    ``outputs``: those of GET /history/{id}; ``shown``: ids of the nodes that may have made it (one that a node of them
    was expanded to counts as well). What was saved counts before what was only previewed; of several nodes the one with
    most frames, then with the largest, then with the least loss. Raises ApiProblem where nothing shows a picture, or a
    file is none.
    """
    found = list(_shown(outputs, shown))
    if not found:
        raise ApiProblem("shape", _("the graph gave no picture or video"), status=200)
    found = [one for one in found if one.kept] or found
    clips = [(_clip(one, fetch), one) for one in found]
    return max(clips, key=lambda made: (*made[0][:2], made[1].exact))[0][2]


def _shown(outputs: Mapping[str, Any], nodes: Sequence[str]) -> Iterator[Shown]:
    """What each of these nodes shows, in the order of ``nodes``; nothing for one without files that we can read."""
    for node, output in sorted(outputs.items(), key=lambda item: _place(item[0], nodes)):
        if _place(node, nodes) == len(nodes) or not isinstance(output, dict):
            continue
        for key in KEYS:
            entries = output.get(key)
            files = [file for file in map(_file, entries if isinstance(entries, list) else ()) if file is not None]
            kept = [file for file in files if file["type"] == "output"]
            if files:
                yield Shown(node, tuple((kept or files)[:MOST_FILES]), bool(kept))


def _place(node: str, nodes: Sequence[str]) -> int:
    """Where a node stands in ``nodes``, also one that another was expanded to ("12.0.0.3"); their number: nowhere."""
    for name in (node, node.partition(".")[0]):
        if name in nodes:
            return nodes.index(name)
    return len(nodes)


def _file(entry: object) -> dict[str, str] | None:
    """An entry of an output as a file; None for what is no picture and no video."""
    if not isinstance(entry, dict) or not isinstance(entry.get("filename"), str):
        return None
    if not entry["filename"].lower().endswith(PICTURES + VIDEOS):
        return None
    return {"filename": entry["filename"], "subfolder": str(entry.get("subfolder") or ""),
            "type": str(entry.get("type") or "output")}


def _clip(shown: Shown, fetch: Fetch) -> tuple[int, int, bytes]:
    """(number of frames, pixels of one, the clip as an animated WEBP)."""
    from PIL import Image, UnidentifiedImageError

    frames: list[Image.Image] = []
    name = ""
    try:
        for file in shown.files:
            name = file["filename"]
            data = fetch(file)
            for picture in _stack(data) if is_video(name) else (data,):
                with Image.open(io.BytesIO(picture)) as image:
                    count = getattr(image, "n_frames", 1)
                    if len(shown.files) == 1 and image.format == "WEBP" and count > 1:
                        return count, image.width * image.height, data
                    for index in range(count):
                        image.seek(index)
                        frames.append(image.convert("RGB"))
        if not frames:
            raise ValueError(_("no frame in it"))
    except (OSError, SyntaxError, EOFError, ValueError, IndexError, UnidentifiedImageError,
            Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ApiProblem("shape", _("{file} is no picture or video: {error}").format(file=name, error=error),
                         status=200) from None
    first = frames[0]
    same = [frame for frame in frames if frame.size == first.size]
    return len(same), first.width * first.height, animation(same, FRAME_SECONDS)


def _stack(data: bytes) -> Iterator[bytes]:
    """The pictures of a video, each behind its length (trial_node/autotune_trial/video.py). Raises ValueError."""
    at = 0
    while at < len(data):
        if at + 4 > len(data) or at + 4 + (size := int(struct.unpack(">I", data[at:at + 4])[0])) > len(data):
            raise ValueError(_("cut off"))
        yield data[at + 4:at + 4 + size]
        at += 4 + size
