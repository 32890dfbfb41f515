"""Terminal output: plain where it must start fast, safe against what others write, stable in its words."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys

import pytest
from rich.cells import cell_len

from autotune.model.workload import SearchSpec
from autotune.report import facts, tables, words
from autotune.report import html as page
from autotune.report.outcome import outcome
from autotune.webui.a1111.flags import space
from tests.flags.machines import machine
from tests.report import examples

TUNE = examples.document(examples.recorded())["tune"]


def squeezed(said: str) -> str:
    """Runs of blanks made one, so that column widths do not matter."""
    return " ".join(said.split())


def test_tune_summary_says_verdict_sets_and_cost() -> None:
    said = tables.text(tables.tune_summary(TUNE))
    assert said.startswith("Change your flags. 8 of 8 fresh pairs")
    assert "tuned --opt-sdp-attention 4.90 s" in squeezed(said)
    assert "1.47 times as fast (95 % interval 1.447 to 1.492)" in said
    assert f"Sets measured ({len(examples.IDS)})" in said
    assert "Out of memory" in said
    assert "Took 22 min 00 s (20 launches" in said


def test_tune_summary_of_keep_names_the_rival() -> None:
    tune = examples.document(examples.keep(), "keep", memory=False)["tune"]
    said = tables.text(tables.tune_summary(tune))
    assert said.startswith("Keep your flags. The best rival is not faster.")
    assert "best rival --opt-sdp-attention --opt-channelslast 4.98 s" in squeezed(said)
    assert "0.98 times as fast" in said


@pytest.mark.parametrize(("now", "said"), [(7.20, False), (4.97, True), (7.30, False), (9.0, True)])
def test_times_that_contradict_the_speed_are_explained(now: float, said: bool) -> None:
    """4.90 s is the tuned set's median, 1.447 to 1.492 the interval of the speed."""
    note = examples.recorded()
    document = examples.document(note)
    document["tune"]["baseline"]["seconds"] = {"median": now, "low": now * 0.99, "high": now * 1.01}
    why = "The two times of a clip do not give this speed: "
    rendered = page.render(document, note.samples, note.launches, None)
    for text in (tables.text(tables.tune_summary(document["tune"])), re.sub(r"<[^>]*>", "", rendered)):
        assert (f"{why}each is a median" in squeezed(text)) == said
    assert ("4.90 s instead of" in facts.headline_of(outcome(document["tune"]))) == (not said)
    document["tune"]["profile"] = {"workload": [{}, {}]}
    several = squeezed(tables.text(tables.tune_summary(document["tune"])))
    assert (f"{why}they are of the profile's first clip alone" in several) == said


@pytest.mark.parametrize(("count", "said"), [(1, "512 × 512, 1 frame, 1 step"), (2, "512 × 512, 2 frames, 2 steps")])
def test_one_frame_and_one_step_are_singular(count: int, said: str) -> None:
    assert words.workload({"width": 512, "height": 512, "frames": count, "steps": count}) == said
    few = {**TUNE, "launches": count, "clips": count}
    ends = f"({words.plural(count, 'launch')}, {words.plural(count, 'clip')})"
    assert ends in tables.text(tables.tune_summary(few))
    assert ("launches" in ends) == (count > 1)


def test_tune_summary_without_a_measurement() -> None:
    said = tables.text(tables.tune_summary({"decision": "keep", "reason": "Nothing ran."}))
    assert "Nothing ran." in said


PROBE = {
    "gpus": [{"name": "RTX 3090", "memory_total": 24576.0, "driver_version": "555.42"}],
    "webui": {
        **{"flavour": "a1111", "version": "v1.10.1", "root": "/w", "launch_file": "/w/webui-user.sh"},
        **{"tuned_flags": ["--xformers"], "kept_flags": ["--api"], "manageable": True},
    },
    "runtime": {"python": "3.10.6", "torch": "2.1.2", "cuda": "12.1", "xformers": None},
    "animatediff": {"version": "2.0.1", "motion_modules": [{"name": "mm_sd15_v3.safetensors"}]},
    "settings": {"cross_attention_optimization": "Automatic"},
    "candidates": [
        {"flags": ["--opt-sdp-attention"], "settings": {}, "excluded": None},
        {"flags": ["--xformers"], "settings": {}, "excluded": "not installed"},
    ],
    "fingerprint": {"id": "abc123", "parts": {}},
    "warnings": ["NVML did not answer \x1b[31mquickly"],
}


