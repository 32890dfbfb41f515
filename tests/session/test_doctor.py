"""What doctor says before a tune finds it out the hard way."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from autotune.model.failures import ADVICE
from autotune.model.machine import Machine
from autotune.model.study import Failure
from autotune.session.preconditions import Check, of_machine
from tests.flags.machines import CUDA, machine
from tests.session.conftest import Bench


def on_card(**changes: object) -> Machine:
    """A machine with one RTX 3090, 24 GiB, nearly empty."""
    usual = machine()
    return replace(usual, gpus=(replace(usual.gpus[0], **changes),))  # type: ignore[arg-type]


def named(found: list[Check], name: str) -> Check:
    (one,) = [check for check in found if check.name == name]
    return one


@pytest.mark.parametrize(("name", "changes", "ok", "says"), [
    ("GPU memory", {}, True, "23.5 of 24.0 GiB free"),
    ("GPU memory", {"memory_used": 21000.0}, False, "3.5 of 24.0 GiB free"),
    ("GPU memory", {"memory_total": 4096.0}, True, "--medvram"),
    ("GPU memory", {"memory_used": None}, True, "does not tell"),
    ("torch and driver", {}, True, "CUDA 12.1"),
    ("torch and driver", {"cuda_driver_version": "11.8"}, False, "goes up to CUDA 11.8"),
    ("torch and driver", {"cuda_driver_version": None}, True, "CUDA 12.1"),
])
def test_the_card(name: str, changes: dict[str, object], ok: bool, says: str) -> None:
    check = named(list(of_machine(on_card(**changes), 0, 20000.0)), name)
    assert check.ok is ok and says in check.detail and (ok or check.hint)


def test_flags_that_this_version_refuses_and_main_memory() -> None:
    old = on_card()
    old = replace(old, webui=replace(old.webui, flags=("--xformers", "--precision=half"), lacks=("--precision",)))
    found = list(of_machine(old, 0, 900.0))
    assert not named(found, "flags").ok and "--precision" in named(found, "flags").detail
    assert not named(found, "main memory").ok
    assert named(list(of_machine(on_card(), 0, 900.0)), "flags").ok


def test_a_torch_without_cuda_beside_a_card_is_said() -> None:
    cpu = replace(on_card(), runtime=replace(CUDA, device="cpu"))
    found = list(of_machine(cpu, 0, 20000.0))
    assert "computes on the cpu" in named(found, "torch and driver").detail
    assert not any(one.name == "GPU memory" for one in found)


@pytest.mark.e2e
def test_every_failure_class_has_a_check_before_it_and_a_remedy_after_it(bench: Bench) -> None:
    document = bench.json("doctor")
    prevented = {name for row in document["checks"] for name in row["prevents"]}
    # Spilling needs a card; there is none here, and of_machine says it where there is one.
    assert prevented | {one for check in of_machine(on_card(), 0, 20000.0) for one in check.prevents} >= set(
        get_args(Failure))
    assert all(row["ok"] for row in document["checks"]), document
    assert set(ADVICE) == set(get_args(Failure))
    assert all(any(word in text for word in ("try", "check", "close", "look", "mend", "run the command"))
               for text in ADVICE.values())
