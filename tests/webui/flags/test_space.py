"""The space of a study: distinct effective sets, each in its simplest form, the user's own among them."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotune.flags.words import replace
from autotune.model.flagset import Space
from autotune.model.machine import Machine
from autotune.model.workload import SearchSpec
from autotune.webui.a1111.flags import space
from autotune.webui.a1111.flags.effective import describe, effective
from autotune.webui.a1111.flags.known_flags import load
from tests.flags.machines import CPU, CUDA, MPS, OLD_TORCH, RTX50, RUNTIMES, XFORMERS, machine, parser, words_of

TINY = SearchSpec(
    (
        ("attention", ("sdp", "sdp-no-mem", "split", "sub-quad", "v1", "invokeai")),
        ("channelslast", ("false", "true")),
        ("no_half_vae", ("false", "true")),
    )
)
WIDE = SearchSpec(
    (
        ("attention", ("sdp", "xformers", "none")),
        ("channelslast", ("false", "true")),
        ("no_half_vae", ("false", "true")),
        ("batch_cond_uncond", ("true", "false")),
        ("precision", ("autocast", "half", "full", "no-half", "upcast")),
        ("memory", ("none", "medvram", "lowvram")),
    )
)
OWN_WORDS = words_of(
    "--api --xformers --opt-sdp-attention --opt-sdp-no-mem-attention --opt-split-attention-v1 "
    "--no-half-vae --opt-channelslast --no-half --medvram --upcast-sampling "
    "--disable-opt-split-attention --force-enable-xformers --opt-sub-quad --my-own-flag"
)


def check(made: Space, of: Machine, opened: tuple[str, ...] = ()) -> None:
    """What holds for every space: see docs/contract.md and ``Candidate``."""
    catalogue = load(of.webui.flavour, of.webui.version)
    ids = [candidate.id for candidate in made.candidates]
    assert len(set(ids)) == len(ids)
    saved = dict(of.settings)
    now = effective(of.webui.flags, saved, of.runtime, catalogue)
    assert made.baseline == describe(now) and made[made.baseline].effective == now
    names = [dimension.name for dimension in made.dimensions]
    for candidate in made.candidates:
        words = replace(of.webui.flags, candidate.flags, catalogue, opened)
        merged = {**saved, **dict(candidate.flags.settings)}
        assert effective(words, merged, of.runtime, catalogue) == candidate.effective
        assert describe(candidate.effective) == candidate.id
        assert [name for name, _ in candidate.levels] == names
        for (_, level), dimension in zip(candidate.levels, made.dimensions, strict=True):
            assert level in dimension.levels
    for dimension in made.dimensions:
        held = {dict(candidate.levels)[dimension.name] for candidate in made.candidates}
        assert set(dimension.levels) == held


def test_the_tiny_profile_on_a_cpu() -> None:
    of = machine(("--api", "--opt-split-attention-v1"), runtime=CPU, flavour="reference")
    made = space.build(of, TINY)
    check(made, of)
    assert len(made.candidates) == 24 and made.excluded == ()
    assert len({candidate.launch_key for candidate in made.candidates}) == 4
    assert made[made.baseline].flags.words == ("--opt-split-attention-v1",)
    default = next(c for c in made.candidates if c.flags.words == ())
    assert default.effective.attention == "invokeai" and default.simplicity == (0, 1)
    assert [d.live for d in made.dimensions] == [True, False, False]


def test_the_default_search_on_cuda_with_xformers() -> None:
    of = machine(("--xformers",), runtime=XFORMERS)
    made = space.build(of)
    check(made, of)
    assert made.dimensions[0].levels == ("xformers", "sdp", "sdp-no-mem", "split", "invokeai", "v1")
    assert len(made.candidates) == 6 * 2 * 2 * 2
    assert {row.flags.words for row in made.excluded} == {
        ("--opt-sub-quad-attention",), ("--disable-opt-split-attention",),
    }


@pytest.mark.parametrize(
    ("runtime", "words", "reason"),
    [
        (CUDA, ("--xformers",), "imported"),
        (RTX50, ("--xformers",), "12.0"),
        (CPU, ("--xformers",), "imported"),
        (OLD_TORCH, ("--opt-sdp-attention",), "torch 2"),
    ],
)
def test_what_cannot_be_had_is_excluded_with_its_reason(runtime: object, words: tuple[str, ...], reason: str) -> None:
    made = space.build(machine(runtime=runtime))  # type: ignore[arg-type]
    row = next(row for row in made.excluded if row.flags.words == words)
    assert reason in row.reason
    assert not any(words[0] in candidate.flags.words for candidate in made.candidates)


def test_thrifty_modes_only_when_memory_is_short() -> None:
    memory = SearchSpec((("memory", ("none", "medvram", "lowvram")),))
    short, plenty = machine(memory=6144.0), machine(memory=24576.0)
    assert [c.effective.memory for c in space.build(short, memory).candidates] == ["none", "medvram", "lowvram"]
    made = space.build(plenty, memory)
    assert [c.effective.memory for c in made.candidates] == ["none"]
    assert {row.flags.words for row in made.excluded} == {("--medvram",), ("--lowvram",)}
    assert "sub-quad" in space.build(short).dimensions[0].levels
    assert "sub-quad" not in space.build(plenty).dimensions[0].levels


def test_a_user_with_medvram_can_lose_it_and_keeps_it_when_it_is_not_searched() -> None:
    of = machine(("--medvram", "--api"))
    made = space.build(of, SearchSpec((("memory", ("none",)),)))
    check(made, of, ("memory",))
    assert sorted(c.effective.memory for c in made.candidates) == ["medvram", "none"]
    assert all(c.effective.memory == "medvram" for c in space.build(of).candidates)


def test_a_saved_title_is_the_baseline_and_candidates_set_it_back() -> None:
    of = machine(("--xformers",), {"cross_attention_optimization": "sdp - scaled dot product"}, XFORMERS)
    made = space.build(of)
    check(made, of)
    baseline = made[made.baseline]
    assert baseline.effective.attention == "sdp"
    assert baseline.flags.settings == (("cross_attention_optimization", "sdp - scaled dot product"),)
    for candidate in made.candidates[1:]:
        assert ("cross_attention_optimization", "Automatic") in candidate.flags.settings


def test_dimensions_of_other_web_uis_are_passed_over() -> None:
    named = SearchSpec((("attention", ("sdp", "pytorch")), ("cache", ("default", "classic")), ("unet", ("fp16",))))
    made = space.build(machine(), named)
    assert [one.name for one in made.dimensions] == ["attention"]
    assert {one.effective.attention for one in made.candidates} == {"doggettx", "sdp"}


def test_a_dimension_left_out_keeps_the_users_value() -> None:
    of = machine(("--opt-channelslast", "--xformers"), {"batch_cond_uncond": False}, XFORMERS)
    made = space.build(of, SearchSpec((("no_half_vae", ("false", "true")),)))
    check(made, of)
    assert len(made.candidates) == 2
    for candidate in made.candidates:
        assert candidate.effective.channelslast and candidate.effective.attention == "xformers"
        assert not candidate.effective.batch_cond_uncond


def test_precision_half_never_meets_no_half_vae() -> None:
    of = machine(())
    made = space.build(of, WIDE)
    check(made, of, ("precision", "memory"))
    assert any(c.effective.precision == "half" for c in made.candidates)
    assert not any(c.effective.precision == "half" and c.effective.vae == "fp32" for c in made.candidates)
    assert any("stops at start" in row.reason for row in made.excluded)
    fp32 = [c for c in made.candidates if c.effective.unet == "fp32"]
    assert fp32 and all("--no-half" in c.flags.words and "--precision" not in c.flags.words for c in fp32)
    older = space.build(machine((), version="1.9.4"), WIDE)
    assert not any(c.effective.precision == "half" for c in older.candidates)
    kept = space.build(machine(("--precision", "half")))
    assert {c.effective.vae for c in kept.candidates} == {"fp16"}


def test_kept_no_half_collapses_the_vae_dimension() -> None:
    made = space.build(machine(("--no-half", "--precision", "full"), runtime=CPU), TINY)
    assert len(made.candidates) == 12
    assert not any("--no-half-vae" in candidate.flags.words for candidate in made.candidates)


def test_flags_that_the_installs_parser_lacks_are_not_tried() -> None:
    of = machine(lacks=("--opt-channelslast", "--opt-sdp-no-mem-attention"))
    made = space.build(of)
    check(made, of)
    assert not any("--opt-channelslast" in candidate.flags.words for candidate in made.candidates)
    assert "sdp-no-mem" not in made.dimensions[0].levels
    assert sum("own parser has no" in row.reason for row in made.excluded) == 2


def test_mps_tries_its_own_default() -> None:
    made = space.build(machine(runtime=MPS))
    assert made[made.baseline].effective.attention == "sub-quad"
    assert next(c for c in made.candidates if c.effective.attention == "sub-quad").flags.words == ()


def test_forge_has_no_live_switch_and_its_own_words() -> None:
    of = machine((), {"cross_attention_optimization": "Doggettx"}, XFORMERS, "forge", "0.0.17v1.8.0rc")
    made = space.build(of)
    check(made, of)
    words = {candidate.flags.words for candidate in made.candidates}
    assert ("--attention-pytorch",) in words
    assert any({"--attention-split", "--disable-xformers"} <= set(one) for one in words)
    assert not any(d.live for d in made.dimensions)
    assert all(space.live_settings(c) == {} for c in made.candidates)
    assert len({c.launch_key for c in made.candidates}) == len(made.candidates)


def test_an_exclusive_flag_that_stays_leaves_no_room() -> None:
    of = machine(("--use-sage-attention", "--vae-in-bf16"), {}, XFORMERS, "reforge", "1.3.5-v1.10.1RC")
    made = space.build(of)
    assert len(made.candidates) == 1
    assert any("--use-sage-attention stays" in row.reason for row in made.excluded)


@pytest.mark.parametrize("flavour", ["forge2", "sdnext", "unknown"])
def test_untuned_web_uis_have_their_own_set_only(flavour: str) -> None:
    made = space.build(machine(("--xformers",), flavour=flavour))
    assert len(made.candidates) == 1 and made.dimensions == () and made.excluded[0].reason


class TestLaunching:
    def test_cold_is_exactly_the_words(self) -> None:
        made = space.build(machine(("--xformers",), runtime=XFORMERS))
        for candidate in made.candidates:
            assert space.launch_words(candidate, made, cold=True) == candidate.flags.words

    def test_screening_starts_with_xformers_when_it_is_a_candidate(self) -> None:
        made = space.build(machine((), runtime=XFORMERS))
        for candidate in made.candidates:
            words = space.launch_words(candidate, made, cold=False)
            assert words[0] == "--xformers"
            assert ("--no-half-vae" in words) == (candidate.effective.vae == "fp32")
        assert all("--xformers" not in space.launch_words(c, m, False)
                   for m in [space.build(machine((), runtime=CUDA))] for c in m.candidates)

    @pytest.mark.parametrize("kind", sorted(RUNTIMES))
    def test_a_live_switch_reaches_the_candidate(self, kind: str) -> None:
        of = machine(("--opt-sub-quad", "--api"), runtime=RUNTIMES[kind])
        made = space.build(of, SearchSpec((*TINY.dimensions, ("batch_cond_uncond", ("true", "false")))))
        for candidate in made.candidates:
            words = ("--api", *space.launch_words(candidate, made, cold=False))
            assert effective(words, space.live_settings(candidate), of.runtime) == candidate.effective

    def test_a_cold_start_holds_exactly_the_sets_options(self) -> None:
        of = machine((), {"cross_attention_optimization": "Doggettx", "batch_cond_uncond": False})
        made = space.build(of)
        for candidate in made.candidates:
            held = space.cold_settings(candidate)
            assert set(held) == {"cross_attention_optimization", "batch_cond_uncond"}
            assert effective(candidate.flags.words, held, of.runtime) == candidate.effective

    def test_the_dimensions_are_those_that_the_study_edits(self) -> None:
        assert [one.name for one in space.build(machine(), WIDE).dimensions][-2:] == ["precision", "memory"]


@pytest.mark.slow
@given(
    st.lists(st.sampled_from(OWN_WORDS), max_size=5, unique=True),
    st.sampled_from(sorted(RUNTIMES)),
    st.sampled_from(["Automatic", "Doggettx", "sdp - scaled dot product", "bogus", "None"]),
    st.booleans(),
    st.sampled_from([None, TINY, WIDE]),
)
@settings(max_examples=60, deadline=None)
def test_any_space_holds_together(
    words: list[str], kind: str, title: str, batched: bool, spec: SearchSpec | None
) -> None:
    saved = {"cross_attention_optimization": title} if title != "Automatic" else {}
    of = machine(tuple(words), {**saved, **({} if batched else {"batch_cond_uncond": False})}, RUNTIMES[kind])
    made = space.build(of, spec)
    check(made, of, tuple(name for name, _ in spec.dimensions) if spec else ())
    assert made == space.build(of, spec)
    judge = parser(load("a1111"))
    for candidate in made.candidates[1:]:
        judge.parse_args(list(candidate.flags.words))


@given(
    st.lists(st.sampled_from(["--no-half", "--force-enable-xformers", "--precision=half"]), max_size=2, unique=True),
    st.sampled_from(sorted(RUNTIMES)),
)
@settings(max_examples=12, deadline=None)
def test_no_candidate_could_be_written_shorter(kept: list[str], kind: str) -> None:
    """Brute force over all subsets of the managed flags: none reaches a candidate's set with fewer words."""
    of = machine(tuple(kept), runtime=RUNTIMES[kind])
    made = space.build(of, TINY)
    managed = sorted(load("a1111").managed())
    fewest: dict[str, int] = {}
    for picks in product((False, True), repeat=len(managed)):
        words = [flag for flag, pick in zip(managed, picks, strict=True) if pick]
        key = describe(effective([*kept, *words], {}, of.runtime))
        fewest[key] = min(fewest.get(key, 99), len(words))
    for candidate in made.candidates:
        assert len(candidate.flags.words) == fewest[candidate.id], candidate
