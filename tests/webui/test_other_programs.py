"""Programs that render AnimateDiff clips and are no web UI are named, with what can be done there; others are not."""

from __future__ import annotations

import json
import re
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from autotune.cli.main import VERBS, run
from autotune.model.errors import NothingToWorkOn
from autotune.webui import find, other_programs
from tests.webui.installs import webui, write

ROOT = Path(__file__).parents[2]
RECORDED: dict[str, Any] = json.loads((Path(__file__).parent / "other_programs.json").read_text(encoding="utf-8"))
DATA = ROOT / "benchmarks/data"
NO_SWITCH, SWITCH = "has no switch", "--without-xformers"
SAID = {
    "ebfd7b7": ("own command script (", ["xformers is not used", "torch 1.12.1", "diffusers 0.11.1"], [SWITCH]),
    "1700053": ("own command script and Gradio app (", ["uninstall xformers", "app " + NO_SWITCH], [SWITCH]),
    "1089219": ("own command script and Gradio app (", ["uninstall xformers", "torch 1.13.1"], [SWITCH]),
    "0361f58": ("own command script and Gradio app (", [SWITCH, "app " + NO_SWITCH, "torch 1.13.1"], ["uninstall"]),
    "d7ba643": ("own command script and Gradio app (", [SWITCH, "does not get it", "torch 2.3.1"], ["uninstall"]),
    "animatediff-cli": ("the command line of animatediff-cli", ["SDPA", "in its place with --xformers"], [SWITCH]),
    "PIA": ("own Gradio app (", ["xformers is not used", "since 0.13, with torch 2"], [SWITCH]),
}


def clone(folder: Path, name: str) -> Path:
    """A clone of a recorded program: its files, with the words that were found in them."""
    files = RECORDED["programs"][name]
    for file in files["files"]:
        write(folder / file, "\n".join(files["inside"].get(file, [])))
    return folder


def recorded(part: str) -> str:
    return next(str(name) for name in RECORDED["programs"] if part in name)


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No web UI of this machine is found by chance."""
    monkeypatch.delenv("AUTOTUNE_WEBUI", raising=False)
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path / "home"))


def test_every_recorded_program_is_judged() -> None:
    assert len(SAID) == len(RECORDED["programs"]) and all(recorded(part) for part in SAID)


@pytest.mark.parametrize("part", SAID)
@pytest.mark.parametrize("folder", ["AnimateDiff", "mein clone (neu)", "sd-webui-animatediff"])
def test_a_clone_is_named_with_what_can_be_done_there(tmp_path: Path, part: str, folder: str) -> None:
    root = clone(tmp_path / folder, recorded(part))
    title, told, untold = SAID[part]
    with pytest.raises(NothingToWorkOn) as fault:
        find.check_folder(root)
    assert title in fault.value.message and str(root) in fault.value.message
    assert all(words in fault.value.hint for words in told), fault.value.hint
    assert not any(words in fault.value.hint for words in untold), fault.value.hint
    assert "autotune writes nothing there" in fault.value.hint and "--webui" in fault.value.hint


@pytest.mark.parametrize(("kept", "title"), [(("scripts/animate.py",), "own command script ("),
                                             (("app.py",), "own Gradio app ("), ((), "")])
def test_half_a_clone(tmp_path: Path, kept: tuple[str, ...], title: str) -> None:
    root = clone(tmp_path / "x", recorded("d7ba643"))
    for name in {"scripts/animate.py", "app.py"} - set(kept):
        (root / name).unlink()
    found = other_programs.recognise(root)
    assert (title in found.title) if found and title else found is None


@pytest.mark.parametrize("name", RECORDED["others"])
def test_look_alikes_are_not_taken_for_it(tmp_path: Path, name: str) -> None:
    for file in RECORDED["others"][name]:
        write(tmp_path / "x" / file, "--without-xformers enable_xformers")
    assert other_programs.recognise(tmp_path / "x") is None
    with pytest.raises(NothingToWorkOn, match=r"is no web UI: it has n(?:o|either)"):
        find.check_folder(tmp_path / "x")


def test_a_web_ui_stays_one_whatever_lies_in_it(tmp_path: Path) -> None:
    """The extension's folder points to the web UI above it; a clone in it is a clone; the web UI is tuned."""
    root = webui(tmp_path / "stable-diffusion-webui")
    inside = clone(root / "AnimateDiff", recorded("d7ba643"))
    clone(root, recorded("d7ba643"))
    assert find.check_folder(root) == root
    with pytest.raises(NothingToWorkOn, match="command script"):
        find.check_folder(inside)
    with pytest.raises(NothingToWorkOn) as fault:
        find.check_folder(root / "extensions/sd-webui-animatediff")
    assert fault.value.hint == f"did you mean {root}?"


