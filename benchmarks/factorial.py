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

A set's true score is the mean of its starts' mean log seconds. What starts differ by and what clips differ by within
a start is drawn from what all starts and clips of the file differ by, made larger by what their own means took away.
"""

from __future__ import annotations

import json
import math
import random
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
    noise = surfaces.Noise(outliers=0.0, recorded=residuals(found))
    table = make_priors.fit(make_priors.times())
    expected = table.get(f"2/{head['capability'].split('.')[0]}", table["2/any"])
    return surfaces.Drawn(where, surfaces.profile(), score, memory, failing, {}, noise, ready,
                          max(0.0, median(warmups)), fixed, Card(head["gpu"], {}, expected))
