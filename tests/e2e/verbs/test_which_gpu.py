"""A tune where NVML tells of a card: our NVML library in C under the real pynvml, the web UI on the CPU."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import nvml_fake
from tests.e2e.verbs.conftest import Bench


@pytest.fixture
def card(tmp_path: Path) -> nvml_fake.Fake:
    try:
        return nvml_fake.build(tmp_path)
    except nvml_fake.NoCompiler as why:
        pytest.skip(str(why))


def test_a_tune_with_a_card_in_sight(bench: Bench, card: nvml_fake.Fake) -> None:
    bench.env.update(card.environment())
    assert [gpu["name"] for gpu in bench.json("probe")["gpus"]] == ["NVIDIA GeForce RTX 3090"] * 2
    document = bench.json("tune", "--profile", str(bench.profile), "--budget", "15s")
    assert document["clips"] > 0
    assert document["baseline"]["samples"]
    assert {row["failure"] for row in document["trials"] if row["failure"]} <= {"interrupted"}
