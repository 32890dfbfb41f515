"""The default strategy: screen live, learn launch-only factors a launch each, race, prune, confirm."""

from __future__ import annotations

from autotune.decide.compare import MIN_BLOCKS
from autotune.decide.surface import FAMILY, Surface
from autotune.model.flagset import Candidate, Space
from autotune.model.study import History, Proposal
from autotune.model.workload import Profile
from autotune.search.confirm import FEWEST, TIGHT, block_cost, chosen, confirm_next, confirming, over, rounds_per_launch
from autotune.search.strategy import Prior
from autotune.search.value import loss, race, worths
from autotune.search.view import View

WORTH_A_ROUND, WORTH_LAUNCH = 0.0002, 0.0001
"""Smallest expected drop of the best time that a baseline clip's time is spent on, live and with a start: one factor
settled by a start helps every set that has it."""
RESOLVED, RESOLVED_NEAR = 0.0035, 0.0015
"""The search is over when the best set is expected to lose less than this against the truly best one (0.35 %; 0.15 %
while it is NEAR the current one: there a little more gain decides whether it can be proven at all)."""
NEAR = 0.08
"""Log seconds by which the best set is expected to beat the current one, below which it is near."""
SEARCH_LAUNCHES = 10
"""Starts the search may use; the rest confirm. It seldom needs more than 6."""
CHEAP_CLIP, CHEAP_START = 0.005, 0.03
"""Shares of the budget, or of ten minutes if that is less, below which a look at one more set is next to nothing:
live, and with a start."""
SHORT = 600.0


