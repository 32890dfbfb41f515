"""Whether a set is in effect: by the command line, by what the trial's node sees, by lines of the log."""

from dataclasses import replace
from typing import Any

import pytest

from autotune.model.machine import Machine, Runtime
from autotune.webui.comfyui.flags import space
from autotune.webui.comfyui.flags.effective import effective
from autotune.webui.comfyui.flags.in_effect import flag_states, idle_flags, mismatches
from autotune.webui.face import Reported
from tests.webui.comfyui.machines import CPU, NVIDIA, machine

SAGE = replace(NVIDIA, packages={"comfy_aimdo": "0.4.10", "sageattention": "2", "cublas_ops": "1"})


def _reported(flags: str, log: dict[str, Any] | None = None, effect: dict[str, Any] | None = None) -> Reported:
    return Reported({"argv": flags.split(), "log": log or {}, "effect": effect})


def test_each_set_is_in_effect_on_its_own_command_line_and_no_other() -> None:
    seen = machine("--port", "1", runtime=SAGE)
    made = space.build(seen).candidates[::17]
    for one in made:
        for other in made:
            words = " ".join(("--port", "1", *other.flags.words))
            assert (mismatches(one.effective, _reported(words), seen) == []) is (one.id == other.id)


AGAINST: list[tuple[str, Runtime, dict[str, Any], dict[str, Any], str]] = [
    ("", NVIDIA, {"attention": "quad"}, {}, "the log says that quad"),
    ("", NVIDIA, {}, {"attention": "attention_split"}, "computes with split"),
    ("", NVIDIA, {"attention": "pytorch"}, {"attention": "attention_split"}, "computes with split"),
    ("", NVIDIA, {}, {"attention": "attention_pytorch", "attention_motion": "attention_sub_quad"}, "motion module"),
    ("--use-sage-attention", SAGE, {"attention": "sage", "fallbacks": ["Error running sage attention: x"]}, {},
     "Error running sage"),
    ("--fast fp16_accumulation", NVIDIA, {}, {"fp16_accumulation": False}, "fp16 accumulation"),
    ("--fast autotune", NVIDIA, {}, {"cudnn_benchmark": False}, "cudnn.benchmark"),
    ("--fast autotune", NVIDIA, {}, {"allocator": "cudaMallocAsync"}, "allocator"),
    ("--disable-cuda-malloc", NVIDIA, {}, {"allocator": "cudaMallocAsync"}, "allocator"),
    ("--fast cublas_ops", SAGE, {}, {"linear_class": "manual_cast.Linear"}, "cuBLAS"),
    ("--highvram", NVIDIA, {"vram": "NORMAL_VRAM"}, {}, "memory mode"),
    ("--highvram", NVIDIA, {}, {"vram_state": "NORMAL_VRAM"}, "memory mode"),
    ("--disable-dynamic-vram", NVIDIA, {"dynamic_vram": True}, {}, "dynamic VRAM"),
    ("--highvram", NVIDIA, {}, {"dynamic_vram": True}, "dynamic VRAM"),
    ("--async-offload 4", NVIDIA, {"async_offload": 2}, {}, "streams"),
    ("--async-offload 4", NVIDIA, {"async_offload": 2}, {"streams": None}, "streams"),
    ("--highvram", NVIDIA, {"dynamic_vram": True}, {"dynamic_vram": None}, "dynamic VRAM"),
    ("--disable-async-offload", NVIDIA, {}, {"streams": 2}, "streams"),
    ("--disable-pinned-memory", NVIDIA, {}, {"pinned_memory": 8192.0}, "page-locked"),
    ("--disable-smart-memory", NVIDIA, {}, {"smart_memory": True}, "smart memory"),
    ("--cache-classic", NVIDIA, {"cache": "RAM pressure"}, {}, "cache"),
    ("--cache-lru 64", NVIDIA, {"cache": "none"}, {}, "cache"),
]


