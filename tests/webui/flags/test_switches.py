"""Switches of PyTorch in a space: there only where the extension made them options, and what they come to."""

from __future__ import annotations

import dataclasses
from itertools import product

import pytest

from autotune.model.flagset import SettingValue
from autotune.model.machine import Machine, Runtime
from autotune.model.workload import SearchSpec
from autotune.report import labels
from autotune.tune.document import candidate_json
from autotune.webui.a1111.flags import space, switches
from autotune.webui.a1111.flags.effective import describe, effective
from autotune.webui.a1111.flags.in_effect import mismatches
from tests.flags.machines import CPU, CUDA, RTX50, machine
from tests.webui.flags.test_in_effect import reported
from tests.webui.flags.test_space import check

ALL = {name: list(levels) for name, levels in switches.LEVELS.items()}
SEARCH = SearchSpec((("attention", ("sdp", "split")), *switches.LEVELS.items()))


def with_switches(runtime: Runtime, **has: list[str]) -> Runtime:
    """A runtime of a web UI with the extension; ``has``: as its PyTorch tells."""
    return dataclasses.replace(runtime, switches=switches.usable(has or ALL, runtime.device))


@pytest.fixture(scope="module")
def cuda() -> Machine:
    return machine(runtime=with_switches(RTX50))


def test_all_of_them_on_cuda(cuda: Machine) -> None:
    made = space.build(cuda, SEARCH)
    check(made, cuda)
    assert len(made.candidates) == 2 * 2 * 2 * 5 and made.excluded == ()
    assert {one.name: one.live for one in made.dimensions} == {
        "attention": True, "cudnn_benchmark": False, "fp16_accumulation": True, "sdpa_order": True}
    assert {one.launch_key.partition("memory=none")[2] for one in made.candidates} == {
        "", " cudnn_benchmark=on"}, "cudnn.benchmark alone needs a start of its own"
    for one in made.candidates:
        level = dict(one.levels)
        settings = dict(one.flags.settings)
        assert settings == {key: level[name] for name, key in switches.OPTIONS.items() if level[name] != "default"}
        assert space.live_settings(one).items() >= {switches.OPTIONS[name]: level[name] for name in ALL}.items()
        assert space.cold_settings(one).items() >= {switches.OPTIONS[name]: level[name] for name in ALL}.items()


def test_sets_without_a_switch_are_named_as_before(cuda: Machine) -> None:
    """Studies that were made before there were switches still know their sets."""
    plain = machine(runtime=RTX50)
    before = {one.id: one.launch_key for one in space.build(plain, SearchSpec(SEARCH.dimensions[:1])).candidates}
    now = {one.id: one.launch_key for one in space.build(cuda, SEARCH).candidates}
    assert before.items() <= now.items()


def test_an_id_reads_back_from_a_document(cuda: Machine) -> None:
    for one in space.build(cuda, SEARCH).candidates:
        assert labels.identity(candidate_json(one)["effective"]) == one.id == describe(one.effective)


def test_none_without_the_extension() -> None:
    plain = machine(runtime=RTX50)
    made = space.build(plain, SEARCH)
    assert [one.name for one in made.dimensions] == ["attention"]
    assert [one.reason for one in made.excluded] == [switches.MISSING]
    for one in made.candidates:
        given = {**space.live_settings(one), **space.cold_settings(one)}
        assert not set(given) & set(switches.USUAL), "a web UI refuses options that it does not know"
        assert describe(one.effective) == one.id and "sdpa" not in one.id
    names = [one.name for one in space.build(plain).dimensions]
    assert not set(names) & set(switches.OPTIONS)


def test_the_default_search_has_them_where_they_are(cuda: Machine) -> None:
    made = space.build(cuda)
    assert {one.name: one.levels for one in made.dimensions}.items() >= {
        name: tuple(level for level in levels if (name, level) != ("sdpa_order", "math"))
        for name, levels in switches.LEVELS.items()}.items()


