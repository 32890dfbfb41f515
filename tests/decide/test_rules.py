"""The rules that a decision is made of, each against what is known of it."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotune.decide import compare, drift, noise, objectives, pareto, sequential, start_noise
from autotune.decide.assumptions import NOISE, RULES
from autotune.decide.finalist import without_doubtful_flags
from autotune.decide.rounds import Round, before_confirmation, failures, prefer_whole_clips, rounds
from autotune.decide.surface import Surface
from autotune.decide.verdict import torch_peaks
from autotune.model.errors import UsageProblem
from autotune.model.flagset import Dimension
from autotune.model.study import History, Launch, Sample
from autotune.model.workload import Workload
from benchmarks import surfaces

SPACE = surfaces.space(
    (Dimension("attention", ("split", "sdp", "sdp-no-mem", "v1"), True),
     Dimension("channelslast", ("false", "true"), False), Dimension("no_half_vae", ("false", "true"), False)),
    {"attention": "split", "channelslast": "false", "no_half_vae": "false"})
PROFILE = surfaces.profile()


def name(attention: str, channelslast: bool = False, no_half_vae: bool = False) -> str:
    return (f"attention={attention} channelslast={str(channelslast).lower()} "
            f"no_half_vae={str(no_half_vae).lower()}")


def sample(number: int, candidate: str, seconds: float | None = 5.0, **changes: object) -> Sample:
    values: dict[str, object] = {
        "number": number, "candidate": candidate, "purpose": "screen", "launch": 0, "cold": False, "workload": 0,
        "round": 0, "state": "ok" if seconds else "failed", "seconds": seconds, "cost": seconds or 1.0}
    return Sample(**{**values, **changes})  # type: ignore[arg-type]


def pair(rng: random.Random, gain: float, between: float, within: float, count: int, block: int) -> compare.StartPair:
    def side(label: str, launch: int, shift: float) -> tuple[Round, ...]:
        own = rng.gauss(0.0, between) + shift
        return tuple(Round(label, launch, "confirm", block, own + rng.gauss(0.0, within), None, 0)
                     for _ in range(count))
    return compare.StartPair(block, side("a", 2 * block, 0.0), side("b", 2 * block + 1, -math.log1p(gain)))


def answer(rng: random.Random, gain: float, between: float = 0.015, within: float = 0.02) -> str:
    pairs: tuple[compare.StartPair, ...] = ()
    while True:
        pairs += (pair(rng, gain, between, within, 4, len(pairs)),)
        all_rounds = tuple(one for block in pairs for one in (*block.baseline, *block.winner))
        found = compare.compare(pairs, all_rounds, 0.02, 0.95)
        if found is not None and (found.answer != "not sure" or len(pairs) >= RULES.max_blocks):
            return found.answer


def test_looks_spend_exactly_the_allowed_error() -> None:
    """Simulated random walk against the boundaries: all looks together cross in 5 %, and later looks are milder."""
    levels = [sequential.nominal_alpha(0.95, k, 2, 6) for k in range(2, 7)]
    assert levels == sorted(levels)
    assert levels[-1] < 0.05
    rng = random.Random(1)
    crossed = 0
    for _ in range(20_000):
        total = rng.gauss(0.0, 1.0)
        for k in range(2, 7):
            total += rng.gauss(0.0, 1.0)
            if math.erfc(abs(total) / math.sqrt(k) / math.sqrt(2.0)) < levels[k - 2]:
                crossed += 1
                break
    assert crossed / 20_000 == pytest.approx(0.05, abs=0.006)


def test_pocock_constants_come_out_of_the_same_recursion(monkeypatch: pytest.MonkeyPatch) -> None:
    """Published: nominal 0.0294 for two equally spaced looks, 0.0221 for three."""
    monkeypatch.setattr(sequential, "RULES", replace(RULES, boundary_shape=0.5))
    sequential._constant.cache_clear()
    try:
        for last, published in ((2, 0.0294), (3, 0.0221)):
            constant = sequential._constant(0.95, 1, last)
            assert math.erfc(constant / math.sqrt(2.0)) == pytest.approx(published, abs=0.0002)
    finally:
        sequential._constant.cache_clear()


@pytest.mark.slow
def test_equal_sets_are_seldom_told_apart_and_real_gains_nearly_always() -> None:
    rng = random.Random(4)
    better = {gain: sum(answer(rng, gain) == "better" for _ in range(100)) / 100 for gain in (0.0, 0.05, 0.10)}
    assert better[0.0] <= 0.04
    assert better[0.05] >= 0.90
    assert better[0.10] >= 0.99


def kinds(rng: random.Random) -> float:
    """A start on a card with two clocks a tenth apart."""
    return rng.gauss(0.0, 0.015) + (0.1 if rng.random() < 0.5 else 0.0)


def student(rng: random.Random) -> float:
    """A start that differs by 3 %, with three degrees of freedom."""
    return 0.03 * rng.gauss(0.0, 1.0) / math.sqrt(rng.gammavariate(1.5, 2.0) / 3.0)


NOISY = {
    "starts 3 %, clips 5 %": (lambda rng: rng.gauss(0.0, 0.03), 0.05),
    "starts 5 %": (lambda rng: rng.gauss(0.0, 0.05), 0.02),
    "starts 8 %": (lambda rng: rng.gauss(0.0, 0.08), 0.02),
    "heavy tails": (student, 0.02),
    "two clocks": (kinds, 0.02),
}
"""What one start is off by, and the deviation of its clips."""


def compared(start: Callable[[random.Random], float], clip: float, gain: float, rng: random.Random) -> bool:
    """Whether a set with this log gain is adopted; the search saw one start of each side."""
    def side(label: str, launch: int, centre: float, block: int | None) -> tuple[Round, ...]:
        own = centre + start(rng)
        return tuple(Round(label, launch, "confirm", block, own + rng.gauss(0.0, clip), None, 0) for _ in range(2))

    rounds = side("a", 100, 0.0, None) + side("b", 101, -gain, None)
    pairs: tuple[compare.StartPair, ...] = ()
    while True:
        block = len(pairs)
        pairs += (compare.StartPair(block, side("a", 2 * block, 0.0, block), side("b", 2 * block + 1, -gain, block)),)
        rounds += pairs[-1].baseline + pairs[-1].winner
        found = compare.compare(pairs, rounds, 0.02, 0.95)
        if found is not None and (found.answer != "not sure" or len(pairs) >= RULES.max_blocks
                                  or found.chance(math.log(1.02)) < RULES.futile_chance):
            return found.answer == "better"


@pytest.mark.slow
@pytest.mark.parametrize("name", NOISY)
def test_starts_that_differ_do_not_pass_for_a_gain(name: str) -> None:
    """At most 2 % of equal sets are adopted, whatever starts are like: of 100 more than 6 would be one in 200."""
    start, clip = NOISY[name]
    rng = random.Random(name)
    assert sum(compared(start, clip, 0.0, rng) for _ in range(100)) <= 6


def test_noise_of_starts_is_learnt_from_the_starts_seen() -> None:
    """Thirty starts of one set: the belief lies where their deviation does, and is the prior without them."""
    for true in (0.01, 0.03, 0.08):
        rng = random.Random(f"{true} of each start")
        rounds = tuple(Round("a", launch, "confirm", launch, score + rng.gauss(0.0, 0.005), None, 0)
                       for launch in range(30) for score in [rng.gauss(0.0, true)] for _ in range(3))
        found = start_noise.noise_posterior(rounds, 0.005, 0.005**2)
        places = np.cumsum(found.weight) - 0.5 * found.weight
        low, high = np.exp(np.interp([0.005, 0.995], places, np.log(found.sd)))
        assert low < true < high < 5.0 * low
    assert start_noise.noise_posterior((), 0.01, 0.0001) == start_noise.noise_prior()


def test_one_process_of_two_sets_tells_nothing_of_starts() -> None:
    rounds = tuple(Round(name, 0, "screen", None, score, None, 0) for name, score in (("a", 0.0), ("b", 0.5)))
    assert start_noise.noise_posterior(rounds, 0.01, 0.0001) == start_noise.noise_prior()


def test_two_pairs_alone_prove_only_what_two_clocks_cannot_feign() -> None:
    """A tenth that two pairs agree on is believed after four."""
    answers = []
    pairs: tuple[compare.StartPair, ...] = ()
    for block in range(4):
        sides = [tuple(Round(name, 2 * block + place, "confirm", block, score, None, 0) for _ in range(3))
                 for place, (name, score) in enumerate((("a", 0.0), ("b", -0.1)))]
        pairs += (compare.StartPair(block, sides[0], sides[1]),)
        found = compare.compare(pairs, tuple(one for b in pairs for one in (*b.baseline, *b.winner)), 0.02, 0.95)
        answers.append(found and found.answer)
    assert answers == [None, "not sure", "not sure", "better"]


def test_a_gain_of_a_third_is_settled_soon_where_clips_are_noisy() -> None:
    """Clips vary by 8 %, starts by 3 %, six clips a start, as on the cores of a shared machine."""
    rng = random.Random(6)
    soon = 0
    for _ in range(200):
        pairs = tuple(pair(rng, 0.33, 0.03, 0.08, 6, number) for number in range(3))
        all_rounds = tuple(one for block in pairs for one in (*block.baseline, *block.winner))
        found = compare.compare(pairs, all_rounds, 0.02, 0.95)
        soon += found is not None and found.answer == "better"
    assert soon >= 180


def test_what_is_known_of_two_variances_lies_between_what_is_known_of_each() -> None:
    """Satterthwaite: one part alone has its own degrees of freedom, equal parts of equal freedom twice as many."""
    assert noise.combined_freedom(1.0, 0.0, 40.0) == pytest.approx(NOISE.between_df)
    assert noise.combined_freedom(0.0, 1.0, 40.0) == pytest.approx(40.0)
    assert noise.combined_freedom(1.0, 1.0, NOISE.between_df) == pytest.approx(2.0 * NOISE.between_df)


def test_one_pair_is_no_comparison() -> None:
    block = pair(random.Random(0), 0.5, 0.01, 0.01, 4, 0)
    assert compare.compare((block,), (*block.baseline, *block.winner), 0.02, 0.95) is None


def test_location_bears_the_articles_outliers() -> None:
    """The article's ten clips, two of them 7 % slow: the robust mean stays within half a percent of the median."""
    seconds = [31.29, 33.82, 33.84, 31.59, 31.54, 31.29, 31.59, 31.32, 31.13, 31.35]
    logs = [math.log(value) for value in seconds]
    sd = noise.within_sd([logs])
    assert sd < 0.012
    assert math.exp(noise.robust_mean(logs, sd)) == pytest.approx(31.45, rel=0.006)
    assert noise.robust_mean([math.log(5.33), math.log(4.88)], 0.01) == math.log(4.88)


