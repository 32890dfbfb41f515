"""Takes one cheap sample of each start and clip of the user's own web UI, without touching it.

Starts are seen by their processes. What a clip took is told by the web UI's output, where that goes to a file (on
Linux and macOS the system says which); the figures of the clip are in the file that it saves. Where the tab is
installed in the web UI, it tells both, on every system. Nothing is asked of the web UI, and nothing is kept but
figures. Without the tab, and where the output goes to a console or to another program, clips are not seen.
"""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.language.translate import _, ngettext
from autotune.model import codec
from autotune.model.codec import InvalidRecord
from autotune.model.use import (
    Around,
    ClipRecord,
    PartsRecord,
    Printed,
    PrintedClip,
    SavedClip,
    StartRecord,
    StartupRecord,
    ToldClip,
)
from autotune.store.use import UseLog
from autotune.webui.recognise import face_of

if TYPE_CHECKING:
    from autotune.webui.running import OwnWebUI

MOST_BYTES = 4 << 20
"""Bytes of output that are read at a time."""
PATIENCE = 3
"""Looks after which clips whose time and whose figures do not come together are given up."""
SAME_START = 2.0
"""Seconds by which two readings of one process's start may differ."""


@dataclass
class _Running:
    """A start that runs. ``output``: the file of its output; ``offset``: up to where that was read; ``told``: clips
    whose time is known and whose file is not yet; ``number``: clips so far; ``after``: files up to this moment belong
    to earlier clips; ``waited``: looks since something stood unmatched."""

    start: StartRecord
    words: tuple[str, ...]
    output: Path | None
    after: float
    offset: int = -1
    number: int = 0
    passed: int = 0
    told: list[PrintedClip] = field(default_factory=list)
    waited: tuple[int, int, int] = (0, 0, 0)


class UseWatch:
    """Looks again and again. ``web_uis``: the user's own that run now; ``parts``: the parts of the fingerprint."""

    def __init__(self, root: Path, log: UseLog, told: Path, parts: Callable[[], Mapping[str, str]]) -> None:
        """``told``: where the tab in the web UI tells of clips."""
        self._root, self.log, self._told, self._parts = root, log, told, parts
        self._told_size = -1
        self._webui = face_of(root)
        self._running: dict[int, _Running] = {}

    def look(self, web_uis: Sequence[OwnWebUI]) -> bool:
        """Records what is new; whether anything was. Raises StateDamaged, AutotuneError of the fingerprint."""
        before = len(self.log.records)
        now = {one.pid: one for one in web_uis if one.certain and one.listens != ()}
        self._running = {pid: one for pid, one in self._running.items() if pid in now}
        for pid, one in now.items():
            if pid not in self._running:
                self._begin(one)
        for running in self._running.values():
            if running.output is not None:
                self._read(running, running.output)
        self._take_told()
        return len(self.log.records) != before

    def parts_changed(self, parts: Mapping[str, str]) -> None:
        """Writes down parts that changed while a web UI runs and act in it; all others act from its next start on."""
        last = self.log.last(PartsRecord)
        if self._running and last is not None:
            now = {**last.parts, **{name: parts[name] for name in self._webui.live_parts if name in parts}}
            if now != last.parts:
                self.log.add(PartsRecord("parts", time.time(), now))

    def _begin(self, one: OwnWebUI) -> None:
        import psutil

        try:
            created = psutil.Process(one.pid).create_time()
        except (psutil.Error, OSError):
            return
        words = one.words or ()
        last = self.log.last(StartRecord)
        known = last is not None and last.pid == one.pid and abs(last.created - created) <= SAME_START
        if last is None or not known:
            parts = {**self._parts(), "tuned_flags": self._tuned(words)}
            newest = self.log.last(PartsRecord)
            if newest is None or newest.parts != parts:
                self.log.add(PartsRecord("parts", time.time(), parts))
            number = last.number + 1 if last else 1
            last = StartRecord("start", number, round(time.time(), 1), round(created, 1), one.pid)
            self.log.add(last)
        clips = [clip for clip in self.log.of(ClipRecord) if clip.start == last.number and clip.source == "log"]
        after = max([created, *(clip.at for clip in clips)])
        passed = max([0, *(clip.number for clip in clips)])
        self._running[one.pid] = _Running(last, words, _output_file(one.pid), after, passed=passed)

    def _tuned(self, words: Sequence[str]) -> str:
        from autotune.flags.words import canonical, split
        from autotune.secrets.mask import masked_words

        catalogue = self._webui.catalogue(self._root)
        return " ".join(masked_words(canonical(split(words, catalogue).tuned, catalogue)))

    def _read(self, running: _Running, output: Path) -> None:
        data = self._new_output(running, output)
        found = self._webui.printed_clips(data) if data else Printed()
        running.offset += found.read
        started = running.start.number
        if found.startup and not any(one.start == started for one in self.log.of(StartupRecord)[-1:]):
            self.log.add(StartupRecord("startup", started, time.time(), found.startup))
        for clip in found.clips:
            running.number += 1
            if running.number > running.passed:
                running.told.append(clip)
        if running.told:
            self._match(running)

    def _take_told(self) -> None:
        """Takes over what the tab told since it was read last. Lines that make no sense are passed over."""
        try:
            size = self._told.stat().st_size
            data = self._told.read_bytes() if size != self._told_size else b""
        except OSError:
            return
        self._told_size = size
        starts = {one.pid: one.number for one in self.log.of(StartRecord)}
        last = max((clip.at for clip in self.log.of(ClipRecord) if clip.source == "tab"), default=0.0)
        for line in data.split(b"\n")[:-1]:
            try:
                clip = codec.load(ToldClip, codec.decode(line))
            except InvalidRecord:
                continue
            # One of a process that was never seen has no known surroundings.
            start = starts.get(clip.pid) or starts.get(clip.parent)
            if clip.at > last and clip.number > 1 and start is not None:
                self.log.add(_told_record(start, clip, _around({clip.pid, clip.parent})))

    def _new_output(self, running: _Running, output: Path) -> bytes:
        """The output that was not read yet; of a file that several starts write to, only this one's."""
        try:
            with output.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                first = not 0 <= running.offset <= size
                begin = max(0, size - MOST_BYTES) if first else running.offset
                file.seek(begin)
                data = file.read(MOST_BYTES)
        except OSError:
            return b""
        if first:
            own = self._webui.own_output(data)
            running.offset, data = begin + own, data[own:]
        return data

    def _match(self, running: _Running) -> None:
        """Brings times and figures of clips together, where there are as many of one as of the other."""
        saved = self._webui.saved_clips(self._root, running.words, running.after)
        told = running.told
        if len(saved) != len(told):
            waited, *counts = running.waited
            same = counts == [len(told), len(saved)]
            running.waited = (waited + 1 if same else 0, len(told), len(saved))
            if running.waited[0] < PATIENCE:
                return
        else:
            around = _around({running.start.pid})
            begin = running.number - len(told) + 1
            for number, (clip, figures) in enumerate(zip(told, saved, strict=True), begin):
                # The first clip of a process loads the motion module and kernels: it tells nothing of later ones.
                if number > 1 and figures is not None and clip.steps == figures.steps and clip.step_seconds > 0:
                    self.log.add(_record(running.start.number, number, clip, figures, around))
        running.told, running.waited = [], (0, 0, 0)
        running.after = max([running.after, *(one.at for one in saved if one is not None)])


