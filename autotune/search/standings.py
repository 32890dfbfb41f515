"""How things stand during a tune: every set measured so far against the current flags, and what the verdict hinges on.

Nothing here decides; the same model that chooses what to measure says what it believes at the moment.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

from autotune.decide.compare import Comparison, ComparisonAnswer, confirmation_result, precise_half_width
from autotune.decide.verdict import challenger
from autotune.model.flagset import Space
from autotune.model.study import Failure, History, Interval
from autotune.model.workload import Profile
from autotune.search.time_left import TimeLeft
from autotune.search.view import View

Stage = Literal["search", "comparison", "precision", "flags"]
"""What goes on: sets are tried; the best one is compared with the current flags; it is better, and how much is
measured; it is better, and which of its flags are needed is."""


@dataclass(frozen=True, slots=True)
class SetStanding:
    """One set that was tried. ``speedup``: the current flags' time over its time (memory where the objective is
    memory), None while no clip of it counts; ``fresh``: from the pairs that decide, not from the search's clips.
    ``seconds``: its fastest clip of the first workload, ``about`` where that was told from clips with fewer steps.
    ``failed``: why it is out."""

    candidate: str
    speedup: Interval | None
    clips: int
    seconds: float | None = None
    about: bool = False
    fresh: bool = False
    failed: Failure | Literal["too_slow"] | None = None


@dataclass(frozen=True, slots=True)
class Standings:
    """All sets tried so far, the best first and those that are out last. ``baseline``: the current flags' id, which are
    among them; ``rival``: the set that is compared with them, ``pairs`` so often; ``answer`` so far, None before there
    are pairs enough. ``width`` and ``wanted_width``: half widths of the rival's interval, as it is and as it is to be,
    as shares (0.03: 3 %). ``left``: time left, None where nobody can tell; ``clips``, ``launches``: counts."""

    baseline: str
    sets: tuple[SetStanding, ...]
    stage: Stage
    min_gain: float
    rival: str | None = None
    pairs: int = 0
    answer: ComparisonAnswer | None = None
    width: float | None = None
    wanted_width: float | None = None
    left: TimeLeft | None = None
    clips: int = 0
    launches: int = 0


def standings(view: View, left: TimeLeft | None = None) -> Standings:
    """How the study of this view stands."""
    history, space = view.history, view.space
    rival = challenger(history, space, view.failures.dropped)
    result = None if rival is None else confirmation_result(history, space, view.scored, rival, view.profile.decide)
    pairs = len(result.pairs) if result is not None else 0
    asked = [s.purpose for s in history.samples if s.purpose in ("confirm", "ablate")]
    return Standings(
        space.baseline, _sets(view, rival, result), _stage(result, asked[-1] if asked else None),
        view.profile.decide.min_gain, rival, pairs, result.answer if result is not None else None,
        math.expm1(result.half_width) if result is not None else None,
        math.expm1(precise_half_width(result.gain, view.profile.decide)) if result is not None else None,
        left, sum(s.seconds is not None for s in history.samples), len(history.launches))


def standings_of(history: History, space: Space, profile: Profile, objective: str,
                 left: TimeLeft | None = None) -> Standings:
    """The same from a history, with the model that knows nothing of other studies."""
    from autotune.decide.memory_assumptions import surface_for

    return standings(View(history, space, profile, objective, surface_for(space, objective)), left)


def _stage(result: Comparison | None, last: str | None) -> Stage:
    if last is None:
        return "search"
    if result is None or result.answer != "better":
        return "comparison"
    return "flags" if last == "ablate" else "precision"


def _sets(view: View, rival: str | None, result: Comparison | None) -> tuple[SetStanding, ...]:
    base = view.space.baseline
    bound = NormalDist().inv_cdf(0.5 + view.profile.decide.confidence / 2.0)
    failed = _failed(view)
    times: dict[tuple[str, bool], list[float]] = {}
    for one in view.history.samples:
        if one.state == "ok" and one.workload == 0 and one.seconds is not None:
            times.setdefault((one.candidate, one.steps is not None), []).append(one.seconds)
    found = []
    for name in dict.fromkeys((base, *view.tried, *failed)):
        clips = view.tried.get(name, 0)
        speedup = None
        if clips and name not in failed and base in view.tried:
            gain, sd = view.posterior.gain(base, name) if name != base else (0.0, 0.0)
            speedup = Interval(math.exp(gain), math.exp(gain - bound * sd), math.exp(gain + bound * sd),
                               view.profile.decide.confidence)
        fresh = name == rival and result is not None
        if fresh and result is not None:
            speedup = result.interval
        about = (name, False) not in times
        found.append(SetStanding(name, speedup, clips, min(times.get((name, about), ()), default=None), about, fresh,
                                 failed.get(name)))
    return tuple(sorted(found, key=lambda one: (one.failed is not None,
                                                -one.speedup.estimate if one.speedup else 0.0)))


def _failed(view: View) -> dict[str, Failure | Literal["too_slow"]]:
    """The sets that are out because of what they did themselves, and why; the current flags are never out."""
    found: dict[str, Failure | Literal["too_slow"]] = {}
    for one in view.history.samples:
        if one.state == "failed" and one.failure is not None and one.candidate in view.failures.dropped:
            found[one.candidate] = one.failure
        elif one.state == "too_slow":
            found.setdefault(one.candidate, "too_slow")
        elif one.state == "ok" and found.get(one.candidate) == "too_slow":
            del found[one.candidate]
    for launch in view.history.launches:
        if launch.failure is not None and launch.candidate in view.failures.dropped:
            found[launch.candidate] = launch.failure
    found.pop(view.space.baseline, None)
    return found