def test_probe_table() -> None:
    said = tables.text(tables.probe_table(PROBE))
    assert "RTX 3090, 24.0 GiB, driver 555.42" in said
    assert "mm_sd15_v3.safetensors" in said
    assert "Candidates (1)" in said
    assert "--xformers not installed" in squeezed(said)
    assert "\x1b" not in said


def test_probe_without_anything() -> None:
    said = tables.text(
        tables.probe_table({"gpus": [], "webui": {"manageable": False, "why_not": "no web UI"}})
    )
    assert "none found" in said
    assert "cannot be managed: no web UI" in said


def test_markup_from_outside_is_text() -> None:
    rows = [
        {"at": "2026-11-23T09:15:00Z", "verb": "tune", "cause": "[red]driver[/red]", "decision": "apply"}
    ]
    said = tables.text(tables.history_table(rows))
    assert "[red]driver[/red]" in said
    assert "2026-11-23 09:15 UTC" in said


def test_verify_table() -> None:
    row = {"flag": "--xformers", "in_file": True, "on_command_line": False, "in_effect": None}
    said = tables.text(tables.verify_table({"flags": [row], "ok": False}))
    assert "yes" in said
    assert "no" in said
    assert "not seen" in said
    assert "Not all is as written." in said


def test_verify_says_why_and_what_became_of_the_file() -> None:
    rows = [
        {"flag": "--xformers", "expected": True, "in_file": True, "on_command_line": False, "in_effect": False,
         "why": "started without it", "ok": False},
        {"flag": "--medvram", "expected": False, "in_file": True, "on_command_line": None, "in_effect": None,
         "why": "nobody was asked", "ok": False},
    ]
    settings = [{"setting": "cross_attention_optimization", "expected": "Automatic", "now": "InvokeAI"}]
    said = tables.text(tables.verify_table({
        "flags": rows, "settings": settings, "ok": False, "file": "/x/webui-user.sh", "file_since_apply": "before",
        "asked": "the running web UI (pid 1, port 2)"}))
    assert "--xformers: started without it" in said
    assert "--medvram: not part of what was applied" in said
    assert "cross_attention_optimization: InvokeAI instead of Automatic" in said
    assert "webui-user.sh was put back since" in said
    assert "Asked: the running web UI" in said


def test_status_says_what_became_of_the_file_and_of_an_install_that_is_not_managed() -> None:
    doc = {**STATUS, "file": "C:\\sd\\webui-user.bat", "file_since_apply": "edited", "drift": "it lacks --xformers"}
    said = "\n".join(tables.status_lines(doc))
    assert "File:      webui-user.bat was edited since" in said
    assert "Drift:     it lacks --xformers" in said
    install = {"manageable": False, "why_not": "SD.Next keeps it elsewhere", "where_flags_go": "its settings"}
    said = "\n".join(tables.status_lines({"install": install}))
    assert "not managed: SD.Next keeps it elsewhere\n  flags go here: its settings" in said
    assert "Install:" not in "\n".join(tables.status_lines({"install": {"manageable": True}}))


STATUS = {
    "applied": ["--opt-sdp-attention"],
    "since": "2026-11-23T09:15:00Z",
    "speedup": {"estimate": 1.469},
    "stale": ["driver"],
    "daemon": {
        "running": True,
        "pid": os.getpid(),
        "doing": "waiting",
        "waiting": ["GPU is busy"],
        "due": ["driver"],
    },
}


def test_status_lines() -> None:
    assert tables.status_lines(STATUS) == [
        "Applied:   --opt-sdp-attention",
        "Since:     2026-11-23 09:15 UTC",
        "Speed:     1.47 × of the flags before",
        "Changed:   driver",
        f"Agent:     waiting (pid {os.getpid()})",
        "  waiting: GPU is busy",
        "  due:     driver",
    ]
    assert tables.status_lines({})[0] == "Applied:   nothing by autotune"