@pytest.mark.parametrize(("runtime", "says"), [
    (CPU, "it does nothing without a CUDA device"), (CUDA, "cannot do that on this device"),
])
def test_what_a_pytorch_lacks_is_left_out_and_said(runtime: Runtime, says: str) -> None:
    has = {"cudnn_benchmark": ["default", "on"], "sdpa_order": ["default", "mem-efficient", "math"]}
    of = machine(runtime=with_switches(runtime, **has))
    made = space.build(of, SEARCH)
    check(made, of)
    levels = {one.name: one.levels for one in made.dimensions}
    assert levels["fp16_accumulation"] == ("default",)
    assert ("on" in levels["cudnn_benchmark"]) == (runtime is CUDA)
    assert levels["sdpa_order"] == (("default", "mem-efficient", "math") if runtime is CUDA else ("default", "math"))
    assert any(says in one.reason for one in made.excluded)


def test_what_the_owner_saved_is_the_current_set(cuda: Machine) -> None:
    saved: dict[str, SettingValue] = {"autotune_sdpa_order": "cudnn", "autotune_cudnn_benchmark": "on"}
    of = machine(settings=saved, runtime=cuda.runtime)
    made = space.build(of, SEARCH)
    check(made, of)
    current = made[made.baseline]
    assert dict(current.flags.settings) == saved
    back = next(one for one in made.candidates if one.effective == effective((), {}, of.runtime))
    assert dict(back.flags.settings) == dict.fromkeys(saved, "default"), "written, as the saved ones differ"
    other = space.build(of, SearchSpec(SEARCH.dimensions[:1]))
    assert all(dict(one.flags.settings) == saved for one in other.candidates), "not searched: it stays as it is"


def test_sums_in_16_bits_need_16_bits(cuda: Machine) -> None:
    on = {"autotune_fp16_accumulation": "on"}
    assert effective((), on, cuda.runtime).fp16_accumulation == "on"
    assert effective(("--no-half",), on, cuda.runtime).fp16_accumulation == "default"


def test_an_old_forge_starts_for_each() -> None:
    of = machine(runtime=with_switches(RTX50), flavour="reforge", version="1.10.1")
    made = space.build(of, SEARCH)
    check(made, of)
    assert len({one.launch_key for one in made.candidates}) == len(made.candidates)


NAMES = tuple(switches.OPTIONS)


@pytest.mark.parametrize(("meant", "real"), list(product((None, *NAMES), repeat=2)))
def test_what_pytorch_has_is_what_counts(cuda: Machine, meant: str | None, real: str | None) -> None:
    """The option says what was meant, in each case; PyTorch is asked."""
    def level(name: str, of: str | None) -> str:
        return switches.LEVELS[name][1] if name == of else "default"

    settings = {switches.OPTIONS[name]: level(name, meant) for name in NAMES}
    told = {switches.OPTIONS[name]: [level(name, real)] for name in NAMES}
    expected = effective(("--opt-sdp-attention",), settings, cuda.runtime)
    options = switches.as_torch_has(settings, told)
    found = mismatches(expected, reported("--opt-sdp-attention"), options, "sdp", cuda.runtime)
    assert [switches.TITLES[name] in " ".join(found) for name in NAMES] == [
        level(name, meant) != level(name, real) for name in NAMES]


def test_two_levels_that_come_to_the_same_are_both_right() -> None:
    key = "autotune_cudnn_benchmark"
    for option in ("default", "on"):
        assert switches.as_torch_has({key: option}, {key: ["default", "on"]}) == {key: option}


@pytest.mark.parametrize("told", [{}, {"autotune_sdpa_order": []}, {"autotune_sdpa_order": 5}])
def test_an_answer_that_fits_nothing_is_no_proof(told: dict[str, object]) -> None:
    for option in ("default", "math"):
        assert switches.as_torch_has({"autotune_sdpa_order": option}, told) == {"autotune_sdpa_order": "something else"}


def test_an_extension_that_does_not_answer_sets_nothing() -> None:
    """A1111 lists a saved option although nothing knows it any more."""
    saved: dict[str, object] = {"autotune_sdpa_order": "math", "samples_save": True}
    assert switches.as_torch_has(saved, None) == {"autotune_sdpa_order": "default", "samples_save": True}
