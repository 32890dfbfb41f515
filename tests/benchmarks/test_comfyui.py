"""What docs/benchmarks.md tells of ComfyUI on an H100 is what its recorded samples say, and a replay agrees."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from autotune.cli.main import run
from autotune.overview.exported_study import read_export, replay
from tests.cli.test_output import webui

ROOT = Path(__file__).parents[2]
DATA = ROOT / "benchmarks" / "data"
TUNES = ("split", "none")


def section() -> str:
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    return " ".join(page.split("## ComfyUI on an H100", 1)[1].split("\n## ", 1)[0].split())


@lru_cache
def by_hand() -> dict[str, list[dict[str, Any]]]:
    """Flags -> the clips of all their starts, without the first of each, which loads the models."""
    found: dict[str, list[dict[str, Any]]] = {}
    for line in (DATA / "comfyui-h100-by-hand.jsonl").read_text(encoding="utf-8").splitlines():
        start = json.loads(line)
        found.setdefault(start["set"], []).extend(start["clips"][1:])
    return found


def tune(name: str) -> dict[str, Any]:
    return read_export(DATA / f"comfyui-h100-tune-{name}.json")


def speeds(flags: str) -> tuple[float, float, float]:
    """How many times as fast as without flags: by the median clip, the slowest and the fastest one."""
    base = median(clip["s"] for clip in by_hand()[""])
    own = [clip["s"] for clip in by_hand()[flags]]
    return base / median(own), base / max(own), base / min(own)


def gib(mib: float) -> str:
    return f"{mib / 1024:.1f}"


@pytest.mark.parametrize("flags", sorted(by_hand()))
def test_each_set_by_hand_has_its_row(flags: str) -> None:
    likely, low, high = speeds(flags)
    clips = by_hand()[flags]
    psnr = min(clip["psnr"] for clip in clips)
    image = "equal" if psnr == 99 else f"{psnr:.1f} dB"
    name = f"`{flags}`" if flags else "none"
    assert (f"| {name} | {median(clip['s'] for clip in clips):.2f} s | {likely:.2f} ({low:.2f} to {high:.2f}) | "
            f"{gib(max(clip['peak'] for clip in clips))} | {image} |") in section()


def test_no_other_row_stands_there() -> None:
    assert len(re.findall(r"\| \d\.\d\d s \|", section())) == len(by_hand())


def test_the_clips_by_hand_were_rendered() -> None:
    """No clip came out of ComfyUI's cache: the nodes behind the seed (8 and more) were computed each time."""
    for clips in by_hand().values():
        for clip in clips:
            assert clip["n"] == 16 and clip["move"] > 1 and not set(clip["cached"]) & {"8", "9", "10"}


def test_the_spread_by_hand_is_the_one_told() -> None:
    """A flag without effect there looks as good as any, so that no other is better than none."""
    nothing = "--fast cublas_ops"
    excluded = [one for one in tune("split")["result"]["excluded"] if one["flags"] == nothing.split()]
    assert excluded and "cublas_ops cannot be imported" in excluded[0]["reason"]
    assert speeds(nothing)[0] == max(speeds(flags)[0] for flags in by_hand())
    assert f"comes out {speeds(nothing)[0]:.2f} times as fast" in section()


@pytest.mark.parametrize("name", TUNES)
def test_a_replay_gives_the_recorded_verdict(name: str) -> None:
    document = tune(name)
    was, again = document["result"], replay(document)
    for key in ("decision", "sure", "reason", "speedup"):
        assert again[key] == was[key], key
    assert again["winner"]["flags"] == was["winner"]["flags"]


@pytest.mark.parametrize("name", TUNES)
def test_an_imported_tune_has_the_recorded_verdict(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--webui", str(webui(tmp_path / "webui")), "--state-dir", str(tmp_path / "state"))
    assert run([*where, "import", str(DATA / f"comfyui-h100-tune-{name}.json")]) == 0
    capsys.readouterr()
    assert run([*where, "replay", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["decision"] == tune(name)["result"]["decision"]


def test_the_tunes_are_told_as_they_ended() -> None:
    told, split, none = section(), tune("split")["result"], tune("none")["result"]
    assert (split["decision"], split["sure"], split["winner"]["flags"]) == ("apply", True, [])
    gain, sides = split["speedup"], (split["baseline"], split["winner"])
    assert f"{gain['estimate']:.2f} times as fast ({gain['low']:.2f} to {gain['high']:.2f})" in told
    assert " -> ".join(f"{side['seconds']['median']:.2f}" for side in sides) + " s" in told
    assert " -> ".join(gib(side["memory"]["peak"]) for side in sides) + " GiB" in told
    assert " -> ".join(gib(side["memory"]["torch_reserved"]) for side in sides) + " GiB" in told
    free = [sample["memory_peak"] for sample in tune("split")["samples"] if "attention=pytorch" in sample["candidate"]]
    assert f"between {gib(min(free))} and {gib(max(free))} GiB" in told
    assert (none["decision"], none["sure"], none["baseline"]["flags"]) == ("keep", False, [])
    pairs = re.search(r"in (\d) pairs.* at (\S+) times.*interval (\S+) to (\d\.\d+)\)", none["reason"])
    assert pairs and f"{pairs[2]} times as fast ({pairs[3]} to {pairs[4]}) in {pairs[1]} pairs" in told
    assert f"`{' '.join(none['challenger']['flags'])}`" in told
    for one in (split, none):
        assert f"{one['cost']['wall']:.0f} s" in told


@pytest.mark.parametrize("file", sorted(DATA.glob("comfyui-h100-*")), ids=lambda file: file.name)
def test_no_place_of_a_machine_is_in_the_files(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert re.findall(r'"(?:/(?!home/user/)|[A-Z]:\\\\)[^"]*"', text) == []
