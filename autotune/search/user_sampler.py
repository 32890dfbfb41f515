"""Any Optuna sampler of the user's in place of the default search; the confirmation at the end is the same."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, GPSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from autotune.disk.own_install import how_to_add
from autotune.language.translate import _
from autotune.model.errors import UsageProblem
from autotune.model.flagset import Space
from autotune.model.study import Proposal
from autotune.model.workload import Profile
from autotune.search.simple_strategies import SEARCH_TRIALS, ConfirmingStrategy, random_order
from autotune.search.view import View

STARTUP_TRIALS = 8
"""Random trials with which TPE and GP begin."""
MOST_REPEATS = 3
"""So often in a row is a sampler answered from known results when it asks for a set again; then another set is
measured."""


class AskableStudy(Protocol):
    """A study of Optuna's that is asked for trials."""

    def ask(self) -> tuple[Any, str | None]:
        """A new trial, and the set that its parameters are; None: no set of the space."""
        ...

    @property
    def ended(self) -> bool:
        """Whether the sampler wants no more trials."""
        ...

    def tell_unmeasured(self, trial: Any, candidate: str | None) -> None:  # noqa: ANN401 - a trial of Optuna's
        """Ends a trial without measuring: with the known result of its set, or as failed."""
        ...


class SamplerStrategy(ConfirmingStrategy):
    """A strategy that takes its sets from a sampler; ``trial``: the trial of the last set that it picked, None if the
    sampler did not ask for it."""

    def __init__(self, space: Space, profile: Profile, objective: str, seed: int, asked: AskableStudy) -> None:
        super().__init__(space, profile, objective)
        self.study = asked
        self.fallback = random_order(space, seed)
        self.trial: Any = None

    def pick(self, view: View) -> str | None:
        """The set that the sampler asks for; if it keeps asking for known ones, the next one in a random order."""
        self.trial = None
        if len(view.tried) > SEARCH_TRIALS or self.study.ended:
            return None
        fresh = [name for name in self.fallback if not view.tried.get(name) and name not in view.barred]
        if not fresh:
            return None
        for __ in range(MOST_REPEATS):
            trial, name = self.study.ask()
            if name in fresh:
                self.trial = trial
                return name
            self.study.tell_unmeasured(trial, name)
        return fresh[0]


class SteeredSampler(BaseSampler):
    """A sampler whose next trial can be set from outside; otherwise ``inner`` decides."""

    def __init__(self, inner: BaseSampler, space: Space) -> None:
        self.inner = inner
        self._space = space
        self._due: dict[str, Any] | None = None
        self.ended = False
        """Whether the sampler wants no more trials: it tried to stop the study."""

    def set_next(self, proposal: Proposal) -> None:
        """Makes the next trial one of this proposal's set."""
        self._due = dict(self._space[proposal.candidate].levels)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """See BaseSampler."""
        return {} if self._due else self.inner.infer_relative_search_space(study, trial)

    def sample_relative(self, study: Study, trial: FrozenTrial,
                        search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        """See BaseSampler."""
        return {} if self._due else self.inner.sample_relative(study, trial, search_space)

    def sample_independent(self, study: Study, trial: FrozenTrial, param_name: str,
                           param_distribution: BaseDistribution) -> Any:  # noqa: ANN401 - as BaseSampler has it
        """See BaseSampler."""
        if self._due and param_name in self._due:
            return self._due[param_name]
        return self.inner.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """See BaseSampler."""
        with self._stopped():
            self.inner.before_trial(study, trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState,
                    values: Sequence[float] | None) -> None:
        """See BaseSampler."""
        with self._stopped():
            self.inner.after_trial(study, trial, state, values)

    def clear_next(self) -> None:
        """Lets the inner sampler choose again."""
        self._due = None

    @contextmanager
    def _stopped(self) -> Iterator[None]:
        """Catches the attempt to stop the study that samplers of finite spaces make, which Optuna refuses where trials
        are asked for by hand."""
        try:
            yield
        except RuntimeError as error:
            if "stop" not in str(error):
                raise
            self.ended = True


@contextmanager
def usage_problems(name: str, what: str, hint: str, let: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Turns whatever the user's code raises into a UsageProblem of one line; errors of the kinds ``let`` pass."""
    try:
        yield
    except let:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - anybody's module may raise anything
        words = f"{type(error).__name__}: {error}".splitlines()[0]
        message = _("--sampler {name}: {what}: {error}").format(name=name, what=what, error=words)
        raise UsageProblem(message, hint) from None


def sampler_by_name(name: str, seed: int) -> BaseSampler:
    """The sampler of a name: tpe, gp, or MODULE:CLASS from the user's own Python path. Raises UsageProblem."""
    if name == "tpe":
        return TPESampler(seed=seed, n_startup_trials=STARTUP_TRIALS)
    if name == "gp":
        if importlib.util.find_spec("torch") is None:
            hint = _("Add it by: {command}; or use --sampler tpe").format(command=how_to_add(["torch"]))
            raise UsageProblem(_("sampler gp needs torch"), hint)
        return GPSampler(seed=seed, n_startup_trials=STARTUP_TRIALS, deterministic_objective=False)
    module, colon, path = name.partition(":")
    if not (colon and module and path):
        raise UsageProblem(_("--sampler {name}: no such sampler").format(name=name),
                           _("Say screen, tpe, gp, random, exhaustive or MODULE:CLASS."))
    with usage_problems(name, _("cannot be imported"),
                        _("It must be importable: install it, or name its folder in PYTHONPATH.")):
        found: Any = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    with usage_problems(name, _("cannot be made"),
                        _("Name a class, or a function without arguments, that makes the sampler.")):
        if isinstance(found, type) and issubclass(found, BaseSampler):
            seeded = {"seed": seed} if "seed" in inspect.signature(found).parameters else {}
            found = found(**seeded)
        elif callable(found) and not isinstance(found, BaseSampler):
            found = found()
    if not isinstance(found, BaseSampler):
        raise UsageProblem(_("--sampler {name}: not an optuna.samplers.BaseSampler").format(name=name),
                           _("Name a class of Optuna's, OptunaHub's or your own that is one."))
    return found
