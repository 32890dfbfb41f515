"""The sampler in anybody's study: plain categorical parameters, no attributes, no start, several processes at once."""

from __future__ import annotations

import math
import random
import re
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import BaseDistribution
from optuna.trial import TrialState

from autotune.model import codec
from autotune.model.study import History
from autotune.search import trial_history
from autotune.search.sampler import LaunchAwareSampler
from autotune.search.screen import Screen
from tests.search.test_sessions import play, small

pytestmark = pytest.mark.slow

SECONDS = {"split": 7.2, "sdp": 4.9, "sub-quad": 7.9, "v1": 13.5, "none": 8.2}
PACKAGE = Path(__file__).parents[2] / "optunahub" / "package"


def timed(seed: int, choices: dict[str, list[Any]], noise: float = 0.01) -> Callable[[optuna.Trial], float]:
    """An objective: each choice multiplies, the first of each by 1, others by up to 30 % less or more."""
    rng = random.Random(seed)
    factor = {(name, repr(value)): 1.0 if not place else math.exp(rng.uniform(-0.3, 0.3))
              for name, values in choices.items() for place, value in enumerate(values)}

    def objective(trial: optuna.Trial) -> float:
        picked = {name: trial.suggest_categorical(name, values) for name, values in choices.items()}
        return 5.0 * math.prod(factor[name, repr(value)] for name, value in picked.items()) * rng.gauss(1.0, noise)

    objective.best = math.prod(min(factor[n, repr(v)] for v in vs) for n, vs in choices.items())  # type: ignore[attr-defined]
    objective.of = lambda params: math.prod(factor[n, repr(v)] for n, v in params.items())  # type: ignore[attr-defined]
    return objective


@pytest.mark.parametrize("told", ["space", "nothing"])
@pytest.mark.parametrize("seed", range(6))
def test_a_plain_study_ends_by_itself_near_the_best(seed: int, told: str) -> None:
    choices: dict[str, list[Any]] = {"attention": list(SECONDS), "layout": [False, True], "tiles": [None, 1, "1"]}
    objective = timed(seed, choices)
    sampler = LaunchAwareSampler(choices if told == "space" else None, live=["attention"])
    study = optuna.create_study(sampler=sampler)
    study.optimize(objective, n_trials=150)
    assert len(study.trials) < 150, "it never came to an end"
    best = sampler.best_params(study)
    assert objective.of(best) <= 1.05 * objective.best  # type: ignore[attr-defined]
    purposes = [one.user_attrs.get("purpose") for one in study.trials]
    assert purposes.count("confirm") >= 4, "two pairs of fresh starts at least"
    first = study.trials[0].params
    assert first == {name: values[0] for name, values in choices.items()}


def test_starts_are_counted() -> None:
    """What needs a start is tried less often where a start is dear, though it promises the same."""
    def share(startup: float) -> float:
        rng = random.Random(3)

        def objective(trial: optuna.Trial) -> float:
            live = trial.suggest_categorical("a", list("pqrstu"))
            cold = trial.suggest_categorical("b", list("pqrstu"))
            trial.set_user_attr("startup", startup)
            trial.set_user_attr("cost", 5.0)
            return 5.0 * (0.9 if live == "r" else 1.0) * (0.95 if cold == "s" else 1.0) * rng.gauss(1.0, 0.01)

        study = optuna.create_study(sampler=LaunchAwareSampler({"a": "pqrstu", "b": "pqrstu"}, live=["a"], budget=3600))
        study.optimize(objective, n_trials=80)
        searched = [t for t in study.trials if t.user_attrs.get("purpose") in ("screen", "race")]
        changed: int = sum(one.params["b"] != before.params["b"] for before, one in pairwise(searched))
        return changed / len(searched)

    assert share(120.0) < share(0.0)


@settings(deadline=None, max_examples=15)
@given(st.data())
def test_whatever_the_trials_hold_it_answers_and_answers_the_same(data: st.DataObject) -> None:
    """Failed, pruned, running, foreign and odd trials; attributes of any kind."""
    choices: dict[str, list[Any]] = {"a": ["x", "y", "z"], "b": [0, 1, True]}
    distributions: dict[str, BaseDistribution] = {
        name: optuna.distributions.CategoricalDistribution(values) for name, values in choices.items()}
    study = optuna.create_study()
    odd = st.one_of(st.none(), st.integers(-3, 5), st.text(max_size=3), st.booleans(), st.floats(0, 9), st.just([1]))
    for _ in range(data.draw(st.integers(0, 12))):
        state = data.draw(st.sampled_from([one for one in TrialState if one != TrialState.WAITING]))
        params = {name: data.draw(st.sampled_from(values)) for name, values in choices.items()}
        attrs = data.draw(st.dictionaries(st.sampled_from(
            ["startup", "cost", "launch", "failure", "purpose", "block", "fresh", "memory_peak"]), odd, max_size=4))
        study.add_trial(optuna.trial.create_trial(
            state=state, params=params, distributions=distributions, user_attrs=attrs,
            value=data.draw(st.floats(0.1, 50.0)) if state == TrialState.COMPLETE else None))
    answers = []
    for _ in range(2):
        sampler = LaunchAwareSampler(choices, live=["a"])
        history = sampler.history(study)
        answers.append((history, sampler.next_proposal(history)))
    assert answers[0] == answers[1]


