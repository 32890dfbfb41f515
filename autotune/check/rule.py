"""The rule of `verify --measure`: what to measure next, and what was found. Pure: a history in, an answer out.

First comes the cheap question (decide/drift.py, one start): does a clip take as long as the tune recorded? Where that
leaves it open, or nothing was recorded, fresh pairs follow: the set in use against the one before it, each from cold
starts in turn, judged by the same test that decides a tune. Only such pairs can say that a set should be rolled back.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from autotune.decide import drift, objectives
from autotune.decide.compare import confirmation_result, describe_pairs
from autotune.decide.drift import RecordedSpeedup
from autotune.decide.rounds import is_usable, rounds
from autotune.decide.surface import Surface
from autotune.language.translate import _
from autotune.model.flagset import Space
from autotune.model.study import History, Interval, Proposal
from autotune.model.workload import Profile
from autotune.search.confirm import next_comparison
from autotune.search.view import View

MAX_STARTS = 9
"""Most starts of one check: one for the cheap question and four fresh pairs. What they leave open needs a tune."""
TRIES = 2
"""A set counts as one that does not render here after so many failures, if it gave no more good clips than that. A
single failure is not enough: spilled memory, for one, is only noticed when there are clips to compare with."""


@dataclass(frozen=True, slots=True)
class Question:
    """Which two sets are compared, and how. ``space``: its baseline is the set in use; ``other``: the other's name.

    ``can_roll_back``: ``other`` is what a rollback would restore, so that fresh pairs may find a loss; otherwise only
    the cheap question is asked. ``recorded``: the times that the tune recorded for both; None where it has none.
    """

    space: Space
    other: str
    profile: Profile
    objective: str
    can_roll_back: bool
    recorded: RecordedSpeedup | None


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found. ``gain``: time of the other set over that of the set in use (above 1: the set in use is
    faster), None where it was not measured. ``paired``: it comes from fresh pairs."""

    answer: Literal["holds", "changed", "loss", "unknown"]
    gain: Interval | None
    reason: str
    paired: bool = False


def next_step(history: History, question: Question) -> Proposal | None:
    """The next measurement; None when the check is over."""
    if history.spent >= history.budget:
        return None
    failed = _does_not_render(history, question)
    if failed is not None:
        return _after_failure(history, question, failed)
    if question.recorded is not None and not _failures(history):
        proposal = drift.next_proposal(history, question.profile, question.recorded)
        if proposal is not None:
            return proposal
    if not question.can_roll_back or _loss_ruled_out(history, question):
        return None
    view = View(
        history, question.space, question.profile, question.objective, Surface(question.space),
        launch_cap=MAX_STARTS,
    )
    return next_comparison(view, question.other)


def finding(history: History, question: Question) -> Finding:
    """What the measurements show; "unknown" when they ended too early."""
    if _does_not_render(history, question) is not None:
        return _finding_of_failures(history, question)
    quick = _quick_answer(history, question)
    if quick is not None and (not question.can_roll_back or _loss_ruled_out(history, question)):
        return Finding(quick.answer, quick.gain, quick.reason)
    found = _finding_of_pairs(history, question)
    if found is not None:
        return found
    text = quick.reason if quick is not None else _("it ended before two fresh starts of each side could be compared")
    return Finding("changed" if quick is not None and quick.answer == "changed" else "unknown", None, text)


def _quick_answer(history: History, question: Question) -> drift.Drift | None:
    """The answer to the cheap question; None where it was not asked, or had no answer."""
    if question.recorded is None or _failures(history):
        return None
    found = drift.drift_of(history, question.profile, question.recorded)
    return None if found.answer == "unknown" else found


def _loss_ruled_out(history: History, question: Question) -> bool:
    """Whether the cheap question alone rules out a loss."""
    found = _quick_answer(history, question)
    return found is not None and (found.answer == "holds" or (found.gain is not None and found.gain.low > 1.0))


