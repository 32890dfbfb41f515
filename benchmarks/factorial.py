"""Surfaces from a full factorial recorded on a GPU: every combination of some flags, several starts each.

The file is JSON lines. The first line says what was run:

    {"kind": "factorial", "gpu": "NVIDIA H200", "capability": "9.0", "torch": "2.11.0", "webui": "…",
     "workload": {"width": 512, "height": 512, "frames": 16, "steps": 20},
     "dimensions": [{"name": "attention", "levels": ["split", "sdp", …], "live": true},
                    {"name": "channelslast", "levels": ["false", "true"], "live": false},
                    {"name": "no_half_vae", "levels": ["false", "true"], "live": false}],
     "baseline": {"attention": "split", "channelslast": "false", "no_half_vae": "false"}}

and each other line is one start of one combination, in the order in which they were made:

    {"kind": "start", "levels": {"attention": "sdp", "channelslast": "false", "no_half_vae": "true"},
     "ready": 17.4, "warmup": 9.8, "clips": [4.91, 4.88, 4.90], "memory_peak": 4980.0}

``ready``: seconds from the start to the first answer; ``warmup``: the first clip (2 steps), end to end; ``clips``:
seconds of whole clips after it, end to end. A combination that does not render has a line with ``"clips": []`` and
``"failure": "oom"`` (a failure class). Names and levels are those of benchmarks.surfaces (FLAG and ATTENTION). Every
combination has at least two starts of two clips, or a failure.

Rows with the same ``process`` number were rendered in one process, attention being switched while it lived; what a
process differs by is then told apart from what a set in it does (``components``). The true scores are the recorded
means, so what noise did to these is in them, as a part of each set's own that no flag explains.

A set's true score is the mean of its starts' mean log seconds. What starts differ by and what clips differ by within
a start is drawn from what all starts and clips of the file differ by, made larger by what their own means took away.
"""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import fmean, median
from typing import Any

from autotune.model.flagset import Dimension
from autotune.model.study import Failure
from benchmarks import make_priors, surfaces
from benchmarks.cards import Card

DATA = Path(__file__).parent / "data"
Key = frozenset[tuple[str, str]]


def files() -> dict[str, Path]:
    """The recorded factorials there are, by the name of their family."""
    return {path.stem: path for path in sorted(DATA.glob("factorial-*.jsonl"))}


@lru_cache(maxsize=8)
def _read(path: Path) -> tuple[dict[str, Any], dict[Key, list[dict[str, Any]]]]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    found: dict[Key, list[dict[str, Any]]] = {}
    for row in rows[1:]:
        found.setdefault(frozenset(row["levels"].items()), []).append(row)
    return rows[0], found


def residuals(found: dict[Key, list[dict[str, Any]]]) -> tuple[tuple[float, tuple[float, ...]], ...]:
    """What each start differed by from its set's mean, and each of its clips from the start's mean, in log seconds."""
    kept = []
    for starts in found.values():
        logs = [[math.log(seconds) for seconds in row["clips"]] for row in starts if len(row["clips"]) > 1]
        centre = fmean(map(fmean, logs)) if logs else 0.0
        for clips in logs:
            lost = math.sqrt(len(logs) / (len(logs) - 1)) if len(logs) > 1 else 1.0
            less = math.sqrt(len(clips) / (len(clips) - 1))
            mean = fmean(clips)
            kept.append((lost * (mean - centre), tuple(less * (log - mean) for log in clips)))
    return tuple(kept)


@dataclass(frozen=True, slots=True)
class Components:
    """Deviations of log seconds: of processes with the same words, of a set within a process, of a clip within that;
    and how far single ones lay off, each stretched or shrunk to these deviations. ``most``: the first two at one
    standard error of their squares more."""

    process: float
    own: float
    clip: float
    most: tuple[float, float] = (0.0, 0.0)
    processes: tuple[float, ...] = ()
    owns: tuple[float, ...] = ()
    clips: tuple[tuple[float, ...], ...] = ()


