"""Families of surfaces are what they say, know nothing of the search, and are reported in one document."""

from __future__ import annotations

import ast
import itertools
import json
import math
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import factorial, factorial_effects, families, family_table, search, surfaces
from benchmarks.virtual import regret
from benchmarks.weather import Weather

pytestmark = pytest.mark.slow

SEEDS = range(3)
NAMES = sorted(families.FAMILIES)


def test_nothing_that_families_import_knows_how_autotune_searches_or_decides() -> None:
    told = "import sys, benchmarks.families; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", told], capture_output=True, encoding="utf-8", check=True).stdout
    assert "benchmarks.families" in loaded.split()
    assert [name for name in loaded.split() if name.startswith(("autotune.search", "autotune.decide"))] == []
    for module in (families, factorial, surfaces):
        tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
        named = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
        named |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        assert not [name for name in named if name.startswith(("autotune.search", "autotune.decide"))]


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_gives_one_surface_and_its_versions_are_what_they_claim(name: str) -> None:
    for seed in SEEDS:
        surface = families.FAMILIES[name](seed)
        assert surface == families.FAMILIES[name](seed)
        assert math.isfinite(surface.true_score(surface.space.baseline))
        same = families.equal(surface)
        assert len({same.true_score(c.id) for c in same.space.candidates}) == 1
        assert len(set(same.fixed.values())) == 1
        assert same.noise == surface.noise
        for gain in (0.05, 0.10):
            better = families.with_gain(surface, gain, seed)
            assert regret(better, better.space.baseline) == pytest.approx(gain, abs=1e-6)
            assert better.noise == surface.noise
    assert len({families.FAMILIES[name](seed).space.baseline for seed in range(8)}) > 1


def test_equal_sets_take_equal_times_whichever_is_rendered() -> None:
    for name in ("regimes", "drift", "tails", "start-regimes"):
        surface = families.equal(families.FAMILIES[name](1))
        first, last = surface.space.candidates[0], surface.space.candidates[-1]
        times = [[surface.process(c, random.Random(7)).clip(c, 0, now, False).seconds for now in (0.0, 900.0)]
                 for c in (first, last)]
        assert times[0] == times[1]


def test_a_flag_made_idle_changes_nothing() -> None:
    found = [families.with_idle_flag(surfaces.drawn(seed), seed) for seed in range(12)]
    some = [one for one in found if one is not None]
    assert some
    for surface, (name, level) in some:
        base = dict(surface.space[surface.space.baseline].levels)[name]
        by_levels = {c.levels: c.id for c in surface.space.candidates}
        for c in surface.space.candidates:
            if (name, level) in c.levels:
                twin = by_levels[tuple((d, base if d == name else v) for d, v in c.levels)]
                assert surface.true_score(twin) == surface.true_score(c.id)
                assert families.useless(surface, c.id)


def _spread(name: str, seed: int) -> float:
    """How far the effect of channels-last differs from set to set, in log seconds."""
    surface = families.FAMILIES[name](seed)
    by_levels = {c.levels: c.id for c in surface.space.candidates}
    effects = []
    for c in surface.space.candidates:
        if ("channelslast", "true") in c.levels and ("attention", "sdp") in c.levels:
            twin = tuple((d, "false" if d == "channelslast" else v) for d, v in c.levels)
            effects.append(surface.score[c.id] - surface.score[by_levels[twin]])
    mean = sum(effects) / len(effects)
    return math.sqrt(sum((one - mean) ** 2 for one in effects) / len(effects))


def test_interactions_are_of_the_size_that_the_family_names() -> None:
    seen = [sum(_spread(name, seed) for seed in range(8)) / 8
            for name in ("drawn", "interactions-1", "interactions-3", "interactions-6")]
    assert seen == sorted(seen)
    assert seen[0] < 0.01
    assert 0.03 < seen[2] < 0.12
    assert 0.02 < sum(_spread("rest-3", seed) for seed in range(8)) / 8 < 0.06


def test_a_surprise_is_the_best_set_that_no_expectation_names() -> None:
    odd = 0
    for seed in range(24):
        surface = families.FAMILIES["surprise"](seed)
        best = dict(surface.space[families.best_of(surface)].levels)
        odd += best["attention"] in families.UNEXPECTED or best.get("memory", "none") != "none" or \
            best["no_half_vae"] == "true" or best["channelslast"] == "true" or best["batch_cond_uncond"] == "false" or \
            best.get("precision") == "upcast"
    assert odd >= 20


def test_a_machine_of_two_speeds_stays_minutes_in_each() -> None:
    weather = Weather(gap=0.1, fast=300.0, slow=300.0, seed=3)
    seen = [weather.at(10.0 * step, 0.0) for step in range(8640)]
    assert set(seen) == {0.0, 0.1}
    changes = sum(a != b for a, b in itertools.pairwise(seen))
    assert 150 < changes < 450
    assert seen == [weather.at(10.0 * step, 0.0) for step in range(8640)]


