"""The JSON document of a tune (docs/contract.md: JSON), built from a study's records and its verdict."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

from autotune.decide.more_steps import speedups_at_steps
from autotune.decide.objectives import pareto_front
from autotune.decide.per_workload import workload_outcomes
from autotune.decide.rounds import prefer_whole_clips, rounds
from autotune.decide.unmeasured import unmeasured_levels
from autotune.model.flagset import Candidate, FlagSet, Space
from autotune.model.machine import Fingerprint
from autotune.model.study import History, Interval, MeasuredSet, Sample, Verdict
from autotune.model.workload import Profile
from autotune.tune.progress_counts import counts
from autotune.workload import profile as profiles


def flags_json(flags: FlagSet) -> dict[str, Any]:
    """A set's command-line words, in canonical order, and the options that go with them."""
    return {"flags": list(flags.words), "settings": dict(flags.settings)}


def candidate_json(candidate: Candidate) -> dict[str, Any]:
    """A set as it would be written, and what takes effect with it."""
    effective = asdict(candidate.effective)
    more = dict(effective.pop("more"))
    return {**flags_json(candidate.flags), "effective": {**effective, **more}}


def verdict_json(verdict: Verdict, space: Space, samples: Sequence[Sample]) -> dict[str, Any]:
    """The decision part of the document. It depends on the samples alone, so that `replay` gives the same.

    On "keep" nothing is to be written: ``winner`` is the baseline itself and ``speedup`` is 1 by identity;
    the best set that was confirmed against it, with its measured interval, is ``challenger``.
    """
    baseline = _side(verdict.baseline, space, space.baseline)
    body: dict[str, Any] = {
        "decision": verdict.decision, "sure": verdict.sure, "reason": verdict.reason, "baseline": baseline}
    measured, saving = interval_json(verdict.speedup), _rounded(verdict.memory_saving)
    best = None if verdict.winner is None else _side(verdict.winner, space, verdict.winner.candidate)
    chosen = space.baseline
    if verdict.decision == "apply" and verdict.winner is not None:
        chosen = verdict.winner.candidate
        body.update(winner=best, speedup=measured, challenger=None, memory_saving=saving)
    else:
        confidence = verdict.speedup.confidence if verdict.speedup else None
        same = {"estimate": 1.0, "low": 1.0, "high": 1.0, "confidence": confidence}
        other = verdict.winner is not None and best is not None and verdict.winner.candidate != space.baseline
        challenger = {**(best or {}), "speedup": measured, "memory_saving": saving} if other else None
        body.update(winner=baseline, speedup=same, challenger=challenger, memory_saving=0.0)
    body["image"] = _image(chosen, samples)
    body["ablation"] = [
        {**asdict(row), "effect": _rounded(row.effect), "low": _rounded(row.low), "high": _rounded(row.high)}
        for row in verdict.ablation
    ]
    return body


def tune_json(
    head: Mapping[str, Any],
    verdict: Verdict,
    space: Space,
    history: History,
    cost: Mapping[str, float],
    fingerprint: Fingerprint,
) -> dict[str, Any]:
    """The whole document. ``head``: the study's head; ``cost``: seconds by part of the work."""
    profile = profiles.from_json(head["profile"])
    return {
        "study": head["id"],
        "profile": head["profile"],
        "objective": head["objective"],
        "created": head["created"],
        "webui": head["webui"],
        "gpu": head["gpu"],
        "stand_in": head["stand_in"],
        "memory_untold": head.get("memory_untold"),
        **verdict_json(verdict, space, history.samples),
        **beside_json(verdict, space, history, profile, head["objective"]),
        "expected_from": (head.get("prior") or {}).get("source"),
        "front": front_json(history, space, profile),
        "trials": trials_json(history, space),
        "excluded": [{**flags_json(row.flags), "reason": row.reason} for row in space.excluded],
        "cost": {part: round(seconds, 3) for part, seconds in cost.items()},
        **counts(history),
        "fingerprint": {"id": fingerprint.id, "parts": dict(fingerprint.parts)},
    }


def beside_json(verdict: Verdict, space: Space, history: History, profile: Profile,
                objective: str) -> dict[str, Any]:
    """Results beside the decision: ``expected_at`` (speedups at other numbers of steps), ``per_workload`` (where there
    are several) and ``unmeasured`` (levels that were not measured, and why)."""
    rival = None if verdict.winner is None or verdict.winner.candidate == space.baseline else verdict.winner.candidate
    longer = () if rival is None else speedups_at_steps(history, space, profile, rival)
    chosen = rival if verdict.decision == "apply" and rival is not None else space.baseline
    return {
        "expected_at": [
            {"workload": row.workload, "steps": row.steps, "speedup": interval_json(row.speedup),
             "checked": row.checked, "measured": _rounded(row.measured)}
            for row in longer],
        "per_workload": [
            {"workload": one.workload, "speedup": interval_json(one.speedup),
             "best_other": None if one.preferred is None else {
                **flags_json(space[one.preferred.candidate].flags), "expected_gain": _rounded(one.preferred.gain),
                "sure": one.preferred.sure}}
            for one in workload_outcomes(history, space, profile, rival, chosen)],
        "unmeasured": [{"flag": one.flag, "dimension": one.dimension, "level": one.level,
                        "expected": _rounded(one.expected), "reason": one.reason}
                       for one in unmeasured_levels(history, space, profile, objective, chosen)],
    }


