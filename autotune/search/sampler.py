"""An Optuna sampler for categorical choices whose trials are timed, and where trying a choice may need a start.

**Model.** The logarithm of a trial's seconds is a mean, plus main effects of the choices, pairwise interactions, a rest
of each set, a shift of the process it ran in, a shift of this set in this process, and noise: a Gaussian mixed model,
whose posterior is its best linear unbiased prediction (Henderson 1975, Biometrics 31:423; decide/surface.py). **What to
try** is what improves the expected final choice most per second: the knowledge gradient for correlated beliefs
(Frazier, Powell and Dayanik 2009, INFORMS J. Computing 21:599), in batches (Frazier and Powell 2010, Decision Analysis
7:378; Wu and Frazier 2016, NIPS 29), where the seconds count the start that a choice needs and what a start is shared
by (search/knowledge_gradient.py). Trials that run elsewhere count as if they had come out as expected (Kriging
believer; Ginsbourger, Le Riche and Carraro 2010). **The end** is a comparison of the first trial's choices with the
best ones, each from fresh starts in turn, group sequential (decide/compare.py); then the study is stopped.

    sampler = LaunchAwareSampler({"attention": ["split", "sdp", "sub-quad"], "channelslast": [False, True]},
                                 live=["attention"])
    study = optuna.create_study(sampler=sampler)
    study.optimize(objective)          # returns the seconds of one run; ends by itself
    print(sampler.best_params(study))

Nothing but a trial's parameters, its value (seconds, above zero) and its duration is needed;
search/trial_history.py says which user attributes are read where they are there. The same study always
gets the same answer: nothing is drawn at random, and nothing is kept that could not be worked out again from the study.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from autotune.decide import objectives
from autotune.decide import verdict as decide
from autotune.decide.rounds import rounds
from autotune.decide.surface import Surface
from autotune.model.flagset import Candidate, Dimension, Effective, FlagSet, Space
from autotune.model.study import History, Launch, Proposal, Sample
from autotune.model.workload import DecideSpec, Profile, SearchSpec, Workload
from autotune.search import trial_history
from autotune.search.screen import Screen
from autotune.search.strategy import Prior, Strategy
from autotune.search.view import View

MOST_SETS = 4000
"""Most sets of a space that is built from choices: the model holds a covariance of all of them."""
SINGLE_CLIP_PROFILE = Profile("trials", (Workload(1, 1, 1, 1),), SearchSpec(()), DecideSpec())
"""A profile for trials of any kind: one run counts as one clip of one workload."""


class LaunchAwareSampler(BaseSampler):
    """Finds the fastest set of categorical choices, counting what a start costs; see the module's text.

    ``space``: choices by parameter, or a Space; left out, it is what the study's first finished trial suggested.
    ``live``: parameters that can be changed without a start. ``baseline``: the choices to beat, else the first of each.
    ``min_gain``: share below which a gain is not worth a change. ``budget``: seconds, as trials cost them. ``profile``
    and ``objective``: for trials that consist of whole clips, as autotune's own do. ``prior``: what is expected
    beforehand. ``strategy``: another pure strategy of autotune's instead of ``Screen``.
    """

    def __init__(self, space: Space | Mapping[str, Sequence[Any]] | None = None, *, live: Collection[str] = (),
                 baseline: Mapping[str, Any] | None = None, min_gain: float = 0.02, budget: float = math.inf,
                 profile: Profile | None = None, objective: str = "speed", prior: Prior | None = None,
                 strategy: Strategy | None = None) -> None:
        self.live, self.baseline, self.budget, self.objective = frozenset(live), dict(baseline or {}), budget, objective
        self.profile = profile or replace(SINGLE_CLIP_PROFILE, decide=DecideSpec(min_gain=min_gain))
        self.prior = prior
        self.asked: dict[int, Proposal] = {}
        """The proposal behind each trial, by trial number."""
        self._given = strategy
        self._choices: _ChoiceSpace | None = None
        self._core: Strategy | None = strategy
        self._next: Proposal | None = None
        self._random = RandomSampler(seed=0)
        if isinstance(space, Space):
            self._use(_ChoiceSpace.of(space))
        elif space is not None:
            self._use(_ChoiceSpace(space, self.live, self.baseline))

    def next_proposal(self, history: History) -> Proposal | None:
        """What the next trial is to measure, by this history; None when nothing more is. The next ``ask`` gets it."""
        assert self._core is not None, "needs a space"
        self._next = self._core.next(history)
        return self._next

    def set_next(self, proposal: Proposal) -> None:
        """Makes the next trial that is asked for this proposal's."""
        self._next = proposal

    def clear_next(self) -> None:
        """Lets the search choose the next trial again."""
        self._next = None

    def history(self, study: Study) -> History:
        """The study's trials as a history; trials that run elsewhere count as if they came out as expected."""
        assert self._choices is not None, "needs a space"
        found = trial_history.read_trials(study.get_trials(deepcopy=False), self._choices.space, self._choices.named)
        spent = sum(one.cost for one in found.samples) + sum(one.startup for one in found.launches)
        recorded = History(tuple(found.samples), tuple(found.launches), spent, self.budget, found.live)
        return with_expected_results(recorded, self._choices.space, self.profile, self.objective, self._core,
                                     [name for name, purpose in found.waiting if purpose not in ("confirm", "ablate")])

    def best_params(self, study: Study) -> dict[str, Any]:
        """The choices that the study has proven best: those of the baseline unless others surely gain enough."""
        assert self._choices is not None, "no trial has finished yet"
        space = self._choices.space
        found = decide(self.history(study), space, self.profile, self.objective)
        winner = found.winner.candidate if found.decision == "apply" and found.winner else space.baseline
        return self._choices.params(winner)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """See BaseSampler."""
        del trial
        if study.directions != [StudyDirection.MINIMIZE]:
            raise ValueError("LaunchAwareSampler minimises one value, the seconds of a trial")
        if self._choices is None:
            self._infer(study)
        return dict(self._choices.distributions) if self._choices is not None else {}

    def sample_relative(self, study: Study, trial: FrozenTrial,
                        search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        """See BaseSampler. Stops the study when nothing is worth another trial."""
        if not search_space or self._choices is None:
            return {}
        proposal, self._next = self._next or self.next_proposal(self.history(study)), None
        if proposal is None:
            with contextlib.suppress(RuntimeError):  # who asks by hand ends by hand
                study.stop()
            return self.best_params(study)
        self.asked[trial.number] = proposal
        self._note(study, trial, proposal)
        return self._choices.params(proposal.candidate)

    def sample_independent(self, study: Study, trial: FrozenTrial, param_name: str,
                           param_distribution: BaseDistribution) -> Any:  # noqa: ANN401 - as BaseSampler has it
        """The baseline's choice in the first trial; a random one for parameters that the model does not cover (numbers,
        later ones)."""
        if isinstance(param_distribution, CategoricalDistribution):
            return self.baseline.get(param_name, param_distribution.choices[0])
        return self._random.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState,
                    values: Sequence[float] | None) -> None:
        """Refuses values that are no times. See BaseSampler."""
        del study
        if state == TrialState.COMPLETE and values and not values[0] > 0.0:
            raise ValueError(f"trial {trial.number}: {values[0]} is no time: LaunchAwareSampler needs seconds above 0")

    def _note(self, study: Study, trial: FrozenTrial, proposal: Proposal) -> None:
        """Writes into the trial what it is for, so that readers of the study know which processes were fresh."""
        said: dict[str, Any] = {trial_history.PURPOSE: proposal.purpose, trial_history.WHY: proposal.why}
        if proposal.fresh:
            said[trial_history.FRESH] = True
        if proposal.block is not None:
            said[trial_history.BLOCK] = proposal.block
        for key, value in said.items():
            study._storage.set_trial_user_attr(trial._trial_id, key, value)

    def _infer(self, study: Study) -> None:
        """Takes the space from what finished trials have suggested."""
        done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        found = optuna.search_space.IntersectionSearchSpace().calculate(study)
        choices = {name: one.choices for name, one in found.items()
                   if isinstance(one, CategoricalDistribution) and not one.single()}
        if done and choices:
            first = min(done, key=lambda one: one.number)
            self._use(_ChoiceSpace(choices, self.live, {**first.params, **self.baseline}))

    def _use(self, choices: _ChoiceSpace) -> None:
        self._choices = choices
        self._core = self._given or Screen(choices.space, self.profile, self.objective, self.prior)


