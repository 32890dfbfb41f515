"""Expected against reported: every way in which a set can fail to be in effect is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from autotune.webui.a1111.flags import attention, space
from autotune.webui.a1111.flags.effective import effective
from autotune.webui.a1111.flags.in_effect import class_logged, flag_states, mismatches
from tests.flags.machines import CPU, CUDA, RTX50, XFORMERS, machine

RECORDED = json.loads((Path(__file__).parent / "cmd_flags_a1111_1.10.1.json").read_text(encoding="utf-8"))


def reported(*flags: str, **more: object) -> dict[str, Any]:
    """A cmd-flags document, as recorded, with these flags set."""
    base = {**RECORDED, "no_half": False, "use_cpu": []}
    return {**base, **{flag.lstrip("-").replace("-", "_"): True for flag in flags}, **more}


def test_all_in_effect() -> None:
    expected = effective(("--opt-sdp-attention", "--no-half-vae"), {}, CUDA)
    assert mismatches(expected, reported("--opt-sdp-attention", "--no-half-vae"), {}, "sdp", CUDA) == []


def test_the_recorded_cpu_run() -> None:
    expected = effective(("--no-half", "--use-cpu", "all"), {}, CPU)
    assert mismatches(expected, RECORDED, {"cross_attention_optimization": "Automatic"}, "InvokeAI", CPU) == []


@pytest.mark.parametrize(
    ("words", "flags", "options", "logged", "says"),
    [
        (("--opt-sdp-attention",), (), {}, "Doggettx", "attention should be sdp"),
        (("--opt-sdp-attention",), ("--opt-sdp-attention",), {}, "Doggettx", "the log says that Doggettx"),
        (("--opt-sdp-attention",), ("--opt-sdp-attention",), {}, None, "does not say"),
        (
            ("--opt-sdp-attention",), ("--opt-sdp-attention",),
            {"cross_attention_optimization": "V1 - original v1"}, "V1", '"V1 - original v1"',
        ),
        (("--opt-channelslast",), (), {}, "Doggettx", "channels-last"),
        (("--no-half-vae",), (), {}, "Doggettx", "the VAE's storage type should be fp32"),
        ((), ("--no-half",), {}, "Doggettx", "the U-Net's storage type should be fp16"),
        (("--lowvram",), ("--medvram",), {}, "Doggettx", "the memory mode should be lowvram"),
        (("--upcast-sampling",), (), {}, "Doggettx", "upcast"),
        ((), (), {"batch_cond_uncond": False}, "Doggettx", "batch_cond_uncond should be on"),
    ],
)
def test_each_difference_is_said(
    words: tuple[str, ...], flags: tuple[str, ...], options: dict[str, object], logged: str | None, says: str
) -> None:
    found = mismatches(effective(words, {}, CUDA), reported(*flags), options, logged, CUDA)
    assert found and any(says in line for line in found)


def test_precision_is_compared() -> None:
    half = effective(("--precision", "half"), {}, CUDA)
    found = mismatches(half, reported(precision="autocast"), {}, "Doggettx", CUDA)
    assert found == ["the precision should be half, the web UI reports autocast"]


def test_a_wrong_title_echoed_back_is_caught() -> None:
    """The API accepts and echoes "sdp", but the default is applied: only the log tells."""
    expected = effective((), {"cross_attention_optimization": "sdp - scaled dot product"}, CUDA)
    found = mismatches(expected, reported(), {"cross_attention_optimization": "sdp"}, "Doggettx", CUDA)
    assert len(found) == 1 and '"sdp"' in found[0]


@pytest.mark.parametrize("logged", [None, "", "Disabled", "none"])
def test_none_is_logged_as_disabled_or_not_at_all(logged: str | None) -> None:
    expected = effective(("--disable-opt-split-attention",), {}, CUDA)
    assert mismatches(expected, reported("--disable-opt-split-attention"), {}, logged, CUDA) == []


def test_every_class_is_known_by_its_log_name() -> None:
    for cls in attention.CLASSES:
        assert class_logged(cls.logged) == cls.name
    assert class_logged("flash-deluxe") is None


@pytest.mark.parametrize("cold", [True, False])
def test_every_candidate_is_in_effect_when_it_is_reported_so(cold: bool) -> None:
    of = machine(runtime=XFORMERS)
    made = space.build(of)
    for candidate in made.candidates:
        flags = space.launch_words(candidate, made, cold)
        options = space.cold_settings(candidate) if cold else space.live_settings(candidate)
        logged = attention.BY_NAME[candidate.effective.attention].logged
        assert mismatches(candidate.effective, reported(*flags), dict(options), logged, XFORMERS) == []


class TestFlagStates:
    def test_in_effect_and_dead(self) -> None:
        words = ("--api", "--opt-sdp-attention", "--opt-sdp-no-mem-attention", "--no-half-vae")
        states = flag_states(words, reported(*words), {}, "sdp-no-mem", CUDA)
        assert [(s.flag, s.on_command_line, s.in_effect) for s in states] == [
            ("--opt-sdp-attention", True, False),
            ("--opt-sdp-no-mem-attention", True, True),
            ("--no-half-vae", True, True),
        ]
        assert "sdp-no-mem" in states[0].why

    def test_xformers_on_an_rtx_50_is_dead(self) -> None:
        (state,) = flag_states(("--xformers",), reported("--xformers"), {}, "Doggettx", RTX50)
        assert state.on_command_line and state.in_effect is False and "Doggettx" in state.why

    def test_overridden_by_the_setting(self) -> None:
        options = {"cross_attention_optimization": "Doggettx"}
        (state,) = flag_states(("--opt-sdp-attention",), reported("--opt-sdp-attention"), options, "Doggettx", CUDA)
        assert state.in_effect is False and "overrides" in state.why

    def test_redundant_beside_no_half(self) -> None:
        words = ("--no-half", "--no-half-vae")
        states = {s.flag: s for s in flag_states(words, reported(*words), {}, "Doggettx", CUDA)}
        assert states["--no-half"].in_effect and states["--no-half-vae"].in_effect is False

    def test_started_without_it(self) -> None:
        (state,) = flag_states(("--opt-channelslast",), reported(), {}, None, CUDA)
        assert (state.on_command_line, state.in_effect) == (False, False)

    def test_the_log_has_the_last_word(self) -> None:
        (state,) = flag_states(("--opt-sdp-attention",), reported("--opt-sdp-attention"), {}, "Doggettx", CUDA)
        assert state.in_effect is False and "log" in state.why

    def test_nobody_asked(self) -> None:
        (state,) = flag_states(("--xformers", "--api"), None, {}, None, CUDA)
        assert (state.on_command_line, state.in_effect) == (None, None)