def test_an_agent_that_was_killed_is_not_running() -> None:
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    daemon = {"running": True, "pid": int(gone.stdout), "doing": "watching"}
    assert tables.status_lines({"daemon": daemon})[-1] == "Agent:     not running (watching)"


def test_status_needs_no_heavy_import() -> None:
    program = (
        "import sys; from autotune.report import tables; tables.status_lines({'applied': ['--x']});"
        "print([m for m in ('rich', 'jinja2', 'numpy', 'optuna', 'scipy', 'requests') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured, plain = Terminal(), Terminal()
    tables.show(tables.verify_table({"flags": [], "ok": True}), coloured)
    monkeypatch.setenv("NO_COLOR", "1")
    tables.show(tables.verify_table({"flags": [], "ok": True}), plain)
    assert "\x1b[32m" in coloured.getvalue()
    assert "\x1b[32m" not in plain.getvalue()


SPACE = space.build(machine(("--opt-sub-quad-attention", "--no-half-vae")))
WIDE = {**PROBE, "webui": {**PROBE["webui"], "root": "C:/" + "画像生成/" * 20 + "ウェブUI"}}  # type: ignore[dict-item]


def test_folded_probe_tells_every_level_once_and_marks_the_current_one() -> None:
    said = squeezed(tables.text(tables.folded_table(PROBE, SPACE), 400))
    assert "channelslast false (now), true" in said and "no_half_vae true (now), false" in said
    for one in SPACE.dimensions:
        assert f"{one.name} {one.levels[0]} (now), {', '.join(one.levels[1:])}" in said
    counts = (len(SPACE.candidates), len(SPACE.excluded))
    assert "That makes {} sets, the current one among them; {} left out.".format(*counts) in said
    assert all(said.count(reason) == 1 for reason in {row.reason for row in SPACE.excluded})
    assert "Warning: NVML did not answer" in said


def test_a_reason_for_many_sets_is_told_once_with_their_number() -> None:
    spec = SearchSpec((("precision", ("autocast", "half")), ("no_half_vae", ("false", "true")),
                       ("channelslast", ("false", "true")), ("attention", ("split", "sdp"))))
    made = space.build(machine(), spec)
    reasons = {row.reason for row in made.excluded}
    lines = [line for line in tables.folded_lines(PROBE, made) if line.endswith(tuple(reasons))]
    assert len(made.excluded) > tables.FEW and len(lines) == len(reasons)
    assert any(f"and {len(made.excluded) - 1} more: " in line for line in lines)


def test_a_web_ui_that_is_not_tuned_has_a_reason_and_no_dimension() -> None:
    made = space.build(machine(flavour="sdnext", version=None))
    said = tables.folded_lines(PROBE, made)
    assert "Sets: That makes 1 set, the current one among them; 1 left out." in said
    assert any(line.endswith(made.excluded[0].reason) for line in said)


@pytest.mark.parametrize("columns", [80, 120])
def test_folded_probe_fits_the_terminal_also_with_wide_letters(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "dumb")
    screen = Terminal()
    tables.show(tables.folded_table(WIDE, SPACE), screen)
    lines = re.sub("\x1b\\[[0-9;]*m", "", screen.getvalue()).splitlines()
    assert max(map(cell_len, lines)) <= columns
    start = next(line.index("Found") for line in lines if "Found" in line)
    whats = [line[:start].strip() for line in lines]
    rows = lines[whats.index("Web UI"):whats.index("Runs now")]
    assert len(rows) > 2 and all(line[:start].strip() in ("", "Web UI") for line in rows)
    assert "".join(line[start:].strip() for line in rows).endswith(WIDE["webui"]["root"])  # type: ignore[index]


def test_folded_lines_are_whole_and_without_control_characters() -> None:
    lines = tables.folded_lines(WIDE, SPACE)
    assert any(line.startswith("Web UI: ") and line.endswith("ウェブUI") for line in lines)
    assert not any("\x1b" in line or "─" in line or "\n" in line for line in lines)
