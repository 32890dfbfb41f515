"""Whole studies in virtual time on ComfyUI's sets, of which each needs a start of its own."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from autotune import decide, search
from autotune.model.flagset import Candidate
from autotune.model.study import Failure
from autotune.model.workload import SearchSpec
from autotune.search.attention_prior import prior_for_machine
from autotune.webui.comfyui.flags import space
from autotune.workload import profile as profiles
from benchmarks import surfaces
from benchmarks.virtual import Session, regret
from tests.webui.comfyui.machines import CPU, machine

EFFECTS = {("attention", "split"): 0.4, ("attention", "quad"): 0.5, ("fp16_accumulation", "on"): -0.12,
           ("cudnn_benchmark", "on"): -0.08, ("channelslast", "true"): 0.02, ("cuda_malloc", "off"): 0.01,
           ("dynamic_vram", "off"): -0.02, ("memory", "highvram"): -0.01}
"""Log seconds; the sizes are of the reports in docs/flags.md, made milder."""


def _score(one: Candidate) -> float:
    return 2.0 + sum(EFFECTS.get(level, 0.0) for level in one.levels)


def _surface(*flags: str, spec: SearchSpec | None, fails: tuple[str, Failure] | None = None) -> surfaces.Drawn:
    made = space.build(machine(*flags), spec)
    failing = {one.id: fails[1] for one in made.candidates if fails and one.effective.memory == fails[0]}
    return surfaces.Drawn(
        made, surfaces.profile(), {one.id: _score(one) for one in made.candidates},
        {one.id: 5000.0 + 1000.0 * (one.effective.memory == "highvram") for one in made.candidates},
        failing=failing, noise=surfaces.Noise(clip=0.01, launch=0.01))


def test_what_cards_alone_suggest_is_known_by_its_names() -> None:
    prior = prior_for_machine(machine())
    assert prior is not None
    told = {level: value for _, level, value in prior.effects}
    assert told["pytorch"] == told["sdp"] != 0.0


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["speed", "vram", "balanced"])
def test_a_study_ends_with_a_set_near_the_best(objective: str) -> None:
    surface = _surface("--use-split-cross-attention", spec=profiles.load("comfyui-default").search)
    session = Session(surface, random.Random(1), 3600.0)
    history = session.run(search.make_strategy("screen", surface.space, surface.profile, objective, 1))
    verdict = decide.verdict(history, surface.space, surface.profile, objective)
    if objective == "speed":
        assert verdict.decision == "apply" and verdict.winner is not None
        assert regret(surface, verdict.winner.candidate) < 0.05
    served = Counter((one.launch, one.candidate) for one in session.samples)
    assert len({launch for launch, _ in served}) == len(served), "a process served two sets"


@pytest.mark.slow
def test_a_mode_whose_memory_spills_is_not_tried_in_every_combination() -> None:
    """A clip that spilled fails the set for good, and by its level all sets like it."""
    surface = _surface(spec=profiles.load("comfyui-default").search, fails=("highvram", "spilled"))
    session = Session(surface, random.Random(3), 3600.0)
    history = session.run(search.make_strategy("screen", surface.space, surface.profile, "speed", 3))
    verdict = decide.verdict(history, surface.space, surface.profile, "speed")
    assert sum(one.state == "failed" for one in session.samples) <= 3
    assert verdict.decision == "apply" and verdict.winner is not None
    assert surface.space[verdict.winner.candidate].effective.memory == "none"


@pytest.mark.slow
def test_what_is_left_on_a_cpu_is_enough_to_tune() -> None:
    made = space.build(machine("--cpu", runtime=CPU), profiles.load("comfyui-default").search)
    assert {one.name: len(one.levels) for one in made.dimensions if len(one.levels) > 1} == {
        "attention": 3, "channelslast": 2, "cache": 2}
    score = {one.id: 2.0 - 0.3 * (one.effective.attention == "pytorch") for one in made.candidates}
    surface = surfaces.Drawn(made, surfaces.profile(), score, dict.fromkeys(score, 500.0),
                             noise=surfaces.Noise(clip=0.01, launch=0.01))
    session = Session(surface, random.Random(2), 3600.0)
    history = session.run(search.make_strategy("screen", made, surface.profile, "speed", 2))
    verdict = decide.verdict(history, made, surface.profile, "speed")
    assert verdict.winner is not None and made[verdict.winner.candidate].effective.attention == "pytorch"