@pytest.mark.parametrize("place", ["cwd", "cwd/AnimateDiff", "home/AI/AnimateDiff", "home/animatediff-cli"])
def test_where_no_web_ui_is_found_a_clone_is_named(tmp_path: Path, place: str) -> None:
    root = clone(tmp_path / place, recorded("animatediff-cli" if "cli" in place else "d7ba643"))
    with pytest.raises(NothingToWorkOn, match=f"{re.escape(str(root))} .no web UI was found"):
        find.find(None, None)
    found = webui(tmp_path / "home/stable-diffusion-webui")
    assert find.find(None, None) == found


def test_every_verb_that_wants_a_web_ui_says_it_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = clone(tmp_path / "AnimateDiff", recorded("d7ba643"))
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    place = ["--webui", str(root), "--state-dir", str(tmp_path / "state")]
    wanted = [["probe"], ["probe", "--json"], ["tune"], ["apply"], ["verify"], ["status"], ["doctor"], ["history"]]
    assert {words[0] for words in wanted} <= set(VERBS)
    for words in wanted:
        assert run([*words, *place]) == 3, words
        out, err = capsys.readouterr()
        assert "own command script and Gradio app" in err and "\n  There xformers" in err and "Traceback" not in err
        if "--json" in words:
            document = json.loads(out)
            assert document["kind"] == "error" and document["code"] == 3 and SWITCH in document["hint"]
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


def article(workload: str, flags: int) -> list[dict[str, float]]:
    samples = json.loads((DATA / "article-rtx3090.json").read_text(encoding="utf-8"))["samples"]
    return [one for one in samples if one["workload"] == workload and len(one["flags"]) == flags]


def mean(rows: list[dict[str, float]], key: str = "seconds") -> float:
    return fmean(row[key] for row in rows)


def tuned(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DATA / f"tunes-a1111-h200/{name}-result.json").read_text(encoding="utf-8"))
    return found


def test_the_figures_are_the_recorded_ones() -> None:
    small, page = "512x512x16", (ROOT / "docs/article.md").read_text(encoding="utf-8")
    theirs = " to ".join(f"{mean(article(small, flags)):.1f}" for flags in (0, 2))
    assert f"from {theirs} s on an RTX 3090" in other_programs.FIGURES
    ours = re.search(r"from ([\d.]+) to\s+([\d.]+) s on an H200", other_programs.FIGURES)
    assert ours is not None and f"takes {ours[2]} s in place of {ours[1]} s" in (ROOT / "README.md").read_text("utf-8")
    assert f"| {ours[1]} s | {ours[2]} s |" in page
    result = tuned("article512")
    assert result["speedup"]["low"] < float(ours[1]) / float(ours[2]) < result["speedup"]["high"]
    for told, key in zip(ours.groups(), ("baseline", "winner"), strict=True):
        assert abs(float(told) / result[key]["seconds"]["median"] - 1) < 0.03


def test_the_page_holds_what_was_recorded() -> None:
    page = " ".join((ROOT / "docs/article.md").read_text(encoding="utf-8").split())
    for workload in ("512x512x16", "768x768x24"):
        rows = [article(workload, flags) for flags in (0, 2)]
        seconds = " | ".join(f"{mean(row):.1f} s" for row in rows)
        gain = mean(rows[0]) / mean(rows[1])
        memory = " | ".join(f"{mean(row, 'system_mib') / 1024:.1f} GiB" for row in rows)
        assert f"| {seconds} | {gain:.2f} | {memory} |" in page, (seconds, gain, memory)
    for name in ("article512", "article768"):
        result = tuned(name)
        sides = [result[key] for key in ("baseline", "winner")]
        seconds = " | ".join(f"{side['seconds']['median']:.2f} s" for side in sides)
        times = f"{result['speedup']['estimate']:.2f}"
        memory = " | ".join(f"{side['memory_peak'] / 1024:.1f} GiB" for side in sides)
        assert f"| {seconds} | {times} | {memory} |" in page, (seconds, times, memory)
