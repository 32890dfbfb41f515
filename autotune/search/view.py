"""A history with everything that a strategy needs to know about it: estimates, failures, costs, what runs, what is
left."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import median

from autotune.decide.finalist import too_slow_sets
from autotune.decide.objectives import score_rounds
from autotune.decide.rounds import Failures, Round, clip_costs, failures, is_usable, rounds, warmup_costs
from autotune.decide.surface import Posterior, Surface
from autotune.model.flagset import Space
from autotune.model.study import History
from autotune.model.workload import Profile
from autotune.search.thresholds import THRESHOLDS


@dataclass(frozen=True)
class View:
    """A history with its estimates, failures, costs and limits, each worked out when first used. ``launch_cap``: most
    starts."""

    history: History
    space: Space
    profile: Profile
    objective: str
    surface: Surface
    launch_cap: int = THRESHOLDS.max_launches

    @cached_property
    def rounds(self) -> tuple[Round, ...]:
        """Complete rounds scored by seconds."""
        return rounds(self.history, self.profile)

    @cached_property
    def scored(self) -> tuple[Round, ...]:
        """Complete rounds scored by the objective."""
        return score_rounds(self.rounds, self.objective)

    @cached_property
    def failures(self) -> Failures:
        """What failed, and which sets are dropped for it."""
        return failures(self.history, self.space)

    @cached_property
    def posterior(self) -> Posterior:
        """Estimate of the objective's score of every set, the strategy's prior included."""
        return self.surface.posterior(self.scored)

    @cached_property
    def barred(self) -> frozenset[str]:
        """Sets not to be proposed: failed ones, ones that are discarded too often, ones too slow for the objective."""
        return self.failures.dropped | too_slow_sets(self.rounds, self.space, self.objective) | self.often_discarded

    @cached_property
    def often_discarded(self) -> frozenset[str]:
        """Sets of which at least six more clips were discarded than were good: they are left alone."""
        lost: dict[str, int] = {}
        for sample in self.history.samples:
            if sample.state == "discarded":
                lost[sample.candidate] = lost.get(sample.candidate, 0) + 1
            elif is_usable(sample):
                lost[sample.candidate] = lost.get(sample.candidate, 0) - 1
        return frozenset(name for name, n in lost.items() if n > 5 and name != self.space.baseline)

    @cached_property
    def tried(self) -> Mapping[str, int]:
        """Number of rounds of each set."""
        found: dict[str, int] = {}
        for one in self.rounds:
            found[one.candidate] = found.get(one.candidate, 0) + 1
        return found

    @cached_property
    def live_key(self) -> str | None:
        """Launch key of the process that is up, None if none is."""
        for launch in self.history.launches:
            if launch.number == self.history.live_launch and launch.failure is None:
                return launch.launch_key
        return None

    @cached_property
    def launches_left(self) -> int:
        """Starts that may still be made."""
        failed = sum(1 for launch in self.history.launches if launch.failure is not None)
        return self.launch_cap + min(failed, 4) - len(self.history.launches)

    @cached_property
    def startup(self) -> float:
        """Seconds that a start takes."""
        good = [launch.startup for launch in self.history.launches if launch.failure is None]
        return median(good) if good else THRESHOLDS.assumed_startup

    @cached_property
    def baseline_round(self) -> float | None:
        """Seconds of the session that one round of the baseline takes, None before it was measured."""
        costs = clip_costs(self.history, self.space.baseline)
        numbers = range(len(self.profile.workloads))
        return sum(costs[number] for number in numbers) if all(number in costs for number in numbers) else None

    @cached_property
    def check_share(self) -> float:
        """Cost of the short clips beside the first whole one of a new set, as a share of that one: 0 once short clips
        are trusted or were found wanting, and before the current flags were rendered both ways."""
        ratios: dict[str, float] = {}
        whole: dict[str, float] = {}
        for s in self.history.samples:
            if s.state == "check" and s.purpose != "confirm" and s.candidate in whole:
                ratios[s.candidate] = s.cost / whole[s.candidate]
            elif is_usable(s) and s.workload == 0 and s.steps is None:
                whole[s.candidate] = s.cost
        trusted = any(is_usable(s) and s.steps is not None for s in self.history.samples)
        if trusted or not 0 < len(ratios) <= THRESHOLDS.short_clip_checks:
            return 0.0
        return median(ratios.values())

    @cached_property
    def _warmups(self) -> tuple[list[float], list[float]]:
        return warmup_costs(self.history)

    @cached_property
    def warmup_cost(self) -> float:
        """Seconds that warming up a new process takes."""
        seen = self._warmups[0]
        if seen:
            return median(seen)
        return THRESHOLDS.assumed_warmup_rounds * (self.baseline_round or 0.0)

    @cached_property
    def switch_cost(self) -> float:
        """Seconds that warming up a set takes that the live process has not rendered yet."""
        seen = self._warmups[1]
        return median(seen) if seen else 0.2 * (self.baseline_round or 0.0)

    @cached_property
    def sets_run(self) -> frozenset[str]:
        """Sets that the live process has rendered."""
        live = self.history.live_launch
        return frozenset(s.candidate for s in self.history.samples if s.launch == live and s.state != "failed")

    @cached_property
    def seconds(self) -> Posterior:
        """Estimate of the seconds of every set (the same as ``posterior`` when the objective is speed)."""
        return self.posterior if self.objective == "speed" else Surface(self.space).posterior(self.rounds)

    @cached_property
    def _round_costs(self) -> dict[str, float]:
        """Cache of ``round_cost``: a search asks for the same sets a hundred times."""
        return {}

    def round_cost(self, candidate: str) -> float:
        """Seconds of the session that one round of a set is expected to take."""
        found = self._round_costs.get(candidate)
        if found is None:
            known = self.baseline_round
            gain = self.seconds.gain(self.space.baseline, candidate)[0]
            found = 0.0 if known is None else known * math.exp(min(3.0, max(-3.0, -gain)))
            self._round_costs[candidate] = found
        return found

    @cached_property
    def short_share(self) -> float:
        """Share of a whole clip that a clip of the search takes: less than 1 while it has fewer steps."""
        shares = [s.cost / s.seconds for s in self.history.samples
                  if is_usable(s) and s.seconds and s.steps is not None]
        return min(1.0, median(shares)) if shares else 1.0

    def search_round_cost(self, candidate: str) -> float:
        """Seconds that one round of a set is expected to take in the search."""
        return self.short_share * self.round_cost(candidate)

    def launch_cost(self) -> float:
        """Seconds before the first timed clip of a new process."""
        return self.startup + self.warmup_cost

    def cost(self, candidate: str, count: int, fresh: bool = False) -> float:
        """Seconds that ``count`` rounds of a set are expected to take, including the start if one is needed (``fresh``:
        in any case), warming up, and a short clip to check."""
        start = fresh or self.live_key != self.space[candidate].launch_key
        begin = self.launch_cost() if start else 0.0 if candidate in self.sets_run else self.switch_cost
        mine = self.round_cost(candidate)
        if not fresh and candidate not in self.tried:
            begin += self.check_share * mine
        return count * (mine if fresh else self.search_round_cost(candidate)) + begin

    @cached_property
    def seconds_measured(self) -> float:
        """Seconds of all starts and clips of the study, whoever made them: the same for all workers."""
        return sum(one.cost for one in self.history.samples) + sum(one.startup for one in self.history.launches)

    @property
    def seconds_left(self) -> float:
        """Seconds of the budget that are left."""
        return self.history.budget - self.history.spent