class Screen:
    """The strategy ``screen``.

    1. In one process of the current flags: the current set, then every attention class with fused kernels once
       (after an earlier study: every live level, whatever it said).
    2. What is worth most per second: a live switch costs a clip, a launch-only flag costs a start that several
       sets share; a set that is surely worse is worth nothing and gets no more clips. Until little is lost by
       taking the best set now.
    3. The best set less the flags that do not help goes to confirmation, if it is plausibly good enough.

    ``resolved``: expected losses at which the search is over, see RESOLVED and RESOLVED_NEAR.
    """

    def __init__(self, space: Space, profile: Profile, objective: str, prior: Prior | None = None,
                 resolved: tuple[float, float] = (RESOLVED, RESOLVED_NEAR)) -> None:
        self.resolved, self.resolved_near = resolved
        self.space = space
        self.profile = profile
        self.objective = objective
        effects = {(d, level): value for d, level, value in (prior.effects if prior else ())}
        self.surface = Surface(space, effects, prior.doubt if prior else 1.0)
        self.neutral = Surface(space)
        warm = prior is not None and prior.doubt < 1.0
        self.opening = self._opening(warm)
        self.opened = ("what an earlier study said, looked at again" if warm else
                       "attention with fused kernels: which of them is fast differs from card to card")

    def next(self, history: History) -> Proposal | None:
        """See Strategy."""
        view = View(history, self.space, self.profile, self.objective, self.surface)
        if over(view):
            return None
        if not confirming(view):
            proposal = self._search(view)
            if proposal is not None:
                return proposal
            proposal = self._unseen(view, self._favourite(view))
            if proposal is not None:
                return proposal
        winner = chosen(view, self.neutral)
        if winner is None:
            return None
        return self._rounded_out(view) or self._unseen(view, winner) or confirm_next(view, winner)

    def _rounded_out(self, view: View) -> Proposal | None:
        """Sets that are nearly free to look at, until there are twice as many of them as launches.

        A process that is up shows every live level for a clip each; where clips and starts are small against
        the budget, how attention goes with each launch flag is then seen and not only expected.
        """
        launches = len(view.history.launches) + 2 * MIN_BLOCKS
        if confirming(view) or len(view.tried) >= 2 * launches:
            return None
        reserve = MIN_BLOCKS * block_cost(view, self.space.baseline, rounds_per_launch(view, self.space.baseline))
        mean = {c.id: float(view.posterior.mean[view.posterior.index[c.id]]) for c in self.space.candidates}
        fresh = [c for c in self.space.candidates if c.id not in view.tried and c.id not in view.barred]
        for candidate in sorted(fresh, key=lambda c: (c.launch_key != view.live_key, mean[c.id], c.id)):
            starts = candidate.launch_key != view.live_key
            budget = min(view.history.budget, SHORT)
            # A process is begun only where the looks that follow in it are nearly free too: else each one would
            # begin another.
            live = view.look_cost(candidate.id) + view.switch <= CHEAP_CLIP * budget
            cheap = live and (not starts or view.cost(candidate.id, 1) <= CHEAP_START * budget)
            # What the starts of the search alone owe: a clip each in the process that is up.
            cheap = cheap or (not starts and len(view.tried) < 2 * len(view.history.launches))
            if cheap and self._affordable(view, candidate.id, 1, reserve):
                return Proposal(candidate.id, "screen", 1, why="costs next to nothing, and completes the picture")
        return None

    def _unseen(self, view: View, winner: str) -> Proposal | None:
        """A look at the finalist when one of its flags is in it by expectation alone: no set with that level was
        ever measured. What is measured then decides whether it stays."""
        if confirming(view):
            return None
        seen = {level for name in view.tried for level in self.space[name].levels}
        new = [level for level in self.space[winner].levels if level not in seen]
        reserve = MIN_BLOCKS * block_cost(view, winner, rounds_per_launch(view, winner))
        if not new or not self._affordable(view, winner, 2, reserve):
            return None
        return Proposal(winner, "screen", 2, why="the best expected combination, seen before it is confirmed")

    def _favourite(self, view: View) -> str:
        """The set that expectations and samples together hold for the best."""
        now = race(view)
        return now.names[now.best]

    def _opening(self, warm: bool) -> tuple[str, ...]:
        """What is looked at whatever is expected, one step from the current set: every attention class with fused
        kernels, for one of them is nearly always the best and on some cards another of them is many times slower,
        so that none tells enough of the others (sdp takes 5 times as long as xformers on a GTX 1070, xformers 2.6
        times as long as sdp on a V100S). A ``warm`` start looks at every level that switches live: it is cheap, and
        it is where a changed driver or torch moves the best set."""
        base = self.space[self.space.baseline]
        live = {d.name for d in self.space.dimensions if d.live}
        found = []
        for candidate in self.space.candidates:
            apart = [pair for pair, mine in zip(candidate.levels, base.levels, strict=True) if pair != mine]
            if len(apart) != 1 or apart[0][0] not in live or candidate.launch_key != base.launch_key:
                continue
            if warm or apart[0][1] in FAMILY:
                found.append(candidate)
        mean = {c.id: float(self.surface.mean[self.surface.index[c.id]]) for c in found}
        return tuple(c.id for c in sorted(found, key=lambda c: (mean[c.id], c.simplicity, c.id)))

    def _search(self, view: View) -> Proposal | None:
        """The next screening proposal, None when nothing is worth its time or the rest is for confirmation."""
        base = self.space.baseline
        if not view.tried.get(base):
            if view.launches_left < 1:
                return None
            return Proposal(base, "screen", 1, why="the current flags, as the yardstick")
        reserve = MIN_BLOCKS * block_cost(view, base, rounds_per_launch(view))
        # Where the budget is tight, a look at what is compared is worth more than a second clip in the comparison.
        least = TIGHT * MIN_BLOCKS * block_cost(view, base, FEWEST)
        for name in self.opening:
            if not view.tried.get(name) and name not in view.barred and self._affordable(view, name, 1, least):
                return Proposal(name, "screen", 1, why=self.opened)
        return self._worthwhile(view, reserve)

    def _worthwhile(self, view: View, reserve: float) -> Proposal | None:
        used = len(view.history.launches) - min(4, view.failures.count)
        may_start = used < SEARCH_LAUNCHES and view.launches_left > 2 * MIN_BLOCKS
        allowed = frozenset(
            c.id for c in self.space.candidates
            if c.id not in view.barred and (may_start or c.launch_key == view.live_key)
            and self._careful(view, c)
        )
        clip = view.round_cost(self.space.baseline)
        now = race(view)
        near = view.posterior.gain(self.space.baseline, now.names[now.best])[0] < NEAR
        if loss(now) < (self.resolved_near if near else self.resolved):
            return None
        for worth in worths(view, now, allowed):
            starts = self.space[worth.candidate].launch_key != view.live_key
            if worth.gain / worth.cost * clip < (WORTH_LAUNCH if starts else WORTH_A_ROUND):
                continue
            if self._affordable(view, worth.candidate, worth.rounds, reserve):
                again = view.tried.get(worth.candidate, 0) > 0
                some = f" together with {worth.size - 1} more" if worth.size > 1 else ""
                why = (f"{'close race: measured again on purpose' if again else 'may be better'}; expected{some} to "
                       f"improve the best by {100 * worth.gain:.2f} % for {worth.cost:.0f} s")
                return Proposal(worth.candidate, "race" if again else "screen", worth.rounds, why=why)
        return None

    def _careful(self, view: View, candidate: Candidate) -> bool:
        """After a failure, sets bring in one unproven level at a time: the next failure then has one cause."""
        if not view.failures.count:
            return True
        seen = {level for name in view.tried for level in self.space[name].levels}
        return sum(level not in seen for level in candidate.levels) <= 1

    def _affordable(self, view: View, candidate: str, count: int, reserve: float) -> bool:
        starts = view.live_key != self.space[candidate].launch_key
        if starts and view.launches_left < 1 + 2 * MIN_BLOCKS:
            return False
        return view.cost(candidate, count) + reserve <= view.left