def _finding_of_pairs(history: History, question: Question) -> Finding | None:
    """The answer from fresh pairs; None before there are enough of them."""
    scored = objectives.score_rounds(rounds(history, question.profile), question.objective)
    result = confirmation_result(history, question.space, scored, question.other, question.profile.decide)
    if result is None:
        return None
    # The test asks whether the other set is better; a gain of the set in use is its inverse.
    seen = result.interval
    gain = Interval(1.0 / seen.estimate, 1.0 / seen.high, 1.0 / seen.low, seen.confidence)
    text = (_("in {pairs} the set in use was {gain:.3f} times as fast as the one before it "
              "({confidence:.3g} % interval {low:.3f} to {high:.3f})") if question.objective == "speed" else
            _("in {pairs} the set in use was {gain:.3f} times as good, by the objective, as the one before it "
              "({confidence:.3g} % interval {low:.3f} to {high:.3f})"))
    text = text.format(pairs=describe_pairs(result.pairs), gain=gain.estimate, confidence=100 * gain.confidence,
                       low=gain.low, high=gain.high)
    if result.answer == "better":
        return Finding("loss", gain, text, paired=True)
    quick = _quick_answer(history, question)
    changed = gain.low <= 1.0 or (quick is not None and quick.answer == "changed")
    return Finding("changed" if changed else "holds", gain, text, paired=True)


# A set that fails

def _failures(history: History) -> Counter[str]:
    """How often each set failed by its own fault, in clips and starts."""
    found: Counter[str] = Counter()
    for sample in history.samples:
        if sample.state == "failed" and sample.failure != "interrupted":
            # A set that brought the machine down is not tried a second time.
            found[sample.candidate] += TRIES if sample.failure == "machine_down" else 1
    found.update(one.candidate for one in history.launches if one.failure not in (None, "interrupted", "port"))
    return found


def _renders(history: History, name: str) -> bool:
    """Whether a set gave clips, and more of them than it failed."""
    good = sum(sample.candidate == name and is_usable(sample) for sample in history.samples)
    bad = _failures(history)[name]
    return good > 0 and (bad < TRIES or bad < good)


def _does_not_render(history: History, question: Question) -> str | None:
    """The name of the set that fails in this check, the one in use first; None where neither does."""
    failed = _failures(history)
    return next((name for name in (question.space.baseline, question.other)
                 if failed[name] and not _renders(history, name)), None)


def _after_failure(history: History, question: Question, name: str) -> Proposal | None:
    """Tries set ``name`` once more from a fresh start; then, if it is the one in use, whether the other renders."""
    failed = _failures(history)
    if failed[name] < TRIES:
        return Proposal(name, "drift", 1, fresh=True, why=_("it failed: once more, from a fresh start"))
    if name != question.space.baseline or not question.can_roll_back or _renders(history, question.other):
        return None
    if failed[question.other] >= TRIES:
        return None
    return Proposal(question.other, "drift", 1, fresh=True,
                    why=_("the set in use fails: does the one before it render?"))


def _finding_of_failures(history: History, question: Question) -> Finding:
    """What the failures of a set mean; "unknown" when the machine went down or the check ended too early."""
    down = {sample.candidate for sample in history.samples if sample.failure == "machine_down"}
    for name, who in ((question.space.baseline, _("the set in use")), (question.other, _("the set before it"))):
        if name in down:
            return Finding("unknown", None,
                           _("the machine went down while {who} ran: it is not measured again unasked (`autotune tune "
                             "--fresh` does)").format(who=who))
    current, failed = question.space.baseline, _failures(history)
    if failed[current] >= TRIES and not _renders(history, current):
        if _renders(history, question.other):
            text = _("the set in use failed {count} times; the one before it renders")
            return Finding("loss", None, text.format(count=failed[current]))
        text = _("the set in use failed {count} times, and nothing else rendered")
        return Finding("unknown", None, text.format(count=failed[current]))
    if failed[question.other] >= TRIES and _renders(history, current):
        return Finding("holds", None, _("the set in use renders; the one before it does not any more"))
    return Finding("unknown", None, _("a set failed, and the check ended before it could be tried again"))