@pytest.mark.parametrize(("flags", "runtime", "log", "effect", "said"), AGAINST)
def test_evidence_beats_the_command_line(
    flags: str, runtime: Runtime, log: dict[str, Any], effect: dict[str, Any], said: str
) -> None:
    seen = machine(runtime=runtime)
    expected = effective(flags.split(), seen)
    assert mismatches(expected, _reported(flags), seen) == []
    found = mismatches(expected, _reported(flags, log, effect), seen)
    assert len(found) == 1 and said in found[0]
    if flags:
        states = flag_states(flags.split(), _reported(flags, log, effect), seen)
        assert [state.in_effect for state in states] == [False] and said in states[0].why


FOR: list[tuple[str, Runtime, dict[str, Any], dict[str, Any]]] = [
    ("", CPU, {"attention": "quad", "vram": "DISABLED", "cache": "RAM pressure"},
     {"attention": "attention_sub_quad", "attention_motion": "attention_sub_quad", "vram_state": "DISABLED",
      "streams": 0, "dynamic_vram": False, "pinned_memory": -1, "smart_memory": True, "cudnn_benchmark": False,
      "fp16_accumulation": False, "linear_class": "disable_weight_init.Linear", "allocator": None}),
    ("--cpu --fast", CPU, {"vram": "DISABLED"}, {"cudnn_benchmark": False, "fp16_accumulation": False}),
    ("--cpu --high-ram", CPU, {}, {}),
    ("--cpu --cache-none", CPU, {"cache": "none"}, {}),
    ("--cpu --cache-lru 3", CPU, {"cache": "LRU"}, {}),
    ("--use-split-cross-attention", CPU, {"attention": "split"},
     {"attention": "attention_split", "attention_motion": "attention_split"}),
    ("--lowvram", NVIDIA, {"vram": "LOW_VRAM"}, {"dynamic_vram": True}),
    # Its package is not there: so in every set alike.
    ("", NVIDIA, {}, {"dynamic_vram": False}),
    # A custom node switched it on: so in every set alike.
    ("", NVIDIA, {}, {"cudnn_benchmark": True, "fp16_accumulation": True}),
    ("--fast autotune --cuda-malloc", NVIDIA, {}, {"cudnn_benchmark": True, "allocator": "cudaMallocAsync"}),
    ("--async-offload", NVIDIA, {"async_offload": 2}, {"streams": 2}),
    ("--use-sage-attention", SAGE, {"attention": "sage"},
     {"attention": "attention_sage", "attention_motion": "attention_pytorch"}),
]


@pytest.mark.parametrize(("flags", "runtime", "log", "effect"), FOR)
def test_what_is_as_it_should_be_is_not_complained_of(
    flags: str, runtime: Runtime, log: dict[str, Any], effect: dict[str, Any]
) -> None:
    seen = machine(runtime=runtime)
    assert mismatches(effective(flags.split(), seen), _reported(flags, log, effect), seen) == []


def _states(flags: str, running: str | None, seen: Machine) -> dict[str, tuple[bool | None, bool | None]]:
    reported = None if running is None else _reported(running)
    return {one.flag: (one.on_command_line, one.in_effect) for one in flag_states(flags.split(), reported, seen)}


def test_states_of_flags() -> None:
    seen = machine()
    flags = "--highvram --fast autotune --port 1 --bf16-unet"
    assert _states(flags, None, seen) == {
        "--highvram": (None, None), "--fast": (None, None), "--bf16-unet": (None, None)}
    assert _states(flags, "--highvram --port 2", seen) == {
        "--highvram": (True, True), "--fast": (False, False), "--bf16-unet": (False, False)}
    assert _states("--use-pytorch-cross-attention", "--use-pytorch-cross-attention", seen) == {
        "--use-pytorch-cross-attention": (True, False)}
    assert _states("--cpu --fast --lowvram", "--cpu --fast --lowvram", machine(runtime=CPU)) == {
        "--fast": (True, False), "--lowvram": (True, False)}


def test_idle_flags() -> None:
    words = ["--cpu", "--fast", "--cuda-malloc", "--force-channels-last", "--cache-classic", "--port", "1"]
    said = dict(idle_flags(words, machine(runtime=CPU)))
    assert set(said) == {"--fast", "--cuda-malloc"} and all("CUDA" in why for why in said.values())
    assert idle_flags(["--lowvram"], machine()) and not idle_flags(["--highvram"], machine())
