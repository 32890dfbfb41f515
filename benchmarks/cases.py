"""Single questions: the article's own case, priors on cards left out, wrong priors, tuning again after a change."""

from __future__ import annotations

import json
import math
import random
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, median
from typing import Any

from autotune import decide, search
from autotune.decide import drift
from autotune.model.flagset import Candidate, Dimension, Space
from autotune.model.study import Failure
from autotune.model.workload import Profile
from autotune.search import warm_start
from benchmarks import make_priors, surfaces
from benchmarks.cards import Card
from benchmarks.tuned import prior
from benchmarks.virtual import Clip, Process, Session, regret

DATA = Path(__file__).parent / "data"
BUDGET = 3 * 3600.0


@dataclass(frozen=True)
class Resampled:
    """A surface of recorded clips: each clip is one of the recorded samples of its set, drawn with replacement.

    ``launch``: standard deviation between starts, which the recording does not hold (one start a set).
    """

    space: Space
    profile: Profile
    clips: dict[str, tuple[tuple[float, float], ...]]
    startup: float = 20.0
    penalty: float = 8.0
    launch: float = 0.014

    def true_score(self, candidate: str) -> float:
        """Mean of the recorded log seconds."""
        return fmean(math.log(seconds) for seconds, _ in self.clips[candidate])

    def process(self, candidate: Candidate, rng: random.Random) -> Process:  # noqa: ARG002
        """See Surface."""
        return ResampledProcess(self, rng)


class ResampledProcess:
    """A process on a resampled surface."""

    def __init__(self, surface: Resampled, rng: random.Random) -> None:
        self.surface = surface
        self.rng = rng
        self.startup = surface.startup
        self.failure: Failure | None = None
        self.shift = rng.gauss(0.0, surface.launch)
        self.used = False

    def clip(self, candidate: Candidate, workload: int, now: float,  # noqa: ARG002
             warmup: bool, steps: float = 1.0) -> Clip:  # noqa: ARG002
        """See Process."""
        seconds, memory = self.rng.choice(self.surface.clips[candidate.id])
        seconds *= math.exp(self.shift) * (surfaces.WARM_SHARE if warmup else 1.0)
        seconds += 0.0 if self.used else self.surface.penalty
        self.used = True
        return Clip(seconds, None, memory)


def article_surface(workload: str) -> Resampled:
    """The article's three sets on one of its two workloads: default, both sdp flags, both and channels-last."""
    recorded = json.loads((DATA / "article-rtx3090.json").read_text(encoding="utf-8"))
    clips: dict[tuple[bool, bool], list[tuple[float, float]]] = {}
    for sample in recorded["samples"]:
        if sample["workload"] == workload:
            key = ("--opt-sdp-no-mem-attention" in sample["flags"], "--opt-channelslast" in sample["flags"])
            clips.setdefault(key, []).append((sample["seconds"], sample["torch_reserved_mib"]))
    dimensions = (Dimension("attention", ("split", "sdp-no-mem"), True),
                  Dimension("channelslast", ("false", "true"), False))
    whole = surfaces.space(dimensions, {"attention": "split", "channelslast": "false"})
    found: dict[str, tuple[tuple[float, float], ...]] = {}
    for c in whole.candidates:
        levels = dict(c.levels)
        key = (levels["attention"] == "sdp-no-mem", levels["channelslast"] == "true")
        if key in clips:
            found[c.id] = tuple(clips[key])
    kept = tuple(c for c in whole.candidates if c.id in found)
    return Resampled(Space(dimensions, kept, whole.baseline), surfaces.profile(), found)


def oracle(surface: Resampled, starts: int, clips: int, seed: int, tries: int = 2000) -> float:
    """How often the two best sets' mean log seconds are in the right order when each has ``starts`` starts of
    ``clips`` clips: no rule that measures no more can name the right set more often."""
    rng = random.Random(f"oracle {seed}")
    first, second = sorted(surface.clips, key=surface.true_score)[:2]
    logs = [[math.log(seconds) for seconds, _ in surface.clips[name]] for name in (first, second)]

    def seen(recorded: list[float]) -> float:
        return fmean(rng.gauss(0.0, surface.launch) + fmean(rng.choices(recorded, k=clips)) for _ in range(starts))

    return fmean(seen(logs[0]) < seen(logs[1]) for _ in range(tries))


