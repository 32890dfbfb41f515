"""Samples of the user's own web UI: times and figures come together right, once each, whatever is cut off or killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from PIL import Image

from autotune.agent.use_watch import PATIENCE, UseWatch
from autotune.model.use import ClipRecord, PartsRecord, StartRecord, StartupRecord
from autotune.store.use import UseLog
from autotune.webui.running import OwnWebUI
from tests.webui.test_used_clips import FIELDS, bars, job

needs_output = pytest.mark.skipif(sys.platform == "win32", reason="where a program's output goes is not told there")
WAITS = "import sys; sys.stdin.read()"


class Desk:
    """A web UI's process and its files: what it prints and saves is the test's, in the formats of tqdm and Pillow."""

    def __init__(self, root: Path) -> None:
        self.root, self.parts = root, {"driver": "551.23", "settings": "", "torch": "2.1.2"}
        self.output = root / "out.log"
        self.use = UseLog(root / "state" / "use.jsonl")
        self.watch = UseWatch(root, self.use, root / "state" / "told.jsonl", lambda: self.parts)
        self.process: subprocess.Popen[bytes] | None = None
        self.saved = 0

    def start(self, *flags: str) -> None:
        self.stop()
        self.flags = flags
        for saved in self.root.glob("outputs/*/*/*/*"):  # the system tells the start of a process to a second or so
            os.utime(saved, (saved.stat().st_atime - 60, saved.stat().st_mtime - 60))
        with self.output.open("ab") as file:
            file.write(b"\nLaunching Web UI with arguments: x\nStartup time: 7.5s (a: 1s).\n")
            self.process = subprocess.Popen([sys.executable, "-c", WAITS], stdin=subprocess.PIPE, stdout=file)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()

    def killed(self) -> None:
        """The agent is killed and started again."""
        self.use = UseLog(self.root / "state" / "use.jsonl")
        self.watch = UseWatch(self.root, self.use, self.root / "state" / "told.jsonl", lambda: self.parts)

    def clip(self, step_seconds: float, fields: str = FIELDS, prints: bool = True, saves: bool = True) -> None:
        if prints:
            with self.output.open("a") as file:
                file.write(job(bars(20, 20, step_seconds)))
        if saves:
            self.saved += 1
            place = self.root / "outputs/txt2img-images/AnimateDiff/2026-11-28" / f"{self.saved:05}-7.gif"
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8)).save(place, comment=f"a secret\n{fields}")

    def look(self) -> list[ClipRecord]:
        assert self.process is not None
        one = OwnWebUI(self.process.pid, (("127.0.0.1", 7860),), self.flags)
        self.watch.look([one])
        return self.use.of(ClipRecord)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    (tmp_path / "modules").mkdir()
    for name in ("launch.py", "webui.py", "reference-webui.json"):
        (tmp_path / name).write_text("{}")
    one = Desk(tmp_path)
    yield one
    one.stop()


@needs_output
def test_each_clip_but_the_first_of_a_start_is_one_sample(desk: Desk) -> None:
    desk.start("--opt-sdp-attention", "--api")
    for seconds in (2.0, 0.5, 0.25):
        desk.clip(seconds)
    found = desk.look()
    assert [clip.seconds * 24 for clip in found] == pytest.approx([0.5, 0.25], rel=1e-4)
    assert [(clip.number, clip.start) for clip in found] == [(2, 1), (3, 1)]
    assert found[0].shape == "512 × 768, 24 frames, Euler a"
    desk.clip(0.2, FIELDS.replace("512x768", "512x512"))
    assert len({clip.series for clip in desk.look()}) == 2
    assert desk.look() == desk.look() and len(desk.look()) == 3
    (parts,), (startup,) = desk.use.of(PartsRecord), desk.use.of(StartupRecord)
    assert parts.parts == {**desk.parts, "tuned_flags": "--opt-sdp-attention"}
    assert startup.seconds == 7.5
    assert b"secret" not in (desk.root / "state" / "use.jsonl").read_bytes()


@needs_output
def test_a_killed_agent_goes_on_without_counting_twice(desk: Desk) -> None:
    desk.start()
    for _ in range(3):
        desk.clip(0.5)
    before = desk.look()
    desk.killed()
    assert desk.look() == before
    desk.clip(0.25)
    desk.killed()
    assert [clip.number for clip in desk.look()] == [2, 3, 4]
    assert [record.number for record in desk.use.of(StartRecord)] == [1]


@needs_output
def test_a_second_start_into_the_same_file_is_read_by_itself(desk: Desk) -> None:
    desk.start()
    desk.clip(0.5)
    desk.clip(0.5)
    desk.look()
    desk.start("--xformers")
    desk.clip(9.0)
    desk.clip(0.125)
    found = desk.look()
    assert [(clip.start, clip.number) for clip in found] == [(1, 2), (2, 2)]
    assert found[-1].seconds * 24 == pytest.approx(0.125, rel=1e-4)
    assert [record.parts["tuned_flags"] for record in desk.use.of(PartsRecord)] == ["", "--xformers"]


@needs_output
def test_times_and_figures_that_do_not_come_together_are_given_up_and_later_ones_are_right(desk: Desk) -> None:
    desk.start()
    desk.clip(0.5)
    desk.look()
    desk.clip(0.5, saves=False)
    for _ in range(PATIENCE + 1):
        assert desk.look() == []
    desk.clip(0.25)
    assert [clip.seconds * 24 for clip in desk.look()] == pytest.approx([0.25], rel=1e-4)
    desk.clip(0.5, FIELDS.replace("Steps: 20", "Steps: 30"))
    desk.clip(0.5, "Seed: 4")
    assert len(desk.look()) == 1, "its bar and its file tell of different clips, or the file tells nothing"


@needs_output
def test_a_file_that_comes_before_its_last_line_is_waited_for(desk: Desk) -> None:
    desk.start()
    desk.clip(0.5)
    desk.look()
    desk.clip(0.5, prints=False)
    assert desk.look() == []
    desk.clip(0.5, saves=False)
    assert len(desk.look()) == 1


def test_what_acts_in_a_running_web_ui_is_written_down_and_the_rest_at_its_next_start(desk: Desk) -> None:
    desk.start()
    desk.look()
    desk.parts |= {"settings": "token_merging_ratio=0.5", "torch": "2.3.0"}
    desk.watch.parts_changed(desk.parts)
    assert desk.use.of(PartsRecord)[-1].parts["torch"] == "2.1.2"
    assert desk.use.of(PartsRecord)[-1].parts["settings"] == "token_merging_ratio=0.5"
    desk.start()
    desk.look()
    assert desk.use.of(PartsRecord)[-1].parts["torch"] == "2.3.0"


def test_output_that_goes_nowhere_tells_starts_alone(desk: Desk) -> None:
    desk.process = subprocess.Popen([sys.executable, "-c", WAITS], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    desk.flags = ()
    desk.clip(0.5, prints=False)
    assert desk.look() == []
    (start,) = desk.use.of(StartRecord)
    assert start.pid == desk.process.pid and abs(start.created - psutil.Process(start.pid).create_time()) < 1
    assert abs(start.at - time.time()) < 60


def told(desk: Desk, number: int, seconds: float, **changed: object) -> None:
    """A line of the tab's."""
    assert desk.process is not None
    line = {"at": 2e9 + number, "pid": 1, "parent": desk.process.pid, "number": number, "seconds": seconds,
            "width": 512, "height": 512, "frames": 16, "context": 16, "steps": 20, "sampler": "Euler a", "guided": True,
            "model": "0123456789", **changed}
    (desk.root / "state").mkdir(exist_ok=True)
    with (desk.root / "state" / "told.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")


