"""The default strategy: try sets in a running process, start new ones only where that is worth it, then confirm the
best."""

from __future__ import annotations

from autotune.decide.ablation import flat_surface
from autotune.decide.assumptions import RULES
from autotune.decide.memory_assumptions import surface_for
from autotune.language.translate import _
from autotune.model.flagset import Candidate, Space
from autotune.model.study import History, Proposal
from autotune.model.workload import Profile
from autotune.search.confirm import confirmation_begun, is_finished, set_to_confirm
from autotune.search.knowledge_gradient import contenders, expected_loss, weigh_batches
from autotune.search.more_steps_check import next_steps_check
from autotune.search.needed_flags import next_confirmation
from autotune.search.pairs import block_cost, proof_cost
from autotune.search.strategy import Prior
from autotune.search.thresholds import THRESHOLDS
from autotune.search.view import View


class Screen:
    """The strategy ``screen``.

    1. In one process of the current flags: the current set, then every attention class that switches live once (after
    an earlier study: every live level, whatever that study found).

    2. The clip that is worth most per second: a live switch costs a clip, a launch-only flag costs a start that several
    sets share; a set that is surely worse is worth nothing and gets no more clips. This ends when taking the best set
    now is expected to lose little.

    3. The best set without the flags that do not help goes to confirmation, if it is plausibly good enough.

    ``loss_to_stop``, ``loss_to_stop_near``: see Thresholds.
    """

    def __init__(self, space: Space, profile: Profile, objective: str, prior: Prior | None = None,
                 resolved: tuple[float, float] = (THRESHOLDS.loss_to_stop, THRESHOLDS.loss_to_stop_near)) -> None:
        self.loss_to_stop, self.loss_to_stop_near = resolved
        self.space = space
        self.profile = profile
        self.objective = objective
        # Other machines' records are of times; only a study of this machine knows its memory.
        known = prior if prior is not None and (objective == "speed" or prior.doubt < 1.0) else None
        effects = {(d, level): value for d, level, value in (known.effects if known else ())}
        self.surface = surface_for(space, objective, effects, known.doubt if known else 1.0)
        self.neutral, self.flat_surface = surface_for(space, objective), flat_surface(space)
        warm = prior is not None and prior.doubt < 1.0
        self.opening = self._opening(warm)
        self.opening_reason = (_("what an earlier study said, looked at again") if warm else
                               _("attention: which class is fast differs from card to card"))

    def next(self, history: History) -> Proposal | None:
        """See Strategy."""
        view = View(history, self.space, self.profile, self.objective, self.surface)
        if is_finished(view):
            return None
        if not confirmation_begun(view):
            proposal = self._search(view)
            if proposal is not None:
                return proposal
            proposal = self._unseen(view, self._favourite(view))
            if proposal is not None:
                return proposal
        winner = set_to_confirm(view, self.neutral)
        if winner is None:
            return None
        return (self._unseen(view, winner) or next_confirmation(view, winner, self.flat_surface)
                or next_steps_check(view, winner))

    def _unseen(self, view: View, winner: str) -> Proposal | None:
        """Clips of the finalist when one of its levels was never measured in any set, but is in it by expectation
        alone. What is measured then decides whether it stays."""
        if confirmation_begun(view):
            return None
        seen = {level for name in view.tried for level in self.space[name].levels}
        new = [level for level in self.space[winner].levels if level not in seen]
        reserve = proof_cost(view, winner)
        if not new or not self._affordable(view, winner, 2, reserve):
            return None
        return Proposal(winner, "screen", 2, why=_("the best expected combination, seen before it is confirmed"))

    def _favourite(self, view: View) -> str:
        """The set that is best by expectations and samples together."""
        now = contenders(view)
        return now.names[now.best]

    def _opening(self, warm: bool) -> tuple[str, ...]:
        """Sets that are tried whatever is expected of them, one step from the current set: every attention class that
        switches live, because on some cards one of them is many times slower than its like, so that none predicts the
        others (sdp takes 5 times as long as xformers on a GTX 1070, xformers 2.6 times as long as sdp on a V100S).

        After an earlier study of this machine (``warm``) every level that switches live: that is cheap, and it is where
        a changed driver or torch moves the best set.
        """
        base = self.space[self.space.baseline]
        live = {d.name for d in self.space.dimensions if d.live}
        found = []
        for candidate in self.space.candidates:
            differing = candidate.differing_levels(base)
            if len(differing) != 1 or differing[0][0] not in live or candidate.launch_key != base.launch_key:
                continue
            if warm or differing[0][0] == "attention":
                found.append(candidate)
        mean = {c.id: float(self.surface.mean[self.surface.index[c.id]]) for c in found}
        return tuple(c.id for c in sorted(found, key=lambda c: (mean[c.id], c.simplicity, c.id)))

    def _search(self, view: View) -> Proposal | None:
        """The next proposal of the search, None when nothing is worth its time or the rest is for confirmation."""
        base = self.space.baseline
        if not view.tried.get(base):
            if view.launches_left < 1:
                return None
            return Proposal(base, "screen", 1, why=_("the current flags, as the yardstick"))
        # Where the budget is tight, a look at what is compared is worth more than a second clip in the comparison.
        least = THRESHOLDS.first_pairs_margin * RULES.min_blocks * block_cost(view, base, THRESHOLDS.fewest_clips)
        for name in self.opening:
            if not view.tried.get(name) and name not in view.barred and self._affordable(view, name, 1, least):
                return Proposal(name, "screen", 1, why=self.opening_reason)
        return self._worthwhile(view)

    def _worthwhile(self, view: View) -> Proposal | None:
        """The clip that is worth most per second, None when none is worth its time."""
        used = len(view.history.launches) - min(4, view.failures.count)
        may_start = used < THRESHOLDS.search_launches and view.launches_left > 2 * RULES.min_blocks
        allowed = frozenset(
            c.id for c in self.space.candidates
            if c.id not in view.barred and (may_start or c.launch_key == view.live_key)
            and self._careful(view, c)
        )
        if view.history.spent > THRESHOLDS.search_share * view.history.budget:
            return None
        clip = view.round_cost(self.space.baseline)
        # After a failure only sets with little that is new may be tried. Where each flag needs a start, the best have
        # more.
        now = contenders(view, allowed if view.failures.count else frozenset())
        near = view.posterior.gain(self.space.baseline, now.names[now.best])[0] < THRESHOLDS.near_gain
        if expected_loss(now, view.profile.decide.min_gain) < (self.loss_to_stop_near if near else self.loss_to_stop):
            return None
        reserve = proof_cost(view, now.names[now.best])
        for worth in weigh_batches(view, now, allowed):
            starts = self.space[worth.candidate].launch_key != view.live_key
            rate = THRESHOLDS.least_rate_start if starts else THRESHOLDS.least_rate_live
            if worth.gain < THRESHOLDS.least_drop or worth.gain / worth.cost * clip < rate:
                continue
            if self._affordable(view, worth.candidate, worth.rounds, reserve):
                again = view.tried.get(worth.candidate, 0) > 0
                text = (_("{why}; expected to improve the best by {gain:.2f} % for {seconds:.0f} s")
                        if worth.size <= 1 else
                        _("{why}; expected together with {count} more to improve the best by {gain:.2f} % for "
                          "{seconds:.0f} s"))
                why = _("close race: measured again on purpose") if again else _("may be better")
                why = text.format(why=why, count=worth.size - 1, gain=100 * worth.gain, seconds=worth.cost)
                return Proposal(worth.candidate, "race" if again else "screen", worth.rounds, why=why)
        return None

    def _careful(self, view: View, candidate: Candidate) -> bool:
        """Whether a set adds at most one level that was never measured: after a failure the next one then has a single
        cause."""
        if not view.failures.count:
            return True
        seen = {level for name in view.tried for level in self.space[name].levels}
        return sum(level not in seen for level in candidate.levels) <= 1

    def _affordable(self, view: View, candidate: str, count: int, reserve: float) -> bool:
        """Whether ``count`` rounds of a set leave ``reserve`` seconds and the starts of a confirmation."""
        starts = view.live_key != self.space[candidate].launch_key
        if starts and view.launches_left < 1 + 2 * RULES.min_blocks:
            return False
        return view.cost(candidate, count) + reserve <= view.seconds_left
