"""Figures as people read them: seconds, memory, gains. Pure text; nothing here knows HTML or a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any


def seconds(value: float | None) -> str:
    """A time in seconds as text with three figures ("0.412 s", "4.90 s"), minutes from 120 s on."""
    if value is None:
        return "–"
    if value >= 120:
        whole = round(value)
        hours, rest = divmod(whole, 3600)
        minutes, left = divmod(rest, 60)
        return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {left:02d} s"
    if value >= 100:
        return f"{value:.0f} s"
    return f"{value:.{places(value)}f} s"


def places(value: float) -> int:
    """Decimals that leave three figures of a number below 1000."""
    size = abs(value)
    return 1 if size >= 10 else 2 if size >= 1 else 3


def memory(mib: float | None) -> str:
    """Memory in MiB as text, GiB from 1 GiB on."""
    if mib is None:
        return "–"
    return f"{mib / 1024:.1f} GiB" if abs(mib) >= 1024 else f"{mib:.0f} MiB"


ABOUT = "≈ "
"""Goes before seconds that are computed from clips with fewer steps."""
TORCH = ("Torch active", "Torch reserved")
"""Column heads of torch's own memory peaks."""


def has_torch_peaks(sides: Iterable[Mapping[str, Any] | None]) -> bool:
    """True where any side has torch's own memory peaks: there are none without CUDA, or in older documents."""
    peaks = [(side or {}).get("memory") or {} for side in sides]
    return any(one.get(key) is not None for one in peaks for key in ("torch_active", "torch_reserved"))


def torch_peaks(side: Mapping[str, Any], shown: bool) -> tuple[str, ...]:
    """A side's torch peaks as text, active and reserved; nothing where their columns are not ``shown``."""
    found = side.get("memory") or {}
    return (memory(found.get("torch_active")), memory(found.get("torch_reserved"))) if shown else ()


def gain(factor: float | None) -> str:
    """A time ratio as a factor ("1.47 times")."""
    return "–" if factor is None else f"{factor:.2f} times"


def change(factor: float) -> str:
    """A time ratio (without over with) as a share of time, signed: 1.03 is "+3.0 %", a gain."""
    return f"{(factor - 1) * 100:+.1f} %".replace("-", "−")


def credit_source(row: Mapping[str, Any]) -> str:
    """Where a flag's effect comes from: fresh pairs with and without it, or a model of all clips."""
    if not row.get("measured"):
        return "an expectation, not measured"
    pairs = int(row.get("pairs") or 0)
    return f"measured, {plural(pairs, 'fresh pair')}" if pairs else "measured"


def percent(share: float) -> str:
    """A confidence or share as a whole percentage where it is one ("95 %", "97.5 %")."""
    text = f"{share * 100:.1f}".rstrip("0").rstrip(".")
    return f"{text} %"


def plural(count: int, noun: str) -> str:
    """A count with its noun: "1 launch", "2 launches"."""
    if count == 1:
        return f"{count} {noun}"
    return f"{count} {noun}es" if noun.endswith(("ch", "s", "x")) else f"{count} {noun}s"


def longer_clips(rows: Iterable[Mapping[str, Any]], several: bool = False) -> list[str]:
    """What a gain comes to for clips with other numbers of steps, a sentence each (``expected_at`` of a document);
    ``several``: the profile has several workloads, so that a sentence names its own."""
    lines = []
    for row in rows:
        speedup = row["speedup"]
        of = f"Clip {row['workload'] + 1} with" if several else "A clip of"
        line = (f"{of} {row['steps']} steps: {gain(speedup['estimate'])} as fast ({percent(speedup['confidence'])} "
                f"interval {speedup['low']:.2f} to {speedup['high']:.2f})")
        measured = row.get("measured")
        if row["checked"] and measured == speedup["estimate"]:
            lines.append(f"{line}, measured.")
        elif row["checked"]:
            lines.append(f"{line}, checked with one clip of each set ({measured:.2f}).")
        elif measured is not None:
            lines.append(f"{line}, not sure: one clip of each set came to {measured:.2f}.")
        else:
            lines.append(f"{line}, told from clips with fewer steps, not checked.")
    return lines


def workloads(rows: Iterable[Mapping[str, Any]], names: Sequence[str]) -> list[str]:
    """What each workload says for itself (``per_workload`` of a document), a line each; ``names``: their
    lines of ``workload``."""
    lines = []
    for row in rows:
        name = names[row["workload"]] if row["workload"] < len(names) else f"workload {row['workload'] + 1}"
        speedup, other = row.get("speedup"), row.get("best_other")
        line = f"Clip {row['workload'] + 1}, {name}"
        if speedup:
            line += (f": {gain(speedup['estimate'])} as fast ({percent(speedup['confidence'])} interval "
                     f"{speedup['low']:.2f} to {speedup['high']:.2f})")
        if other:
            wants = flags(other.get("flags", ()), other.get("settings"))
            how = "surely" if other["sure"] else "expected"
            line += f"; alone it would rather have {wants}, {how} {change(other['expected_gain'])[1:]} faster"
        elif speedup:
            line += "; no set that was measured is better for it alone"
        if speedup or other:
            lines.append(f"{line}.")
    return lines


def flags(words: Sequence[str], settings: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None) -> str:
    """A set as its argv words, then its settings as name = value; "(none)" when it is empty."""
    parts = [" ".join(words)] if words else []
    pairs = settings.items() if isinstance(settings, Mapping) else (settings or ())
    parts += [f"{name} = {value}" for name, value in pairs]
    return ", ".join(parts) or "(none)"


def workload(item: Mapping[str, Any]) -> str:
    """A workload in one line: size, frames, steps, sampler."""
    size = f"{item.get('width')} × {item.get('height')}"
    frames, context = item.get("frames"), item.get("context")
    windows = "" if context is None or context == frames else f" in windows of {context}"
    text = f"{size}, {frames} frames{windows}, {item.get('steps')} steps"
    sampler = item.get("sampler")
    return f"{text}, {sampler}" if sampler else text


def moment(iso: str | None) -> str:
    """An ISO time in UTC as date, hour and minute; other text stays as it is."""
    if not iso:
        return ""
    try:
        when = datetime.fromisoformat(iso.replace("Z", "+00:00"))
    except ValueError:
        return iso
    zone = " UTC" if when.utcoffset() == timedelta(0) else ""
    return f"{when:%Y-%m-%d %H:%M}{zone}"