@given(st.lists(st.floats(-3.0, 3.0), min_size=1, max_size=12), st.floats(0.001, 0.5))
def test_location_lies_within_its_values(values: list[float], sd: float) -> None:
    assert min(values) - 1e-9 <= noise.robust_mean(values, sd) <= max(values) + 1e-9


def test_rounds_pair_workloads_and_skip_what_does_not_count() -> None:
    two = (Workload(512, 512, 16, 20, weight=1.0), Workload(768, 768, 16, 20, weight=3.0))
    profile = surfaces.profile()
    profile = type(profile)(profile.name, two, profile.search, profile.decide)
    a = name("sdp")
    history = History((
        sample(0, a, 9.0, state="warmup"), sample(1, a, 4.0), sample(2, a, 16.0, workload=1, state="discarded"),
        sample(3, a, 16.0, workload=1), sample(4, a, 4.0), sample(5, a, None, workload=1)))
    found = rounds(history, profile)
    assert [one.place for one in found] == [3]
    assert found[0].score == pytest.approx((math.log(4.0) + 3.0 * math.log(16.0)) / 4.0)


def test_torchs_peaks_count_only_where_nothing_else_was_rendered_before() -> None:
    a, b = name("split"), name("sdp")
    rows = (
        sample(0, a, torch_active=19_000.0, torch_reserved=28_000.0), sample(1, b, torch_active=19_000.0),
        sample(2, a, launch=1, state="warmup"), sample(3, a, launch=1, torch_active=20_000.0, torch_reserved=30_000.0),
        sample(4, b, launch=2, torch_active=5_000.0, torch_reserved=6_000.0),
        sample(5, b, launch=2, torch_active=5_100.0, torch_reserved=6_200.0),
        sample(6, a, launch=2, torch_active=20_000.0, torch_reserved=30_000.0),
        sample(7, b, launch=2, torch_active=20_000.0, torch_reserved=30_000.0),
    )
    assert torch_peaks(rows, a) == (19_500.0, 29_000.0)
    assert torch_peaks(rows, b) == (5_100.0, 6_200.0)
    assert torch_peaks(rows, name("v1")) == (None, None)