def _record(start: int, number: int, clip: PrintedClip, figures: SavedClip, around: Around) -> ClipRecord:
    """A sample. What is compared with what: sampling time alone, so that steps may differ, all else may not."""
    alike = ("log", figures.width, figures.height, figures.frames, figures.context, figures.sampler, figures.guided,
             figures.model)
    shape = _("{width} × {height}, {frames}, {sampler}").format(
        width=figures.width, height=figures.height, frames=_frames(figures.frames), sampler=figures.sampler)
    seconds = float(f"{clip.step_seconds / figures.frames:.6g}")
    at = math.ceil(1000.0 * figures.at) / 1000.0  # not before the file was written: it is not to be counted again
    return ClipRecord("clip", start, number, at, seconds, _series(alike), shape, "log", around)


def _told_record(start: int, clip: ToldClip, around: Around) -> ClipRecord:
    """A sample of a whole clip: it is compared with clips of as many steps alone."""
    alike = ("tab", clip.width, clip.height, clip.frames, clip.context, clip.steps, clip.sampler, clip.guided,
             clip.model)
    steps = ngettext("{count} step", "{count} steps", clip.steps).format(count=clip.steps)
    shape = _("{width} × {height}, {frames}, {steps}, {sampler}").format(
        width=clip.width, height=clip.height, frames=_frames(clip.frames), steps=steps, sampler=clip.sampler)
    seconds = float(f"{clip.seconds / clip.frames / clip.steps:.6g}")
    return ClipRecord("clip", start, clip.number, clip.at, seconds, _series(alike), shape, "tab", around)


def _frames(count: int) -> str:
    return ngettext("{count} frame", "{count} frames", count).format(count=count)


def _series(alike: tuple[object, ...]) -> str:
    return hashlib.sha256(repr(alike).encode()).hexdigest()[:8]


def _output_file(pid: int) -> Path | None:
    """The ordinary file that a process's output or error output goes to; None where there is none, or on Windows, which
    does not tell which of its open files that is."""
    import psutil

    try:
        files = {file.fd: Path(file.path) for file in psutil.Process(pid).open_files()}
    except (psutil.Error, OSError):
        return None
    return files.get(1) or files.get(2)


def _around(theirs: set[int]) -> Around:
    """What is around now, of all GPUs; ``theirs``: processes of the web UI."""
    from autotune.machine.nvml import Nvml, may_be_present

    if not may_be_present():
        return Around()
    with Nvml() as nvml:
        gpus = range(nvml.count())
        heat = [value for value in map(nvml.temperature, gpus) if value is not None]
        limits = [value for value in map(nvml.power_limit, gpus) if value is not None]
        sizes = [size for table in map(nvml.process_memory, gpus) for pid, size in (table or {}).items()
                 if pid not in theirs and size is not None]
        shares = [used / whole for gpu in gpus if (used := nvml.memory_used(gpu)) is not None
                  and (whole := nvml.memory_total(gpu))]
    return Around(max(heat, default=None), min(limits, default=None), round(sum(sizes), 1) if gpus else None,
                  round(max(shares), 4) if shares else None)
