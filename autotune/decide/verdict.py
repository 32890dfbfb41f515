"""The verdict on a history: adopt the best set or keep the current flags. The same samples always give the same one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median

from autotune.decide import budget_advice, objectives
from autotune.decide.ablation import FlagEffect, ablation_rows, measured_effects, posterior_by_clips_alone
from autotune.decide.assumptions import RULES
from autotune.decide.compare import (
    FRESH_PURPOSES,
    Comparison,
    compare,
    complete_pairs,
    confirmation_result,
    describe_pairs,
    looks_planned,
    was_started_cold,
)
from autotune.decide.finalist import finalist, too_slow_sets, without_idle_flags
from autotune.decide.memory_assumptions import surface_for
from autotune.decide.rounds import Failures, Round, before_confirmation, failures, is_usable, rounds
from autotune.decide.surface import Posterior
from autotune.language.translate import _, ngettext
from autotune.model.flagset import Space
from autotune.model.study import History, Interval, MeasuredSet, Sample, Verdict
from autotune.model.workload import DecideSpec, Profile


def challenger(history: History, space: Space, dropped: frozenset[str]) -> str | None:
    """The set that the confirmation compares with the baseline: the one confirmed last, None before any."""
    for sample in reversed(history.samples):
        if sample.purpose == "confirm" and sample.candidate not in dropped | {space.baseline}:
            return sample.candidate
    return None


def verdict(history: History, space: Space, profile: Profile, objective: str) -> Verdict:
    """The decision on what was measured so far.

    The speedup comes from confirm samples alone: cold launches of both sides that the search did not use.
    ``winner`` and ``speedup`` describe the set that was compared, also when the decision is "keep".
    Raises UsageProblem for an unknown objective.
    """
    objectives.require_objective(objective)
    all_rounds = rounds(history, profile)
    failed = failures(history, space)
    if failed.baseline is not None:
        return _keep(_unchanged(failed.baseline), True, None)
    side = _measured_set(history, space.baseline)
    if len(space.candidates) < 2:
        return _keep(_unchanged(_("there is no other set to try on this machine")), True, side)
    rival = challenger(history, space, failed.dropped)
    if rival is None:
        return _unconfirmed(history, space, profile, objective, failed, side)
    return _confirmed(history, space, profile, objective, all_rounds, rival)


def _unchanged(why: str) -> str:
    return _("Nothing is changed: {why}.").format(why=why)


def _keep(reason: str, sure: bool, baseline: MeasuredSet | None) -> Verdict:
    return Verdict("keep", reason, sure, baseline, None, None, None)


def _measured_set(history: History, candidate: str) -> MeasuredSet | None:
    """Times and memory of a set in the result: median, least and greatest seconds of the first workload's clips, of
    fresh clips if there are any."""
    clips = [s for s in history.samples if s.candidate == candidate and is_usable(s)]
    clips = [s for s in clips if s.purpose in FRESH_PURPOSES and s.cold] or clips
    times = [s.seconds for s in clips if s.workload == 0 and s.seconds is not None]
    if not times:
        return None
    peaks = [s.memory_peak for s in clips if s.memory_peak is not None]
    torch = torch_peaks(history.samples, candidate)
    return MeasuredSet(candidate, median(times), min(times), max(times), median(peaks) if peaks else None,
                       len({s.launch for s in clips}), len(times), *torch)


def torch_peaks(samples: Sequence[Sample], candidate: str) -> tuple[float | None, float | None]:
    """Torch's own memory peaks (active, reserved; MiB) of a set: medians over the processes that rendered nothing else
    before.

    Torch never resets its peaks, so a process that rendered a hungrier set before reports that set's.
    """
    first: dict[int, str] = {}
    mixed: set[int] = set()
    found: tuple[dict[int, float], dict[int, float]] = ({}, {})
    for one in samples:
        if first.setdefault(one.launch, one.candidate) != one.candidate:
            mixed.add(one.launch)
        if one.candidate != candidate or one.launch in mixed or not is_usable(one):
            continue
        for peaks, value in zip(found, (one.torch_active, one.torch_reserved), strict=True):
            if value is not None:
                peaks[one.launch] = max(value, peaks.get(one.launch, 0.0))
    active, reserved = (median(peaks.values()) if peaks else None for peaks in found)
    return active, reserved


def _unconfirmed(history: History, space: Space, profile: Profile, objective: str, failed: Failures,
                 side: MeasuredSet | None) -> Verdict:
    """The verdict where no set was confirmed."""
    searched = rounds(before_confirmation(history), profile)
    used = objectives.score_rounds(searched, objective)
    measured = {one.candidate for one in used}
    if side is None or space.baseline not in measured:
        if side is not None:
            words = _("memory could not be read")
        elif history.spent >= history.budget:
            words = _("the budget ended, and the current flags were not timed")
        else:
            words = _("the current flags were not timed")
        return _keep(_unchanged(words), False, side)
    tried = sorted(measured - {space.baseline} - failed.dropped)
    attempted = {s.candidate for s in history.samples} - {space.baseline}
    if not tried and attempted & failed.dropped:
        words = ngettext("the {count} other set tried did not render a valid clip here",
                         "none of the {count} other sets tried rendered a valid clip here", len(attempted)).format(
                             count=len(attempted))
        return _keep(_unchanged(words), True, side)
    if not tried:
        why = budget_advice.why_left_open(history, space, None, RULES.min_blocks + 1, RULES.min_blocks)
        return _keep(_unchanged(_("no other set was timed; {why}").format(why=why)), False, side)
    posterior = surface_for(space, objective).posterior(used)
    best = max(tried, key=lambda name: posterior.gain(space.baseline, name)[0])
    seen = _gain_words(posterior.gain(space.baseline, best)[0], objective)
    barred = failed.dropped | too_slow_sets(searched, space, objective)
    if finalist(space, posterior, barred, profile.decide.min_gain) is None:
        words = _("of {count} other sets measured none is likely to be {percent:.3g} % better; the best came to {gain}")
        words = words.format(count=len(tried), percent=100 * profile.decide.min_gain, gain=seen)
        return _keep(_unchanged(words), True, side)
    why = budget_advice.why_left_open(history, space, best, RULES.min_blocks, RULES.min_blocks)
    words = _("the best of {count} other sets measured came to {gain}, but fresh starts did not confirm it; {why}")
    return _keep(_unchanged(words.format(count=len(tried), gain=seen, why=why)), False, side)


def _gain_words(gain: float, objective: str) -> str:
    """A log gain in words: 12 % less time, 3 % more memory."""
    change = 100.0 * (1.0 - math.exp(-gain))
    less, more = {
        "speed": (_("{percent:.1f} % less time"), _("{percent:.1f} % more time")),
        "vram": (_("{percent:.1f} % less memory"), _("{percent:.1f} % more memory")),
        "balanced": (_("{percent:.1f} % less time and memory"), _("{percent:.1f} % more time and memory")),
    }[objective]
    return (less if change >= 0 else more).format(percent=abs(change))


def _interval_words(interval: Interval) -> str:
    text = _("{speedup:.3f} times the speed ({confidence:.3g} % interval {low:.3f} to {high:.3f})")
    return text.format(speedup=interval.estimate, confidence=100 * interval.confidence, low=interval.low,
                       high=interval.high)


def set_to_adopt(history: History, space: Space, all_rounds: tuple[Round, ...], rival: str, rule: DecideSpec,
                 dropped: frozenset[str]) -> tuple[str, Mapping[str, FlagEffect], Posterior]:
    """The set that the verdict is about, and the effects of its flags: ``rival`` without the flags that were not shown
    to help, if that set was itself compared with the baseline and is better; else the rival, or what was confirmed
    before it.

    Only sets that are better at their own level are adopted, each after a larger one was: the chance to adopt a set
    that is not better is never more than one comparison's (fixed sequence; Maurer, Hothorn and Lehmacher 1995,
    Biometrie in der chemisch-pharmazeutischen Industrie 6:3).
    """
    before = [s.candidate for s in history.samples if s.purpose == "confirm" and s.candidate != space.baseline]
    tried = [rival, *dict.fromkeys(reversed(before))]
    better = (name for name in tried if name not in dropped
              and (found := confirmation_result(history, space, all_rounds, name, rule)) and found.answer == "better")
    chosen = next(better, rival)
    posterior = posterior_by_clips_alone(space, all_rounds)
    known = measured_effects(space, space[chosen], all_rounds, rule.confidence)
    reduced = without_idle_flags(space, space[chosen], posterior, known, dropped).id
    if reduced in (chosen, space.baseline):
        return chosen, known, posterior
    found = confirmation_result(history, space, all_rounds, reduced, rule)
    if found is None or found.answer != "better" or not was_started_cold(history, reduced):
        return chosen, known, posterior
    return reduced, measured_effects(space, space[reduced], all_rounds, rule.confidence), posterior


def _confirmed(history: History, space: Space, profile: Profile, objective: str, all_rounds: tuple[Round, ...],
               rival: str) -> Verdict:
    """The verdict where ``rival`` was confirmed."""
    decide, dropped = profile.decide, failures(history, space).dropped
    known: Mapping[str, FlagEffect] = {}
    if objective == "speed":
        rival, known, posterior = set_to_adopt(history, space, all_rounds, rival, decide, dropped)
    else:
        posterior = posterior_by_clips_alone(space, all_rounds)
    baseline, winner = _measured_set(history, space.baseline), _measured_set(history, rival)
    scored = objectives.score_rounds(all_rounds, objective)
    result = confirmation_result(history, space, scored, rival, decide)
    speed = compare(complete_pairs(all_rounds, history, space.baseline, rival), all_rounds, decide.min_gain,
                    decide.confidence, decide.uses_older_rule, looks_planned(history))
    saving = None
    if baseline and winner and baseline.memory_peak is not None and winner.memory_peak is not None:
        saving = baseline.memory_peak - winner.memory_peak
    if result is None or speed is None:
        lack = RULES.min_blocks - len(complete_pairs(scored, history, space.baseline, rival))
        why = budget_advice.why_left_open(history, space, rival, lack, lack)
        words = _("{count} fresh starts of each side could not be compared; {why}")
        words = _unchanged(words.format(count=RULES.min_blocks, why=why))
        return Verdict("keep", words, False, baseline, winner, None, saving)
    decision, reason, sure = conclude(result, speed, objective, decide.min_gain, saving)
    if not sure:
        open_one = result if result.answer != "better" else replace(
            speed, gain=speed.gain - math.log(1.0 - RULES.slower_at_most))
        rule = decide if result.answer != "better" else replace(decide, min_gain=0.0)
        pairs = budget_advice.pairs_to_settle(open_one, rule)
        why = budget_advice.why_left_open(history, space, rival, pairs, 1)
        reason = _("{reason}; {why}.").format(reason=reason.rstrip(".。"), why=why)
    if not decision:  # nothing is changed, so no flag is credited with it
        return Verdict("keep", reason, sure, baseline, winner, speed.interval, saving)
    parts = ablation_rows(space, space[rival], posterior, speed.interval, len(speed.pairs), known)
    return Verdict("apply", reason, sure, baseline, winner, speed.interval, saving, parts)


def conclude(result: Comparison, speed: Comparison, objective: str, min_gain: float,
             saving: float | None) -> tuple[bool, str, bool]:
    """(adopt, reason, sure) from the comparison by the objective (``result``) and the one by seconds (``speed``)."""
    words = _interval_words(speed.interval)
    pairs = describe_pairs(speed.pairs)
    if objective != "speed":
        words = _("{speed}, {saving:.0f} MiB less memory").format(speed=words, saving=saving or 0.0)
    time = "better" if objective == "speed" else objectives.answer_on_time(speed)
    if time == "not better" or (result.answer == "better" and time != "better"):
        text = (_("the set saves {saving:.0f} MiB but is more than {percent:.0f} % slower ({speed})")
                if time == "not better" else
                _("the set saves {saving:.0f} MiB but may be more than {percent:.0f} % slower ({speed})"))
        text = text.format(saving=saving or 0.0, percent=100 * RULES.slower_at_most, speed=words)
        return False, _unchanged(text), time == "not better"
    if result.answer == "better":
        return True, _("The new set runs at {speed} in {pairs}.").format(speed=words, pairs=pairs), True
    if result.answer == "not better":
        text = (_("in {pairs} the best set ran at {speed}, not {percent:.3g} % better")
                if result.gain < math.log1p(min_gain) else
                _("in {pairs} the best set ran at {speed}, but all its clips together make it unlikely to be "
                  "{percent:.3g} % better"))
        return False, _unchanged(text.format(pairs=pairs, speed=words, percent=100 * min_gain)), True
    text = _("not sure; in {pairs} the best set ran at {speed}").format(pairs=pairs, speed=words)
    return False, _unchanged(text), False