def test_what_the_tab_tells_is_taken_once_where_its_process_is_known(desk: Desk) -> None:
    desk.process = subprocess.Popen([sys.executable, "-c", WAITS], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    desk.flags = ()
    told(desk, 1, 9.0)
    told(desk, 2, 6.4)
    told(desk, 3, 6.4, parent=1)
    told(desk, 4, -1.0)
    with (desk.root / "state" / "told.jsonl").open("a") as file:
        file.write("nonsense\n[]\n")
    (clip,) = desk.look()
    assert (clip.seconds, clip.source, clip.number) == (6.4 / 16 / 20, "tab", 2)
    assert clip.shape == "512 × 512, 16 frames, 20 steps, Euler a"
    desk.killed()
    told(desk, 5, 12.8, steps=40)
    found = desk.look()
    assert [one.number for one in found] == [2, 5]
    assert found[0].series != found[1].series, "what does not grow with the steps makes them unlike"
    (desk.root / "state" / "told.jsonl").write_text("")
    told(desk, 6, 6.4, pid=desk.process.pid, parent=1)
    assert len(desk.look()) == 3


@needs_output
def test_megabytes_of_output_are_read_in_pieces(desk: Desk) -> None:
    desk.start()
    desk.clip(0.5)
    desk.look()
    with desk.output.open("ab") as file:
        file.write(b"chatter of an extension\n" * 400_000)
    desk.clip(0.5)
    for _ in range(4):
        found = desk.look()
    assert len(found) == 1