class _ChoiceSpace:
    """A space together with the parameter values behind its levels."""

    def __init__(self, choices: Mapping[str, Sequence[Any]], live: Collection[str],
                 baseline: Mapping[str, Any]) -> None:
        self.levels = {name: dict(zip(_texts(values), values, strict=True)) for name, values in choices.items()}
        self.texts = {name: {_typed(value): text for text, value in rows.items()} for name, rows in self.levels.items()}
        self.distributions = {name: CategoricalDistribution(tuple(rows.values()))
                              for name, rows in self.levels.items()}
        if math.prod(map(len, self.levels.values())) > MOST_SETS:
            raise ValueError(f"more than {MOST_SETS} sets of choices")
        wanted = {name: self.texts[name].get(_typed(baseline[name])) if name in baseline else next(iter(rows))
                  for name, rows in self.levels.items()}
        if None in wanted.values():
            raise ValueError(f"the baseline {dict(baseline)} is not one of the choices")
        dimensions = tuple(Dimension(name, tuple(rows), name in live) for name, rows in self.levels.items())
        self.space = _full_product(dimensions, {name: str(text) for name, text in wanted.items()})
        self._by_levels = {one.levels: one.id for one in self.space.candidates}

    @classmethod
    def of(cls, space: Space) -> _ChoiceSpace:
        """The choices of a space: its levels as they are written."""
        one = cls.__new__(cls)
        one.space = space
        used = {d.name: dict.fromkeys(dict(c.levels)[d.name] for c in space.candidates) for d in space.dimensions}
        one.levels = {name: {level: level for level in levels} for name, levels in used.items()}
        one.texts = {name: {_typed(text): text for text in rows} for name, rows in one.levels.items()}
        one.distributions = {name: CategoricalDistribution(tuple(rows)) for name, rows in one.levels.items()}
        one._by_levels = {c.levels: c.id for c in space.candidates}
        return one

    def named(self, params: Mapping[str, Any]) -> str | None:
        """The set with these parameters, None if it is not in the space."""
        levels = tuple((d.name, self.texts[d.name].get(_typed(params.get(d.name)), "")) for d in self.space.dimensions)
        return self._by_levels.get(levels)

    def params(self, name: str) -> dict[str, Any]:
        """The parameters of a set."""
        return {dimension: self.levels[dimension][level] for dimension, level in self.space[name].levels}


