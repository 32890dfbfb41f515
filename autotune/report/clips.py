"""The clips that were compared, as the page shows them: pictures in the page itself, and likeness frame by frame."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from autotune.model.clips import ClipPair
from autotune.report.charts import Scale, Tick
from autotune.report.outcome import side_id
from autotune.report.rows import Story

LARGEST = 512
"""Pixels of the longest side of a clip on the page; a smaller picture is enlarged MOST_ENLARGED times at most."""
MOST_ENLARGED = 4


@dataclass(frozen=True, slots=True)
class Likeness:
    """SSIM of each frame as a line: ``points`` and ticks in percent of the drawing, the upper left corner is (0, 0).

    ``lowest``: the smallest SSIM, and the number of that frame."""

    points: tuple[tuple[float, float], ...]
    ticks: tuple[Tick, ...]
    up: tuple[Tick, ...]
    lowest: tuple[float, int]


@dataclass(frozen=True, slots=True)
class ShownClips:
    """One pair on the page. ``pictures``: addresses of the two strips of frames and of their difference (empty where
    nothing differs). ``most``: pixels that a frame is wide at most."""

    title: str
    pair: ClipPair
    pictures: tuple[Markup, Markup, Markup]
    most: int
    likeness: Likeness


def clips_facts(story: Story, pairs: Sequence[ClipPair], script: Markup) -> dict[str, Any]:
    """What ``clips.html`` asks for. Pairs of other sets than the two that the page compares are left out; ``script``:
    what moves the clips where scripts run."""
    sides = (side_id(story.outcome.baseline), side_id(story.outcome.other))
    shown = [_shown(story, one) for one in pairs
             if (one.current, one.other) == sides and one.workload < len(story.workloads)]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return {
        "clips": shown,
        "clips_left_out": len(story.workloads) - len(shown),
        "script": script,
        # The only script that a browser runs on this page, whatever else got into it.
        "script_policy": Markup(f"; script-src 'sha256-{digest}'") if shown else "",  # noqa: S704  letters and digits
    }


def _shown(story: Story, pair: ClipPair) -> ShownClips:
    enlarged = min(MOST_ENLARGED, LARGEST / max(pair.width, pair.height))
    first, second = map(_address, pair.strips)
    apart = Markup() if pair.difference is None else _address(pair.difference)
    return ShownClips(story.workloads[pair.workload], pair, (first, second, apart), round(pair.width * enlarged),
                      _likeness(pair))


def _address(picture: bytes) -> Markup:
    """The picture as an address that holds all of it."""
    return Markup("data:image/webp;base64," + base64.b64encode(picture).decode())  # noqa: S704  base64 has no markup


def _likeness(pair: ClipPair) -> Likeness:
    """The line from the first frame to the last; the axis ends at 1, and shows a hundredth at least."""
    numbers = [1 + pair.every * at for at in range(len(pair.ssim))]
    least = min(pair.ssim, default=1.0)
    across = Scale(1, max(2, *numbers[-1:]))
    up = Scale(1 - max(0.01, (1 - least) * 1.1), 1.0)
    points = tuple((across.at(number), round(100 - up.at(min(1.0, one)), 2))
                   for number, one in zip(numbers, pair.ssim, strict=True))
    at = pair.ssim.index(least) if pair.ssim else 0
    ticks = tuple(one for one in across.ticks() if "." not in one.text)
    return Likeness(points, ticks, up.ticks(), (least, 1 + pair.every * at))