def components(processes: Sequence[tuple[str, dict[str, list[float]]]]) -> Components:
    """The three noises from processes: (words, log seconds of each set's clips). What clips alone would make a set
    differ by is taken off, and what sets alone would make a process differ by; nothing is less than nought."""
    by_words: dict[str, list[dict[str, list[float]]]] = {}
    for words, sets in processes:
        by_words.setdefault(words, []).append(sets)
    clips = [[log - fmean(logs) for log in logs] for _, sets in processes for logs in sets.values() if len(logs) > 1]
    clip_df = sum(len(one) - 1 for one in clips)
    clip = _variance(clips, clip_df)
    whole: list[float] = []
    own: list[float] = []
    whole_df = own_df = 0
    for alike in by_words.values():
        names = [name for name in alike[0] if all(name in one for one in alike)]
        usual = {name: fmean(fmean(one[name]) for one in alike) for name in names}
        for one in alike:
            off = {name: fmean(one[name]) - usual[name] for name in names}
            whole.append(fmean(off.values()))
            own += [value - whole[-1] for value in off.values()]
        whole_df += len(alike) - 1
        own_df += (len(alike) - 1) * (len(names) - 1)
    a_set = max(1, len(own) // max(1, len(whole)))
    each = fmean(len(logs) for _, sets in processes for logs in sets.values())
    mixed, all_mixed = _variance([own], own_df), _variance([whole], whole_df)
    process, own_part = max(0.0, all_mixed - mixed / a_set), max(0.0, mixed - clip / each)
    error_of_process = math.hypot(_error(all_mixed, whole_df), _error(mixed, own_df) / a_set)
    error_of_own = math.hypot(_error(mixed, own_df), _error(clip, clip_df) / each)
    return Components(
        math.sqrt(process), math.sqrt(own_part), math.sqrt(clip),
        (math.sqrt(process + error_of_process), math.sqrt(own_part + error_of_own)),
        _scaled(whole, process), _scaled(own, own_part),
        tuple(tuple(math.sqrt(len(one) / (len(one) - 1)) * log for log in one) for one in clips))


def _error(variance: float, df: int) -> float:
    return variance * math.sqrt(2.0 / df) if df > 0 else 0.0


def _variance(groups: Sequence[Sequence[float]], df: int) -> float:
    return sum(one**2 for group in groups for one in group) / df if df > 0 else 0.0


def _scaled(values: Sequence[float], variance: float) -> tuple[float, ...]:
    """The values with this mean square."""
    square = fmean(one**2 for one in values) if values else 0.0
    return tuple(one * math.sqrt(variance / square) if square else 0.0 for one in values)


def noise_of(found: dict[Key, list[dict[str, Any]]], live: Collection[str]) -> surfaces.Noise:
    """What starts and clips are drawn from: processes and sets in them apart where rows tell which process."""
    rows = [row for rows in found.values() for row in rows if row["clips"]]
    if not all("process" in row for row in rows):
        return surfaces.Noise(outliers=0.0, recorded=residuals(found))
    by_process: dict[int, tuple[str, dict[str, list[float]]]] = {}
    for row in rows:
        words = " ".join(f"{k}={v}" for k, v in sorted(row["levels"].items()) if k not in live)
        name = " ".join(v for k, v in sorted(row["levels"].items()) if k in live)
        by_process.setdefault(row["process"], (words, {}))[1][name] = [math.log(one) for one in row["clips"]]
    parts = components(list(by_process.values()))
    starts = itertools.cycle(parts.processes)
    return surfaces.Noise(outliers=0.0, recorded=tuple(zip(starts, parts.clips, strict=False)), own=parts.owns)


def surface(path: Path, seed: int) -> surfaces.Drawn:
    """The recorded factorial as a surface, from current flags that ``seed`` draws among those that render."""
    head, found = _read(path)
    dimensions = tuple(Dimension(d["name"], tuple(d["levels"]), d["live"]) for d in head["dimensions"])
    rng = random.Random(f"factorial {seed}")
    renders = sorted((sorted(key) for key, rows in found.items() if not any(row.get("failure") for row in rows)))
    where = surfaces.space(dimensions, head["baseline"] if seed % 2 else dict(rng.choice(renders)))
    score, memory, fixed = {}, {}, {}
    failing: dict[str, Failure] = {}
    warmups = []
    for c in where.candidates:
        rows = found[frozenset(c.levels)]
        failures = [row["failure"] for row in rows if row.get("failure")]
        clips = [row["clips"] for row in rows if row["clips"]]
        if failures or not clips:
            failing[c.id] = failures[0]
        score[c.id] = fmean(fmean(map(math.log, one)) for one in clips) if clips else 4.0
        memory[c.id] = median(row.get("memory_peak") or 8000.0 for row in rows)
        fixed[c.id] = surfaces.FIXED
        warmups += [row["warmup"] - surfaces.WARM_SHARE * math.exp(score[c.id]) for row in rows if row["clips"]]
    ready = median(row["ready"] for rows in found.values() for row in rows if row["clips"])
    noise = noise_of(found, {d.name for d in dimensions if d.live})
    table = make_priors.fit(make_priors.times())
    expected = table.get(f"2/{head['capability'].split('.')[0]}", table["2/any"])
    return surfaces.Drawn(where, surfaces.profile(), score, memory, failing, {}, noise, ready,
                          max(0.0, median(warmups)), fixed, Card(head["gpu"], {}, expected))