def with_expected_results(history: History, space: Space, profile: Profile, objective: str, strategy: Strategy | None,
                          running: Sequence[str]) -> History:
    """A history in which the sets ``running`` elsewhere have already come out as expected, so that nobody measures them
    twice (Kriging believer)."""
    surface = getattr(strategy, "surface", None)
    if not running or not history.samples or not isinstance(surface, Surface):
        return history
    view = View(history, space, profile, objective, surface)
    if not any(one.candidate == space.baseline for one in view.rounds):
        return history
    samples, launches = list(history.samples), list(history.launches)
    known = objectives.score_rounds(rounds(history, profile), objective)
    peaks = [one.memory for one in known if one.memory is not None]
    for name in running:
        seconds = math.exp(float(view.seconds.mean[view.seconds.index[name]]))
        launches.append(Launch(len(launches), name, space[name].launch_key, False, view.startup))
        for workload in range(len(profile.workloads)):
            samples.append(Sample(len(samples), name, "screen", launches[-1].number, False, workload, 0, "ok", seconds,
                                  view.round_cost(name), memory_peak=max(peaks, default=None)))
    return replace(history, samples=tuple(samples), launches=tuple(launches))


def _typed(value: object) -> tuple[str, object]:
    """A key that distinguishes True from 1 and None from 'None'."""
    return type(value).__name__, value


def _texts(values: Sequence[Any]) -> list[str]:
    """One text for each value, no two alike."""
    found = [value if isinstance(value, str) else str(value).lower() for value in values]
    return [text if found.count(text) == 1 else f"{text}#{place}" for place, text in enumerate(found)]


def _full_product(dimensions: tuple[Dimension, ...], baseline: Mapping[str, str]) -> Space:
    """The space of all combinations of the dimensions' levels; nothing is known of a set but its levels."""
    candidates = []
    for levels in itertools.product(*(d.levels for d in dimensions)):
        pairs = tuple((d.name, level) for d, level in zip(dimensions, levels, strict=True))
        level_of = dict(pairs)
        name = " ".join(f"{key}={level}" for key, level in pairs)
        start = " ".join(f"{d.name}={level_of[d.name]}" for d in dimensions if not d.live)
        differences = sum(level_of[key] != level for key, level in baseline.items())
        effective = Effective(level_of.get("attention", ""), False, "", "", "", False,
                              level_of.get("memory", "none"), True)
        candidates.append(Candidate(name, FlagSet(()), effective, start, pairs, (differences, differences)))
    home = next(one.id for one in candidates if dict(one.levels) == baseline)
    return Space(dimensions, tuple(candidates), home)
