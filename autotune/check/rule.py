"""The rule of a check: what to measure next, and what was found. Pure: a history in, a proposal or an answer out.

First the cheap question, if the tune that led to the set left times to compare with: does a clip take as long
as it did (decide/drift.py, one start)? Only if that does not settle it, fresh pairs: the set in use against
the one before it, each from cold starts in turn, by the same test that decides a tune. A set is taken back on
nothing less than that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from autotune.decide import drift, objectives
from autotune.decide.compare import confirmation_result, describe_pairs
from autotune.decide.drift import RecordedSpeedup
from autotune.decide.rounds import is_usable, rounds
from autotune.decide.surface import Surface
from autotune.model.flagset import Space
from autotune.model.study import History, Interval, Proposal
from autotune.model.workload import Profile
from autotune.search.confirm import next_comparison
from autotune.search.view import View

MAX_STARTS = 9
"""Starts of one check: one for the cheap question and four fresh pairs. A tune may use more; what four pairs
leave open is for a tune to settle."""
TRIES = 2
"""So often must a set fail, and not less often than it gives a good clip, until it counts as one that does not
render here: memory that spills fails only once there are clips to compare with."""

Answer = Literal["holds", "changed", "loss", "unknown"]


@dataclass(frozen=True, slots=True)
class Question:
    """``space``: its baseline is the set in use; ``other``: the set it is compared with.

    ``takes_back``: ``other`` is what a rollback would restore, so fresh pairs may find a loss; without it only
    the cheap question is asked. ``recorded``: what the tune left, None when it left nothing to compare with.
    """

    space: Space
    other: str
    profile: Profile
    objective: str
    takes_back: bool
    recorded: RecordedSpeedup | None


@dataclass(frozen=True, slots=True)
class Finding:
    """``gain``: time of the other set over time of the set in use (above 1: the set in use is faster), None where
    that was not needed or could not be measured. ``paired``: it comes from fresh pairs."""

    answer: Answer
    gain: Interval | None
    reason: str
    paired: bool = False


def next_step(history: History, question: Question) -> Proposal | None:
    """What to measure next; None when the check is over."""
    if history.spent >= history.budget:
        return None
    failed = _does_not_render(history, question)
    if failed is not None:
        return _after_failure(history, question, failed)
    if question.recorded is not None and not _failures(history):
        proposal = drift.next_proposal(history, question.profile, question.recorded)
        if proposal is not None:
            return proposal
    if not question.takes_back or _settled_cheaply(history, question):
        return None
    view = View(
        history, question.space, question.profile, question.objective, Surface(question.space),
        launch_cap=MAX_STARTS,
    )
    return next_comparison(view, question.other)


def finding(history: History, question: Question) -> Finding:
    """What the measurements say; "unknown" when they end too early to say it."""
    if _does_not_render(history, question) is not None:
        return _of_failures(history, question)
    cheap = _cheap(history, question)
    if cheap is not None and (not question.takes_back or _settled_cheaply(history, question)):
        return Finding(cheap.answer, cheap.gain, cheap.reason)
    found = _paired(history, question)
    if found is not None:
        return found
    told = cheap.reason if cheap is not None else "it ended before two fresh starts of each side could be compared"
    return Finding("changed" if cheap is not None and cheap.answer == "changed" else "unknown", None, told)


def _cheap(history: History, question: Question) -> drift.Drift | None:
    """The cheap question's answer; None where it could not be asked or had none."""
    if question.recorded is None or _failures(history):
        return None
    found = drift.drift_of(history, question.profile, question.recorded)
    return None if found.answer == "unknown" else found


def _settled_cheaply(history: History, question: Question) -> bool:
    """Whether the set in use is surely no loss by the cheap question alone."""
    found = _cheap(history, question)
    return found is not None and (found.answer == "holds" or (found.gain is not None and found.gain.low > 1.0))


def _paired(history: History, question: Question) -> Finding | None:
    """The answer of the fresh pairs; None before there are enough of them."""
    scored = objectives.score_rounds(rounds(history, question.profile), question.objective)
    result = confirmation_result(history, question.space, scored, question.other, question.profile.decide)
    if result is None:
        return None
    # The test asks whether the other set is better; a gain of the set in use is its inverse.
    seen = result.interval
    gain = Interval(1.0 / seen.estimate, 1.0 / seen.high, 1.0 / seen.low, seen.confidence)
    what = "as fast as" if question.objective == "speed" else "as good, by the objective, as"
    told = (
        f"in {describe_pairs(result.pairs)} the set in use was {gain.estimate:.3f} times {what} "
        f"the one before it ({100 * gain.confidence:.3g} % interval {gain.low:.3f} to {gain.high:.3f})"
    )
    if result.answer == "better":
        return Finding("loss", gain, told, paired=True)
    cheap = _cheap(history, question)
    changed = gain.low <= 1.0 or (cheap is not None and cheap.answer == "changed")
    return Finding("changed" if changed else "holds", gain, told, paired=True)


# A set that fails

def _failures(history: History) -> Mapping[str, int]:
    """Failed clips and starts of each set that are the set's own fault."""
    found: dict[str, int] = {}
    for sample in history.samples:
        if sample.state == "failed" and sample.failure != "interrupted":
            times = TRIES if sample.failure == "machine_down" else 1
            found[sample.candidate] = found.get(sample.candidate, 0) + times
    for launch in history.launches:
        if launch.failure not in (None, "interrupted", "port"):
            found[launch.candidate] = found.get(launch.candidate, 0) + 1
    return found


def _renders(history: History, name: str) -> bool:
    """Whether it gave clips, and did not fail as often."""
    good, bad = _good(history, name), _failures(history).get(name, 0)
    return good > 0 and (bad < TRIES or bad < good)


def _good(history: History, name: str) -> int:
    return sum(sample.candidate == name and is_usable(sample) for sample in history.samples)


def _does_not_render(history: History, question: Question) -> str | None:
    """The set that fails in this check: the one in use before the other."""
    failed = _failures(history)
    for name in (question.space.baseline, question.other):
        if failed.get(name) and not _renders(history, name):
            return name
    return None


def _after_failure(history: History, question: Question, name: str) -> Proposal | None:
    """Once more from a fresh start; then, if the set in use is the one that fails, whether the other renders."""
    current = question.space.baseline
    if _failures(history).get(name, 0) < TRIES:
        return Proposal(name, "drift", 1, fresh=True, why="it failed: once more, from a fresh start")
    if name != current or not question.takes_back or _renders(history, question.other):
        return None
    if _failures(history).get(question.other, 0) >= TRIES:
        return None
    return Proposal(question.other, "drift", 1, fresh=True, why="the set in use fails: does the one before it render?")


def _of_failures(history: History, question: Question) -> Finding:
    down = {sample.candidate for sample in history.samples if sample.failure == "machine_down"}
    for name, who in ((question.space.baseline, "the set in use"), (question.other, "the set before it")):
        if name in down:
            return Finding("unknown", None, f"the machine went down while {who} ran: it is not measured again unasked "
                                            "(`autotune tune --fresh` does)")
    current, failed = question.space.baseline, _failures(history)
    if failed.get(current, 0) >= TRIES and not _renders(history, current):
        if _renders(history, question.other):
            return Finding("loss", None, f"the set in use failed {failed[current]} times; the one before it renders")
        return Finding("unknown", None, f"the set in use failed {failed[current]} times, and nothing else rendered")
    if failed.get(question.other, 0) >= TRIES and _renders(history, current):
        return Finding("holds", None, "the set in use renders; the one before it does not any more")
    return Finding("unknown", None, "a set failed, and the check ended before it could be tried again")
