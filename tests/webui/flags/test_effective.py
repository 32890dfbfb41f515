"""Canonical form: every attention subset on every kind of device, and the other rules."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.model.machine import Runtime
from autotune.webui.a1111.flags import attention
from autotune.webui.a1111.flags.effective import describe, effective
from autotune.webui.a1111.flags.known_flags import load
from tests.flags.machines import CPU, CUDA, MPS, OLD_TORCH, RTX50, RUNTIMES, XFORMERS

# The table of the web UI, written out once more per device: flags by falling priority, then the default.
SPLIT, SDP, NO_MEM, SUBQ, V1, INVOKE, XF, OFF, FORCE = (
    "--opt-split-attention", "--opt-sdp-attention", "--opt-sdp-no-mem-attention", "--opt-sub-quad-attention",
    "--opt-split-attention-v1", "--opt-split-attention-invokeai", "--xformers", "--disable-opt-split-attention",
    "--force-enable-xformers",
)
NINE = (SPLIT, SDP, NO_MEM, SUBQ, V1, INVOKE, XF, OFF, FORCE)
NAME = {
    SPLIT: "doggettx", SDP: "sdp", NO_MEM: "sdp-no-mem", SUBQ: "sub-quad", V1: "v1", INVOKE: "invokeai", XF: "xformers",
}
ORDER = {
    "cuda": (XF, SPLIT, NO_MEM, SDP, SUBQ, V1, INVOKE),
    "cpu": (INVOKE, XF, SPLIT, NO_MEM, SDP, SUBQ, V1),
    "mps": (SUBQ, XF, SPLIT, NO_MEM, SDP, V1, INVOKE),
}


def expected(given: tuple[str, ...], kind: str) -> str:
    """The outcome by the written-out table."""
    if OFF in given:
        return "none"
    device = RUNTIMES[kind].device
    has_xformers = FORCE in given or (kind == "xformers" and XF in given)
    gone = {XF} if not has_xformers else set()
    gone |= {SDP, NO_MEM} if kind == "old_torch" else set()
    if kind == "old_torch" and XF in given:
        gone -= {XF}  # it has xformers 0.0.16 and compute capability 7.5
    order = [flag for flag in ORDER[device] if flag not in gone]
    return NAME[next((flag for flag in order if flag in given), order[0])]


@pytest.mark.parametrize("kind", sorted(RUNTIMES))
def test_all_512_attention_subsets(kind: str) -> None:
    outcomes = set()
    subsets = [some for size in range(10) for some in combinations(NINE, size)]
    assert len(subsets) == 512
    for some in subsets:
        chosen = effective(some, {}, RUNTIMES[kind]).attention
        assert chosen == expected(some, kind), some
        outcomes.add(chosen)
    assert len(outcomes) <= 8
    assert len(outcomes) == (6 if kind == "old_torch" else 8)


@pytest.mark.parametrize(
    ("runtime", "default"),
    [(CUDA, "doggettx"), (XFORMERS, "doggettx"), (RTX50, "doggettx"), (CPU, "invokeai"), (MPS, "sub-quad")],
)
def test_defaults(runtime: Runtime, default: str) -> None:
    assert effective((), {}, runtime).attention == default


def test_what_the_pages_say() -> None:
    assert effective((SDP, NO_MEM), {}, CUDA).attention == "sdp-no-mem"
    assert effective((SPLIT, SDP), {}, CUDA).attention == "doggettx"
    assert effective((XF, SDP), {}, XFORMERS).attention == "xformers"
    assert effective((XF,), {}, CUDA).attention == "doggettx"
    assert effective((XF, SDP), {}, RTX50).attention == "sdp"
    assert effective((XF, SDP), {}, CPU).attention == "sdp"
    assert effective((FORCE,), {}, RTX50).attention == "xformers"


@pytest.mark.parametrize("cls", [*attention.CLASSES, attention.NONE], ids=lambda cls: cls.name)
def test_a_saved_title_overrides_every_flag(cls: attention.AttentionClass) -> None:
    saved = {"cross_attention_optimization": cls.title}
    words = (SDP, SPLIT, "--opt-split-attention-v1", XF, OFF)
    assert effective(words, saved, XFORMERS).attention == cls.name


@pytest.mark.parametrize("title", ["sdp", "bogus", "", "automatic", "V1", "sub-quad"])
def test_a_wrong_title_means_the_default(title: str) -> None:
    saved = {"cross_attention_optimization": title}
    assert effective((SDP,), saved, CUDA).attention == "doggettx"
    assert effective((SDP,), saved, CPU).attention == "invokeai"
    assert effective((SDP, XF), saved, XFORMERS).attention == "xformers"


def test_a_title_that_is_not_available_means_the_default() -> None:
    assert effective((), {"cross_attention_optimization": "xformers"}, CUDA).attention == "doggettx"
    saved = {"cross_attention_optimization": "sdp - scaled dot product"}
    assert effective((), saved, OLD_TORCH).attention == "doggettx"


def test_disable_counts_only_while_the_option_is_automatic() -> None:
    assert effective((OFF,), {"cross_attention_optimization": "Doggettx"}, CUDA).attention == "doggettx"
    assert effective((OFF,), {"cross_attention_optimization": "bogus"}, CUDA).attention == "doggettx"


def test_no_half_makes_others_redundant() -> None:
    plain = effective(("--no-half",), {}, CUDA)
    assert (plain.unet, plain.vae, plain.upcast, plain.precision) == ("fp32", "fp32", False, "full")
    for more in (("--no-half-vae",), ("--upcast-sampling", "--no-half-vae"), ("--precision", "full")):
        assert effective(("--no-half", *more), {}, CUDA) == plain
    assert effective(("--no-half-vae",), {}, CUDA).unet == "fp16"
    assert effective(("--upcast-sampling",), {}, CUDA).upcast


def test_memory_modes() -> None:
    assert effective(("--medvram",), {}, CUDA).memory == "medvram"
    assert effective(("--medvram", "--lowvram"), {}, CUDA).memory == "lowvram"
    assert effective(("--medvram-sdxl",), {}, CUDA) == effective((), {}, CUDA)


def test_precision_takes_its_last_value() -> None:
    assert effective(("--precision", "full", "--precision=half"), {}, CUDA).precision == "half"
    assert effective((), {}, CUDA).precision == "autocast"


def test_batch_cond_uncond() -> None:
    assert effective((), {}, CUDA).batch_cond_uncond
    assert not effective((), {"batch_cond_uncond": False}, CUDA).batch_cond_uncond


def test_flags_without_effect_change_nothing() -> None:
    idle = ("--always-batch-cond-uncond", "--unload-gfpgan", "--sub-quad-q-chunk-size", "512", "--api", "--unknown")
    assert effective(idle, {}, CUDA) == effective((), {}, CUDA)


def test_forge_and_reforge_have_their_own_rules() -> None:
    forge, reforge = load("forge"), load("reforge", "1.0.0v2-v1.10.1RC")
    assert effective((), {}, XFORMERS, forge).attention == "xformers"
    assert effective((SDP, "--opt-channelslast"), {}, XFORMERS, forge) == effective((), {}, XFORMERS, forge)
    assert effective(("--attention-split",), {}, XFORMERS, forge).attention == "xformers"
    assert effective(("--attention-split", "--disable-xformers"), {}, XFORMERS, forge).attention == "doggettx"
    assert effective(("--attention-pytorch",), {}, XFORMERS, forge).attention == "sdp"
    assert effective((), {}, CUDA, forge).attention == "sdp"
    assert effective((), {}, CPU, forge).attention == "sub-quad"
    assert effective(("--force-channels-last",), {}, CUDA, reforge).channelslast
    assert effective((), {}, CUDA, reforge).vae == "bf16"
    assert effective(("--vae-in-fp32",), {}, CUDA, reforge).vae == "fp32"


@given(
    st.lists(st.sampled_from(sorted(load("a1111").flags)), max_size=7, unique=True),
    st.sampled_from(sorted(RUNTIMES)),
)
def test_order_and_spelling_do_not_matter(flags: list[str], kind: str) -> None:
    values = {"--precision": "half"}
    pairs = [
        (flag, values.get(flag, "1")) if load("a1111").flags[flag].takes != "0" else (flag,) for flag in flags
    ]
    runtime = RUNTIMES[kind]
    one = effective([word for pair in pairs for word in pair], {}, runtime)
    other = effective(["=".join(pair) for pair in reversed(pairs)], {}, runtime)
    twice = effective([word for pair in [*pairs, *pairs] for word in pair], {}, runtime)
    assert one == other == twice
    assert describe(one) == describe(other)


@given(st.sampled_from(sorted(RUNTIMES)), st.lists(st.sampled_from([*NINE, "--no-half", "--no-half-vae", "--medvram",
       "--lowvram", "--upcast-sampling", "--opt-channelslast"]), max_size=5), st.booleans())
def test_texts_are_equal_exactly_when_sets_are(kind: str, flags: list[str], batched: bool) -> None:
    first = effective(flags, {"batch_cond_uncond": batched}, RUNTIMES[kind])
    second = effective((), {}, RUNTIMES[kind])
    assert (describe(first) == describe(second)) == (first == second)
