"""What the user's own web UI gives away of the clips it renders: its output, where that goes to a file, and the files
that it saves. Only figures are taken of them; prompts and names are looked past.

The progress bar of the sampler (tqdm's, ``100%|████| 20/20 [00:04<00:00,  4.57it/s]``) ends with the mean rate of all
its steps. Another one, "Total progress", counts all clips of a job together. A clip's parameters are in the file
itself: a GIF's comment, a PNG's text chunk, an MP4's metadata (docs/webuis.md, "What a saved clip tells").
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from autotune.model.use import Printed, PrintedClip, SavedClip
from autotune.webui.a1111.install import data_folder

BEGIN, END = b"AnimateDiff process start.", b"AnimateDiff process end."
_BAR = re.compile(rb"(Total progress: *)?\d+%\|[^|\r\n]*\| (\d+)/(\d+) \[[\d:]+<[\d:?]+, +([\d.]+)(it/s|s/it)")
_STARTUP = re.compile(rb"^Startup time: ([\d.]+)s", re.MULTILINE)
LONGEST_JOB = 1 << 20
"""Bytes of output of one job; what is longer is passed over."""
HEAD = 1 << 16
"""Bytes at the beginning and at the end of a saved file in which its parameters stand."""
FORMATS = (".gif", ".mp4", ".webm", ".webp")
_FIELDS = re.compile(r"Steps: (\d+), Sampler: ([^,\n]+), .*?\bSize: (\d+)x(\d+)\b(.*)", re.DOTALL)
_VIDEO = re.compile(r"\bvideo_length: (\d+)\b.*?\bbatch_size: (\d+)\b", re.DOTALL)


def printed(data: bytes) -> Printed:
    """What a piece of the output tells. A job that has not ended yet is to be read again with what follows it."""
    startup = _STARTUP.search(data)
    read = data.rfind(END)
    read = read + len(END) if read >= 0 else max(0, len(data) - LONGEST_JOB)
    clips = []
    for job in data[:read].split(BEGIN)[1:]:
        rendered, end, _ = job.partition(END)
        bars = list(_bars(rendered))
        # A second bar is a second pass or a further clip: which time belongs to which file is not certain then.
        if end and len(bars) == 1 and bars[0] is not None:
            clips.append(bars[0])
        elif end:
            clips.append(PrintedClip(0, 0.0))
    return Printed(tuple(clips), float(startup[1]) if startup else None, read)


def _bars(text: bytes) -> Iterator[PrintedClip | None]:
    """Each progress bar of a sampler, None for one that did not come to its end."""
    last: tuple[int, int, float] | None = None
    for total_of_job, done, steps, rate, unit in _BAR.findall(text):
        if total_of_job or float(rate) <= 0.0:
            continue
        now = (int(done), int(steps), float(rate) if unit == b"s/it" else 1.0 / float(rate))
        if last is not None and (now[0] < last[0] or now[1] != last[1]):
            yield PrintedClip(last[1], last[2]) if last[0] == last[1] else None
        last = now
    if last is not None:
        yield PrintedClip(last[1], last[2]) if last[0] == last[1] else None


def saved(root: Path, words: Sequence[str], options: Mapping[str, object], since: float) -> list[SavedClip | None]:
    """The clips that were saved after the moment ``since``, oldest first; None for one that does not tell its
    parameters (they can be switched off)."""
    found: dict[tuple[str, str], tuple[float, Path]] = {}
    for folder in _folders(root, words, options):
        for path in _newer(folder, since):
            at = _written(path)
            # One clip in several formats is one clip; its first file is written when it is done.
            key = (str(folder), path.stem)
            if at > since and (key not in found or at < found[key][0]):
                found[key] = (at, path)
    return [_clip(path, at) for at, path in sorted(found.values())]


def _folders(root: Path, words: Sequence[str], options: Mapping[str, object]) -> list[Path]:
    """Where clips are saved, whether made from text or from a picture."""
    whole, found = options.get("outdir_samples"), []
    for name in ("txt2img", "img2img"):
        own = whole or options.get(f"outdir_{name}_samples")
        usual = data_folder(root, words) / "outputs" / f"{name}-images"
        found.append((root / own if isinstance(own, str) else usual) / "AnimateDiff")
    return list(dict.fromkeys(found))


def _newer(folder: Path, since: float) -> Iterator[Path]:
    """Entries of the folders of days that were written to after ``since``."""
    try:
        days = [entry.path for entry in os.scandir(folder) if entry.is_dir() and entry.stat().st_mtime >= since]
        for day in days:
            for entry in os.scandir(day):
                if entry.is_dir() or entry.name.lower().endswith(FORMATS):
                    yield Path(entry.path)
    except OSError:  # no clip was ever saved there, or the folder goes away meanwhile
        return


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _clip(path: Path, at: float) -> SavedClip | None:
    try:
        data = _ends(path / "00000.png" if path.is_dir() else path)
    except OSError:
        return None
    return parameters(_without_blocks(data) if data[:3] == b"GIF" else data, at)


def _ends(path: Path) -> bytes:
    with path.open("rb") as file:
        head = file.read(HEAD)
        size = file.seek(0, os.SEEK_END)
        file.seek(max(len(head), size - HEAD))
        return head + file.read(HEAD)


def _without_blocks(data: bytes) -> bytes:
    """The comment of a GIF: blocks of at most 255 bytes, each after its length."""
    at = data.find(b"\x21\xfe")
    text, at = b"", at + 2
    while 1 < at < len(data) and data[at]:
        text += data[at + 1 : at + 1 + data[at]]
        at += 1 + data[at]
    return text


def parameters(data: bytes, at: float) -> SavedClip | None:
    """The figures of a clip's parameters; None where they are not there, or are not those of one plain pass."""
    text = data.decode("utf-8", "replace")
    begin = text.rfind("\nSteps: ")
    found = _FIELDS.match(text, begin + 1) if begin >= 0 else None
    video = _VIDEO.search(found[5]) if found else None
    if found is None or video is None or "Hires " in found[0]:
        return None
    steps, sampler, width, height, rest = found.groups()
    model = re.search(r"\bModel hash: ([0-9a-f]+)", rest)
    scale = re.search(r"\bCFG scale: ([\d.]+)", found[0])
    return SavedClip(
        at, int(width), int(height), max(int(video[1]), int(video[2])), int(video[2]), int(steps), sampler.strip(),
        scale is None or float(scale[1]) != 1.0, model[1] if model else "")
