"""The benchmark is deterministic, its surfaces are what they claim, its peers measure through the same web UI."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from autotune.model.study import History
from autotune.search import Prior, warm_start
from autotune.search.attention_prior import prior_for_gpu
from autotune.search.screen import Screen
from benchmarks import cases, make_priors, search, surfaces
from benchmarks.peers import PEERS
from benchmarks.virtual import regret

pytestmark = pytest.mark.slow


def test_the_same_seed_gives_the_same_surface_and_session() -> None:
    assert surfaces.drawn(3) == surfaces.drawn(3)
    first, again = search.one(("screen", 3, None)), search.one(("screen", 3, None))
    first.pop("thinking")
    again.pop("thinking")
    assert first == again


@pytest.mark.parametrize("seed", range(6))
def test_surfaces_have_96_to_192_sets_and_a_baseline_that_renders(seed: int) -> None:
    surface = surfaces.drawn(seed)
    assert 96 <= len(surface.space.candidates) <= 192
    assert len({c.id for c in surface.space.candidates}) == len(surface.space.candidates)
    assert math.isfinite(surface.true_score(surface.space.baseline))


@pytest.mark.parametrize("gain", [0.02, 0.05, 0.10])
def test_the_best_set_is_faster_by_exactly_the_wanted_gain(gain: float) -> None:
    for seed in range(6):
        surface = surfaces.with_best_gain(surfaces.drawn(seed), gain, seed)
        assert regret(surface, surface.space.baseline) == pytest.approx(gain, abs=1e-6)


def test_all_sets_are_equal_in_an_a_a_surface() -> None:
    surface = surfaces.with_best_gain(surfaces.drawn(2), 0.0, 2)
    assert len(set(surface.score.values())) == 1
    assert not surface.failing


@pytest.mark.parametrize(
    "name", ["exhaustive-10", "exhaustive-10-grouped", "random", "tpe", "brute", "hill", "one-flag"])
def test_every_peer_picks_a_set_that_renders(name: str) -> None:
    surface = surfaces.drawn(8)
    outcome = PEERS[name](surface, 8)
    assert math.isfinite(surface.true_score(outcome.chosen))
    assert outcome.seconds > 0.0
    assert outcome.launches >= 1
    if name == "exhaustive-10":
        assert outcome.clips >= 10 * (len(surface.space.candidates) - len(surface.failing))


def test_screen_beats_exhaustive_search_in_time_at_like_regret() -> None:
    rows = [(search.one(("screen", seed, None)), search.one(("exhaustive-10", seed, None))) for seed in range(10)]
    assert sum(b["seconds"] for _, b in rows) > 12.0 * sum(a["seconds"] for a, _ in rows)
    assert sum(a["regret"] for a, _ in rows) / len(rows) < 0.03


def test_thinking_costs_less_than_a_percent_of_the_time() -> None:
    rows = [search.one(("screen", seed, None)) for seed in range(5)]
    assert sum(row["thinking"] for row in rows) < 0.01 * sum(row["seconds"] for row in rows)


def test_the_command_prints_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "out.json"
    assert search.main(["--sessions", "3", "--peers", "hill", "--parts", "surfaces,article", "--workers", "1",
                        "--json", str(target)]) == 0
    document = json.loads(target.read_text(encoding="utf-8"))
    assert set(document["surfaces"]["strategies"]) == {"screen", search.NO_PRIOR, "hill"}
    assert "GPU time over screen's" in capsys.readouterr().out


def test_unknown_peer_or_part_is_a_usage_error() -> None:
    for words in (["--peers", "nobody"], ["--parts", "nothing"]):
        with pytest.raises(SystemExit) as stop:
            search.main(["--sessions", "1", *words])
        assert stop.value.code == 2


def test_shipped_priors_are_what_the_data_give() -> None:
    shipped = json.loads(make_priors.TARGET.read_text(encoding="utf-8"))["effects"]
    made = make_priors.fit(make_priors.times())
    assert shipped.keys() == made.keys()
    for key, row in made.items():
        assert shipped[key] == pytest.approx(row, abs=0.002)


def test_priors_hold_on_cards_left_out() -> None:
    assert cases.left_out()["within_3_percent"] >= 0.8


def test_priors_read_any_version_there_is() -> None:
    for capability, torch in (("8.9", "2.1.0"), (None, None), ("12.0", "3.0"), ("8.6", "1.13.1"), ("", "weird")):
        prior = prior_for_gpu(capability, torch)
        assert prior.source
        assert ("attention", "split", 0.0) in prior.effects


def test_articles_right_set_is_found() -> None:
    report = cases.article(20, 0)
    assert report["512x512x16"]["right"] >= 0.95


def test_tuning_again_is_cheap_when_nothing_changed() -> None:
    report = cases.retune(range(8))
    assert report["irrelevant_change_time_share"] <= 0.15
    assert report["drift_says_holds"] >= 0.9


def test_a_warm_start_needs_a_measured_baseline_and_looks_at_live_levels_again() -> None:
    surface = surfaces.drawn(1)
    assert warm_start.prior_from_study(History(), surface.space, surface.profile) is None
    row = search.one(("screen", 1, None))
    assert row["clips"] > 5
    prior = Prior((("attention", "v1", 0.9),), "an earlier study", 0.5)
    strategy = Screen(surface.space, surface.profile, "speed", prior)
    live = {level for name in strategy.opening for level in surface.space[name].levels}
    base = dict(surface.space[surface.space.baseline].levels)["attention"]
    assert {level for dimension, level in live if dimension == "attention"} | {base} >= {"v1", "sdp"}
