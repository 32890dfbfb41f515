"""The failure classes on what ComfyUI and its nodes really print and answer, from recordings and public threads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.model.failures import Evidence
from autotune.webui.comfyui.failures import judge
from autotune.webui.comfyui.log_lines import LINES, told

CASES = json.loads((Path(__file__).parent / "failures.json").read_text(encoding="utf-8"))
HEALTHY = (
    "\x1b[32m[INFO]\x1b[0m Total VRAM 12288 MB, total RAM 31832 MB",
    "\x1b[32m[INFO]\x1b[0m Set vram state to: NORMAL_VRAM",
    "\x1b[32m[INFO]\x1b[0m Device: cuda:0 NVIDIA GeForce RTX 3060 : cudaMallocAsync",
    "\x1b[1m\x1b[33m[WARNING]\x1b[0m Cannot import /c/custom_nodes/broken module for custom nodes: No module named 'x'",
    "\x1b[32m[INFO]\x1b[0m Using pytorch attention",
    "\x1b[32m[INFO]\x1b[0m To see the GUI go to: http://127.0.0.1:8188",
    "\x1b[32m[INFO]\x1b[0m got prompt",
    "\x1b[32m[INFO]\x1b[0m Using split attention in VAE",
    "\x1b[32m[INFO]\x1b[0m \x1b[32mPrompt executed in 4.90 seconds\x1b[0m",
)
"""Lines of a start and a clip without a fault."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['from']}: {case['expect']}")
def test_class_and_reason(case: dict[str, Any]) -> None:
    found = judge(Evidence(**case["given"]))
    assert found is not None and found.failure == case["expect"]
    assert case["why"] in found.why and "\x1b" not in found.why


@pytest.mark.parametrize("case", [one for one in CASES if one["given"].get("starting")], ids=lambda one: one["from"])
def test_a_healthy_start_before_it_changes_nothing(case: dict[str, Any]) -> None:
    given = {**case["given"], "log_tail": [*HEALTHY[:5], *case["given"]["log_tail"]]}
    found = judge(Evidence(**given))
    assert found is not None and (found.failure, case["why"] in found.why) == (case["expect"], True)


def test_nothing_failed() -> None:
    assert judge(Evidence(http_status=200, log_tail=HEALTHY)) is None


@given(st.lists(st.sampled_from(HEALTHY), max_size=9))
def test_our_own_interruption_comes_first(lines: list[str]) -> None:
    found = judge(Evidence(exit_code=255, log_tail=tuple(lines), interrupted=True, starting=True))
    assert found is not None and found.failure == "interrupted"


@pytest.mark.parametrize(("line", "level"), [
    ("Using pytorch attention", "pytorch"), ("Using sage attention", "sage"), ("Using Flash Attention", "flash"),
    ("Using xformers attention", "xformers"), ("Using split optimization for attention", "split"),
    ("Using sub quadratic optimization for attention, if you have memory or speed issues try using: "
     "--use-split-cross-attention", "quad"),
    ("Using Comfy Kitchen attention", "ck"), ("Using pytorch cross attention", "pytorch"),
    ("Using sub quadratic optimization for cross attention, if you have memory or speed issues", "quad"),
])
@pytest.mark.parametrize("tag", ["", "\x1b[32m[INFO]\x1b[0m ", "[INFO] "])
def test_each_attention_class_is_read(line: str, level: str, tag: str) -> None:
    assert LINES.attention.search(tag + line)
    assert told([tag + line])["attention"] == level


@pytest.mark.parametrize("line", [
    "Using split attention in VAE", "Using pytorch attention in VAE", "Using xformers attention in VAE",
    "Error running sage attention: x, using pytorch attention instead.",
])
def test_what_is_no_attention_class_of_the_model(line: str) -> None:
    assert LINES.attention.search(line) is None and "attention" not in told([line])


def test_what_the_lines_of_a_start_tell() -> None:
    lines = [
        "[INFO] Set vram state to: HIGH_VRAM", "[INFO] Using async weight offloading with 2 streams",
        "[INFO] Enabled pinned memory 14324", "[INFO] Enabled fp16 accumulation.", "[INFO] Using cublas ops",
        "[INFO] DynamicVRAM support detected and enabled", "[INFO] Using RAM pressure cache.",
        "[INFO] Using sage attention",
        "\x1b[1m\x1b[31m[ERROR]\x1b[0m Error running sage attention: Unsupported head_dim: 160, using pytorch "
        "attention instead.",
    ]
    said = told(lines)
    fallbacks = said.pop("fallbacks")
    assert said == {"vram": "HIGH_VRAM", "async_offload": 2, "pinned_memory": 14324, "fp16_accumulation": True,
                    "cublas_ops": True, "dynamic_vram": True, "cache": "RAM pressure", "attention": "sage"}
    assert fallbacks == ["[ERROR] Error running sage attention: Unsupported head_dim: 160, using pytorch attention "
                         "instead."]
    assert told(["[INFO] Disabling intermediate node cache."]) == {"cache": "none"} and told(["got prompt"]) == {}


@pytest.mark.parametrize("line", [
    "Error running sage attention: x, using pytorch attention instead.",
    "Error running SageAttention3: x, falling back to pytorch attention.",
    "Flash Attention failed, using default SDPA: x",
])
def test_a_fallback_spoils_the_set(line: str) -> None:
    assert LINES.spoiled.search(f"\x1b[1m\x1b[31m[ERROR]\x1b[0m {line}") and LINES.spoiled_as == "cuda_error"
    assert not any(LINES.spoiled.search(one) for one in HEALTHY)