def article(sessions: int, seed: int) -> dict[str, Any]:
    """How often the article's right set is found, and in what share of its clips (10 for each of 3 sets)."""
    report: dict[str, Any] = {}
    recorded = json.loads((DATA / "article-rtx3090.json").read_text(encoding="utf-8"))
    for workload in sorted({s["workload"] for s in recorded["samples"]}):
        surface = article_surface(workload)
        best = min((c.id for c in surface.space.candidates), key=surface.true_score)
        right, clips, launches = [], [], []
        for number in range(seed, seed + sessions):
            session = Session(surface, random.Random(f"article {number}"), BUDGET)
            history = session.run(search.make_strategy("screen", surface.space, surface.profile, "speed", 0))
            verdict = decide.verdict(history, surface.space, surface.profile, "speed")
            chosen = verdict.winner.candidate if verdict.decision == "apply" and verdict.winner else None
            right.append(chosen == best)
            clips.append(sum(1 for s in session.samples if s.state != "warmup"))
            launches.append(len(session.launches))
        report[workload] = {"right": fmean(right), "clips_median": median(clips), "launches_median": median(launches),
                            "article_clips": 10 * len(surface.space.candidates), "best": best,
                            "oracle_2x2": oracle(surface, 2, 2, seed)}
        print(f"article, {workload}: right set in {100 * fmean(right):.1f} % of {sessions} sessions, "
              f"{median(clips):.0f} clips (article {report[workload]['article_clips']}), {median(launches):.0f} "
              f"starts; two best sets in the right order after 2 starts of 2 clips each: "
              f"{100 * report[workload]['oracle_2x2']:.1f} %")
    print()
    return report


def left_out() -> dict[str, Any]:
    """For every card in turn: priors made without it, the first class it would try, how far that is from best."""
    cases = make_priors.times()
    rows: list[tuple[str, str, str, float]] = []
    for case, found in cases.items():
        table = make_priors.fit({c: v for c, v in cases.items() if c[0] != case[0]})
        row = table.get(f"{case[2]}/{case[1]}", table[f"{case[2]}/any"])
        first = min((row.get(level, 0.5), level) for level in found)[1]
        best = min(value for value, _ in found.values())
        rows.append((case[0], case[2], first, math.exp(found[first][0] - best) - 1.0))
    good = fmean(behind <= 0.03 for *_, behind in rows)
    return {"cards": len(rows), "within_3_percent": round(good, 4),
            "misses": [row for row in rows if row[3] > 0.03]}


def priors(seeds: range) -> dict[str, Any]:
    """Left-out cards, and what a right or a wrong prior does to time and regret on drawn surfaces."""
    report = left_out()
    print(f"first attention within 3 % of the card's best: {100 * report['within_3_percent']:.0f} % "
          f"of {report['cards']} cards left out in turn")
    times: dict[str, list[float]] = {"none": [], "right": [], "wrong": []}
    lost: dict[str, list[float]] = {"none": [], "right": [], "wrong": []}
    for seed in seeds:
        surface = surfaces.drawn(seed)
        for kind, spent in times.items():
            told = _prior(kind, surface.card) if surface.card else None
            session = Session(surface, random.Random(f"session {seed}"), BUDGET, short=True)
            history = session.run(search.make_strategy("screen", surface.space, surface.profile, "speed", 0, told))
            verdict = decide.verdict(history, surface.space, surface.profile, "speed")
            chosen = verdict.winner.candidate if verdict.decision == "apply" and verdict.winner else None
            spent.append(session.now)
            lost[kind].append(regret(surface, chosen or surface.space.baseline))
    for kind, spent in times.items():
        ratio = median(a / b for a, b in zip(spent, times["none"], strict=True))
        total = sum(spent) / sum(times["none"])
        report[kind] = {"time_over_none": round(ratio, 3), "total_time_over_none": round(total, 3),
                        "regret_mean": round(fmean(lost[kind]), 5)}
        print(f"prior {kind:6}: time {ratio:.2f} of none's (median; {total:.2f} in sum), "
              f"mean regret {100 * fmean(lost[kind]):.2f} %")
    print()
    return report


def _prior(kind: str, card: Card) -> search.Prior | None:
    """No prior; what other cards' records say of this one; or that with its signs turned."""
    if kind == "none":
        return None
    told = prior(card)
    sign = 1.0 if kind == "right" else -1.0
    return replace(told, effects=tuple((d, level, sign * value) for d, level, value in told.effects))