def test_a_study_of_autotunes_own_trials_is_the_history_it_was() -> None:
    """Every proposal of a tune follows from its trials alone."""
    surface = small()
    session, _ = play(surface)
    sampler = LaunchAwareSampler(surface.space, profile=surface.profile, budget=3600.0)
    study = optuna.create_study(sampler=sampler)
    groups: dict[tuple[int, str, str], list[Any]] = {}
    for one in session.samples:
        groups.setdefault((one.launch, one.candidate, one.purpose), []).append(one)
    begun: set[int] = set()
    for (launch, name, purpose), group in groups.items():
        starts = [] if launch in begun else [codec.dump(session.launches[launch])]
        begun.add(launch)
        times = [one.seconds for one in group if one.state == "ok"]
        study.add_trial(optuna.trial.create_trial(
            params=dict(surface.space[name].levels), value=times[-1], distributions={
                d.name: optuna.distributions.CategoricalDistribution(d.levels) for d in surface.space.dimensions},
            user_attrs={trial_history.SET: name, trial_history.PURPOSE: purpose, trial_history.LAUNCHES: starts,
                        trial_history.SAMPLES: [codec.dump(one) for one in group]}))
    found = sampler.history(study)
    assert found.launches == tuple(session.launches)
    order = [one for group in groups.values() for one in group]
    assert [(s.candidate, s.seconds, s.launch, s.state) for s in found.samples] == [
        (s.candidate, s.seconds, s.launch, s.state) for s in order]
    if order == session.samples:
        whole = History(found.samples, found.launches, session.now, session.budget, found.live_launch)
        assert sampler.next_proposal(whole) == Screen(surface.space, surface.profile, "speed").next(session.history())


def test_two_that_run_at_once_do_not_try_the_same() -> None:
    choices: dict[str, list[Any]] = {"attention": list(SECONDS), "layout": [False, True]}
    study = optuna.create_study(sampler=LaunchAwareSampler(choices, live=["attention", "layout"]))
    distributions: dict[str, BaseDistribution] = {
        name: optuna.distributions.CategoricalDistribution(values) for name, values in choices.items()}
    study.tell(study.ask(distributions), 7.2)
    asked = [study.ask(distributions) for _ in range(4)]
    assert len({tuple(one.params.items()) for one in asked}) == 4


@pytest.mark.parametrize(("what", "words"), [
    ({"directions": ["maximize"]}, "minimises"), ({"value": -1.0}, "no time"), ({"value": 0.0}, "no time")])
def test_what_are_no_times_is_refused_in_words(what: dict[str, Any], words: str) -> None:
    study = optuna.create_study(directions=what.get("directions"), sampler=LaunchAwareSampler({"a": ["x", "y"]}))

    def objective(trial: optuna.Trial) -> float:
        trial.suggest_categorical("a", ["x", "y"])
        return float(what.get("value", 1.0))

    with pytest.raises(ValueError, match=words):
        study.optimize(objective, n_trials=1)


def test_impossible_spaces_are_refused_in_words() -> None:
    with pytest.raises(ValueError, match="baseline"):
        LaunchAwareSampler({"a": ["x", "y"]}, baseline={"a": "z"})
    with pytest.raises(ValueError, match="sets of choices"):
        LaunchAwareSampler({str(n): ["x", "y"] for n in range(20)})


def test_the_package_follows_optunahubs_conventions() -> None:
    folder = PACKAGE / "samplers" / "launch_aware"
    assert {"__init__.py", "README.md", "LICENSE", "example.py"} <= {path.name for path in folder.iterdir()}
    text = (folder / "README.md").read_text(encoding="utf-8")
    front = dict(re.findall(r"^(\w+): (.+)$", text.split("---\n")[1], re.M))
    assert front.keys() == {"author", "title", "description", "tags", "optuna_versions", "license"}
    assert "sampler" in front["tags"] and front["license"] == "MIT License"
    for heading in ("## Abstract", "## Class or Function Names", "## Example"):
        assert heading in text


@pytest.mark.slow
def test_the_package_is_loaded_by_optunahub_and_its_example_runs() -> None:
    optunahub = pytest.importorskip("optunahub")
    module = optunahub.load_local_module("samplers/launch_aware", registry_root=str(PACKAGE))
    assert module.__all__ == ["LaunchAwareSampler"] and module.LaunchAwareSampler is LaunchAwareSampler
    done = subprocess.run([sys.executable, str(PACKAGE / "samplers" / "launch_aware" / "example.py")],
                          capture_output=True, text=True, check=True, timeout=120)
    assert "{'kernel': 'sdp', 'channels_last': True}" in done.stdout