def test_figures_come_from_whole_clips_where_a_set_has_any() -> None:
    a, b = name("sdp"), name("v1")
    found = rounds(History((sample(0, a, 5.4, steps=10), sample(1, a, 5.0), sample(2, b, 8.0, steps=10))), PROFILE)
    told = prefer_whole_clips(found)
    assert [(one.candidate, one.short) for one in told] == [(a, False), (b, True)]
    assert math.exp(told[0].score) == pytest.approx(5.0)


def test_history_is_cut_at_the_first_confirm_sample() -> None:
    samples = (sample(0, name("sdp")), sample(1, name("split"), purpose="confirm"), sample(2, name("sdp")))
    assert [s.number for s in before_confirmation(History(samples)).samples] == [0]


def test_a_failure_is_laid_to_the_level_that_never_rendered() -> None:
    history = History((sample(0, name("split")), sample(1, name("sdp")),
                       sample(2, name("sdp", True), None, failure="nan")))
    found = failures(history, SPACE)
    assert name("v1", True) in found.dropped
    assert name("v1") not in found.dropped
    assert found.baseline is None


def test_a_crash_gets_one_more_try_an_oom_does_not() -> None:
    once = History((sample(0, name("split")), sample(1, name("v1"), None, failure="crash")))
    twice = History((*once.samples, sample(2, name("v1"), None, failure="crash")))
    assert name("v1") not in failures(once, SPACE).dropped
    assert name("v1") in failures(twice, SPACE).dropped
    oom = History((sample(0, name("split")), sample(1, name("v1"), None, failure="oom")))
    assert name("v1") in failures(oom, SPACE).dropped