def retune(seeds: range) -> dict[str, Any]:
    """After an irrelevant change: the drift check's time over a cold tune's. After one that moves the best set:
    a warm-started tune against a cold one."""
    share, noticed, warm_share, warm_lost, cold_lost = [], [], [], [], []
    holds = 0
    for seed in seeds:
        surface = surfaces.drawn(seed)
        session = Session(surface, random.Random(f"session {seed}"), BUDGET, short=True)
        history = session.run(search.make_strategy("screen", surface.space, surface.profile, "speed", 0))
        verdict = decide.verdict(history, surface.space, surface.profile, "speed")
        if verdict.decision != "apply" or verdict.winner is None or verdict.speedup is None:
            continue
        current = verdict.winner.candidate
        before = drift.recorded_speedup(history, surface.profile, current, surface.space.baseline)
        assert before is not None
        spent, answer = _drift(surface, seed, before)
        share.append(spent / session.now)
        holds += answer == "holds"
        changed = moved(surface, seed)
        noticed.append(_drift(changed, seed, before)[1] != "holds")
        learnt = warm_start.prior_from_study(history, surface.space, surface.profile)
        again = [_retune(changed, seed, learnt), _retune(changed, seed, None)]
        warm_share.append(again[0][0] / again[1][0])
        warm_lost.append(again[0][1])
        cold_lost.append(again[1][1])
    report = {
        "irrelevant_change_time_share": round(median(share), 4), "drift_says_holds": round(holds / len(share), 4),
        "moved_noticed_by_drift_check": round(fmean(noticed), 4),
        "moved_warm_time_over_cold": round(median(warm_share), 4),
        "moved_warm_regret": round(fmean(warm_lost), 5), "moved_cold_regret": round(fmean(cold_lost), 5),
    }
    print(f"after an irrelevant change: {100 * median(share):.1f} % of a cold tune, "
          f"says that all holds in {100 * holds / len(share):.1f} %")
    print(f"after a change that moves the best set: noticed by the check alone in {100 * fmean(noticed):.0f} %; "
          f"a warm tune takes {median(warm_share):.2f} of a cold one's time, "
          f"mean regret {100 * fmean(warm_lost):.2f} % (cold {100 * fmean(cold_lost):.2f} %)\n")
    return report


def _drift(surface: surfaces.Drawn, seed: int, before: drift.RecordedSpeedup) -> tuple[float, str]:
    session = Session(surface, random.Random(f"drift {seed}"), BUDGET, short=True)
    while (proposal := drift.next_proposal(session.history(), surface.profile, before)) is not None:
        session.execute(proposal)
    return session.now, drift.drift_of(session.history(), surface.profile, before).answer


def moved(surface: surfaces.Drawn, seed: int) -> surfaces.Drawn:
    """The same machine after an update that redraws what attention does: the best class becomes another one."""
    rng = random.Random(f"moved {seed}")
    classes = list(surface.space.dimensions[0].levels)
    best = min((c for c in surface.space.candidates if c.id not in surface.failing), key=lambda c: surface.score[c.id])
    now = dict(best.levels)["attention"]
    others = [level for level in classes if level != now and any(
        dict(c.levels)["attention"] == level and c.id not in surface.failing for c in surface.space.candidates)]
    chosen = rng.choice(others)
    mean = {level: fmean(surface.score[c.id] for c in surface.space.candidates if dict(c.levels)["attention"] == level)
            for level in classes}
    change = mean[now] - mean[chosen] - rng.uniform(0.05, 0.2)
    of_class = [c.id for c in surface.space.candidates if dict(c.levels)["attention"] == chosen]
    # What does not grow with steps takes the same seconds as before.
    fixed = {name: min(0.9, surface.fixed[name] * math.exp(-change)) for name in of_class if name in surface.fixed}
    score = {name: surface.score[name] + change for name in of_class}
    return replace(surface, score=surface.score | score, fixed=surface.fixed | fixed)


def _retune(surface: surfaces.Drawn, seed: int, told: search.Prior | None) -> tuple[float, float]:
    session = Session(surface, random.Random(f"again {seed}"), BUDGET, short=True)
    history = session.run(search.make_strategy("screen", surface.space, surface.profile, "speed", 0, told))
    verdict = decide.verdict(history, surface.space, surface.profile, "speed")
    chosen = verdict.winner.candidate if verdict.decision == "apply" and verdict.winner else surface.space.baseline
    return session.now, regret(surface, chosen)