def front_json(history: History, space: Space, profile: Profile) -> list[dict[str, Any]]:
    """The sets that no other set beats in both time and memory, fastest first.

    ``score``: weighted geometric mean of clip seconds divided by the baseline's, None before the baseline was timed;
    ``memory_peak`` in MiB; ``short``: only clips with fewer steps were rendered of it.
    """
    times: dict[str, list[float]] = {}
    peaks: dict[str, list[float]] = {}
    measured = prefer_whole_clips(rounds(history, profile))
    short = {one.candidate for one in measured if one.short}
    for one in measured:
        times.setdefault(one.candidate, []).append(one.score)
        if one.memory is not None:
            peaks.setdefault(one.candidate, []).append(one.memory)
    base = median(times[space.baseline]) if space.baseline in times else None
    return [
        {
            **flags_json(space[name].flags),
            "score": None if base is None else round(math.exp(median(times[name]) - base), 5),
            "memory_peak": round(median(peaks[name]), 1),
            "short": name in short,
        }
        for name in pareto_front(measured) if name in _ids(space)
    ]


def trials_json(history: History, space: Space) -> list[dict[str, Any]]:
    """One row for each set, purpose and launch.

    ``seconds`` (median) and ``samples`` come from whole clips; where ``short``, from clips of ``steps`` steps scaled up
    to whole ones. ``memory_peak`` in MiB.
    """
    groups: dict[tuple[int, str, str], list[Sample]] = {}
    for sample in history.samples:
        groups.setdefault((sample.launch, sample.purpose, sample.candidate), []).append(sample)
    rows = [_trial(space[key[2]], key, samples) for key, samples in groups.items() if key[2] in _ids(space)]
    tried = {(launch, candidate) for launch, _, candidate in groups}
    rows.extend(
        {**candidate_json(space[launch.candidate]), "seconds": None, "state": "failed", "failure": launch.failure,
         "detail": launch.detail, "launch": launch.number, "purpose": None, "samples": []}
        for launch in history.launches
        if launch.failure and launch.candidate in _ids(space) and (launch.number, launch.candidate) not in tried
    )
    return sorted(rows, key=lambda row: -1 if row["launch"] is None else int(row["launch"]))


def _trial(candidate: Candidate, key: tuple[int, str, str], samples: Sequence[Sample]) -> dict[str, Any]:
    """One row of ``trials_json``; ``key``: launch number, purpose and set."""
    timed = [sample for sample in samples if sample.state == "ok" and sample.seconds is not None]
    whole = [sample for sample in timed if sample.steps is None]
    good = [sample.seconds for sample in whole or timed if sample.seconds is not None]
    failed = next((sample for sample in samples if sample.failure), None)
    peaks = [sample.memory_peak for sample in samples if sample.memory_peak is not None]
    state = "ok" if good and not failed else "failed" if failed else samples[-1].state
    return {
        **candidate_json(candidate),
        "seconds": _rounded(median(good)) if good else None,
        "state": state,
        "failure": failed.failure if failed else None,
        "detail": failed.detail if failed else samples[-1].detail if state == "too_slow" else "",
        "launch": key[0] if key[0] >= 0 else None,
        "purpose": key[1],
        "samples": [round(seconds, 4) for seconds in good],
        "steps": timed[0].steps if timed and not whole else None,
        "short": bool(timed and not whole),
        "memory_peak": max(peaks, default=None),
    }


def _ids(space: Space) -> set[str]:
    return {candidate.id for candidate in space.candidates}


def _side(side: MeasuredSet | None, space: Space, candidate: str) -> dict[str, Any]:
    """One side of the comparison: the set and what was measured of it, seconds and MiB; None where nothing was."""
    body = candidate_json(space[candidate])
    if side is None:
        memory: dict[str, float | None] = {"peak": None, "torch_active": None, "torch_reserved": None}
        return {**body, "seconds": None, "memory_peak": None, "memory": memory, "launches": 0, "samples": 0}
    peak = _rounded(side.memory_peak)
    return {
        **body,
        "seconds": {"median": _rounded(side.median), "low": _rounded(side.low), "high": _rounded(side.high)},
        "memory_peak": peak,
        "memory": {"peak": peak, "torch_active": _rounded(side.torch_active),
                   "torch_reserved": _rounded(side.torch_reserved)},
        "launches": side.launches,
        "samples": side.samples,
    }


def _image(candidate: str, samples: Iterable[Sample]) -> dict[str, Any]:
    rows = [one for one in samples if one.candidate == candidate and one.state in ("ok", "warmup")]
    ssim = [sample.ssim for sample in rows if sample.ssim is not None]
    psnr = [sample.psnr for sample in rows if sample.psnr is not None]
    return {"valid": bool(rows), "ssim": _rounded(min(ssim, default=None)), "psnr": _rounded(min(psnr, default=None))}


def interval_json(interval: Interval | None) -> dict[str, Any] | None:
    """An interval, rounded to five digits."""
    if interval is None:
        return None
    return {"estimate": _rounded(interval.estimate), "low": _rounded(interval.low), "high": _rounded(interval.high),
            "confidence": interval.confidence}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 5)