def test_interruption_is_nobodys_fault() -> None:
    history = History(tuple(sample(i, name("sdp"), None, failure="interrupted") for i in range(5)))
    assert failures(history, SPACE).dropped == frozenset()


def test_a_launch_key_that_does_not_start_is_given_up() -> None:
    candidate = SPACE[name("split", True)]
    launches = tuple(Launch(i, candidate.id, candidate.launch_key, True, 5.0, "startup") for i in range(2))
    dropped = failures(History((sample(0, name("split")),), launches), SPACE).dropped
    assert dropped == {c.id for c in SPACE.candidates if c.launch_key == candidate.launch_key}


def measured(effects: dict[str, float], sets: list[str], clips: int = 4) -> tuple[Round, ...]:
    rng = random.Random(7)
    found = []
    for launch, one in enumerate(sets):
        levels = dict(SPACE[one].levels)
        score = 2.0 + sum(effects.get(f"{d}={level}", 0.0) for d, level in levels.items())
        found += [Round(one, launch, "screen", None, score + rng.gauss(0.0, 0.003), None, 4 * launch + i)
                  for i in range(clips)]
    return tuple(found)


def test_the_surface_predicts_a_combination_that_was_not_measured() -> None:
    effects = {"attention=sdp": -0.3, "channelslast=true": 0.05}
    posterior = Surface(SPACE).posterior(measured(effects, [name("split"), name("sdp"), name("split", True)]))
    mean, sd = posterior.gain(SPACE.baseline, name("sdp", True))
    assert mean == pytest.approx(0.25, abs=0.03)
    assert 0.005 < sd < 0.1


def test_pruning_drops_what_does_not_help() -> None:
    effects = {"attention=sdp": -0.3, "channelslast=true": 0.05}
    sets = [name("split"), name("sdp"), name("split", True), name("sdp", True)]
    posterior = Surface(SPACE).posterior(measured(effects, sets))
    assert without_doubtful_flags(SPACE, SPACE[name("sdp", True)], posterior, frozenset()).id == name("sdp")