def test_a_recorded_factorial_becomes_a_surface(tmp_path: Path) -> None:
    dimensions = [{"name": "attention", "levels": ["split", "sdp"], "live": True},
                  {"name": "channelslast", "levels": ["false", "true"], "live": False}]
    head: dict[str, Any] = {"kind": "factorial", "gpu": "NVIDIA H200", "capability": "9.0", "torch": "2.11.0",
                            "webui": "reference", "dimensions": dimensions,
                            "baseline": {"attention": "split", "channelslast": "false"}}
    rng = random.Random(1)
    lines: list[Any] = [head]
    for attention, base in (("split", 7.2), ("sdp", 4.9)):
        for channelslast, factor in (("false", 1.0), ("true", 1.02)):
            for _ in range(3):
                start = base * factor * math.exp(rng.gauss(0.0, 0.02))
                clips = [start * math.exp(rng.gauss(0.0, 0.005)) for _ in range(3)]
                lines.append({"kind": "start", "levels": {"attention": attention, "channelslast": channelslast},
                              "ready": 17.0, "warmup": 9.0, "clips": clips, "memory_peak": 5000.0})
    path = tmp_path / "factorial-test.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    surface = factorial.surface(path, 1)
    assert surface.startup == 17.0
    slow, fast = (surface.score[f"attention={name} channelslast=false"] for name in ("split", "sdp"))
    assert math.exp(slow - fast) == pytest.approx(7.2 / 4.9, rel=0.05)
    starts = [start for start, _ in surface.noise.recorded]
    assert 0.008 < math.sqrt(sum(one**2 for one in starts) / len(starts)) < 0.04
    same = families.equal(surface)
    assert len(set(same.score.values())) == 1
    times = {surface.process(c, rng).clip(c, 0, 0.0, False).seconds for c in surface.space.candidates for _ in range(3)}
    assert len(times) > 6


def _processes(rng: random.Random, process: float, own: float, clip: float, tangle: float = 0.0) -> list[object]:
    """Rows of 4 x 60 processes with known noises; sdp goes together with channels-last by ``tangle``."""
    lines: list[object] = []
    pairs = [(channels, vae) for channels in ("false", "true") for vae in ("false", "true")]
    for number, (channels, vae) in enumerate(pairs * 60):
        shift = rng.gauss(0.0, process)
        for attention in ("split", "sdp", "sub-quad"):
            set_shift = rng.gauss(0.0, own) + (tangle if attention == "sdp" and channels == "true" else 0.0)
            clips = [5.0 * math.exp(shift + set_shift + rng.gauss(0.0, clip)) for _ in range(2)]
            lines.append({"levels": {"attention": attention, "channelslast": channels, "no_half_vae": vae},
                          "kind": "start", "process": number, "clips": clips})
    return lines


@pytest.mark.parametrize(("process", "own", "clip"), [(0.05, 0.01, 0.02), (0.01, 0.04, 0.03), (0.0, 0.0, 0.05)])
def test_what_processes_sets_in_them_and_clips_differ_by_is_told_apart(
        process: float, own: float, clip: float) -> None:
    rows: list[Any] = _processes(random.Random(3), process, own, clip)
    found: dict[factorial.Key, list[Any]] = {}
    for row in rows:
        found.setdefault(frozenset(row["levels"].items()), []).append(row)
    noise = factorial.noise_of(found, {"attention"})
    rng = random.Random(4)
    for drawn, true in ((noise.of_start, process), (noise.of_set, own), (noise.of_clip, clip)):
        many = [drawn(rng) for _ in range(4000)]
        assert math.sqrt(sum(one**2 for one in many) / 4000) == pytest.approx(true, rel=0.2, abs=0.006)


def test_an_interaction_is_found_within_its_error_and_only_where_it_is() -> None:
    rows: list[Any] = _processes(random.Random(5), 0.05, 0.01, 0.02, tangle=0.06)
    told = factorial_effects.effects(factorial_effects.processes(rows, "clips"), "split")
    by_name = {effect.name: effect for effect in told}
    assert by_name["sdp x channelslast"].value == pytest.approx(0.06, abs=0.012)
    assert by_name["sdp x channelslast"].value > 8 * by_name["sdp x channelslast"].error
    others = [e for e in told if e.order > 1 and e.name != "sdp x channelslast"]
    assert len(others) == 6
    assert all(abs(effect.value) < 3.5 * effect.error for effect in others)
    assert by_name["channelslast"].error > 2 * by_name["sdp x no_half_vae"].error  # a process's noise weighs on it


def test_the_document_holds_every_strategy_of_every_family_and_nothing_else_is_printed(
        capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--families", "drawn,surprise", "--sessions", "2", "--seed", "200000", "--workers", "1", "--json"]
    assert search.main([*words, "--versions", "drawn,equal", "--peers", "hill,one-flag"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document) == {"drawn", "surprise"}
    for by in document.values():
        assert set(by) == {family_table.OURS, family_table.UNPROVEN, "hill", "one-flag"}
        assert by[family_table.UNPROVEN]["seconds"] < by[family_table.OURS]["seconds"]
        for row in by.values():
            assert {"regret", "behind3", "seconds", "launches", "false_adoption", "power5", "power10",
                    "kept_useless"} <= set(row)
            assert 0.0 <= row["regret"] <= 9.0
            assert 0.0 <= row["behind3"] <= 1.0
            assert 0.0 <= row["false_adoption"] <= 1.0
            assert row["seconds"] > 60.0
            assert row["power5"] is None


def test_unknown_family_or_version_is_a_usage_error() -> None:
    for words in (["--families", "nothing"], ["--families", "drawn", "--versions", "nothing"]):
        with pytest.raises(SystemExit) as stop:
            search.main(["--sessions", "1", *words])
        assert stop.value.code == 2