@given(st.dictionaries(st.text(min_size=1, max_size=3),
                       st.tuples(st.floats(0.1, 100.0), st.floats(1.0, 1e5)), max_size=12))
def test_the_pareto_front_is_what_nothing_beats(points: dict[str, tuple[float, float]]) -> None:
    front = pareto(points)
    for one in front:
        t, m = points[one]
        assert not any(a <= t and b <= m and (a < t or b < m) for a, b in points.values())
    for one in points.keys() - set(front):
        t, m = points[one]
        assert any(points[f][0] <= t and points[f][1] <= m for f in front)


def test_unknown_objective_is_refused() -> None:
    with pytest.raises(UsageProblem):
        objectives.require_objective("beauty")


@settings(max_examples=30)
@given(st.lists(st.tuples(st.sampled_from([c.id for c in SPACE.candidates]), st.floats(0.5, 60.0),
                          st.sampled_from(["ok", "failed", "discarded", "warmup"]),
                          st.sampled_from(["screen", "confirm"]), st.integers(0, 4)), max_size=25))
def test_any_history_gets_a_verdict_with_a_reason(rows: list[tuple[str, float, str, str, int]]) -> None:
    """Whatever is in a journal, the verdict neither raises nor applies without two pairs of cold starts."""
    from autotune import decide

    samples = tuple(
        sample(i, c, None if state == "failed" else seconds, state=state, purpose=purpose, launch=launch,
               failure="crash" if state == "failed" else None, block=launch if purpose == "confirm" else None)
        for i, (c, seconds, state, purpose, launch) in enumerate(rows))
    verdict = decide.verdict(History(samples), SPACE, PROFILE, "speed")
    assert verdict.reason.endswith(".")
    assert verdict.decision == "keep"


def recording(current: float = 5.0, stock: float = 7.0) -> drift.RecordedSpeedup:
    return drift.RecordedSpeedup(name("sdp"), name("split"), math.log(current), math.log(stock))


def drifted(current: tuple[float, ...], stock: tuple[float, ...] = ()) -> History:
    clips = [(name("sdp"), s) for s in current] + [(name("split"), s) for s in stock]
    return History(tuple(sample(i, c, s, purpose="drift") for i, (c, s) in enumerate(clips)))


def test_a_winner_that_lost_a_flag_on_the_way_can_be_checked_for_drift() -> None:
    """Its fresh clips are those of an arm of the comparison, not of the comparison itself."""
    samples = (sample(0, name("split"), 5.0, purpose="confirm", block=0),
               sample(1, name("sdp"), 4.0, purpose="ablate", block=0, launch=1))
    found = drift.recorded_speedup(History(samples, ()), PROFILE, name("sdp"), name("split"))
    assert found is not None
    assert found.stock_score - found.current_score == pytest.approx(math.log(5.0 / 4.0))
    searched = tuple(replace(one, purpose="screen") for one in samples)
    assert drift.recorded_speedup(History(searched, ()), PROFILE, name("sdp"), name("split")) is None


def test_drift_check_ends_after_one_set_when_nothing_changed() -> None:
    history = drifted((5.02, 4.97))
    assert drift.next_proposal(history, PROFILE, recording()) is None
    assert drift.drift_of(history, PROFILE, recording()).answer == "holds"


def test_drift_check_tells_a_slower_machine_from_a_lost_gain() -> None:
    slow = drifted((6.0, 6.02))
    proposal = drift.next_proposal(slow, PROFILE, recording())
    assert proposal is not None
    assert proposal.candidate == name("split")
    assert drift.drift_of(drifted((6.0, 6.02), (8.4, 8.38)), PROFILE, recording()).answer == "holds"
    assert drift.drift_of(drifted((7.0, 7.02), (7.0, 7.01)), PROFILE, recording()).answer == "changed"
    assert drift.drift_of(slow, PROFILE, recording()).answer == "unknown"


def test_drift_check_sees_a_set_that_fails_now() -> None:
    history = History((sample(0, name("sdp"), None, failure="oom", purpose="drift"),))
    assert drift.next_proposal(history, PROFILE, recording()) is None
    assert drift.drift_of(history, PROFILE, recording()).answer == "changed"
