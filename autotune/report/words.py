"""Figures as people read them: seconds, memory, gains. Pure text; nothing here knows HTML or a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import PureWindowsPath
from typing import Any

from autotune.language.translate import N_, _, ngettext


def seconds(value: float | None) -> str:
    """A time in seconds as text with three figures ("0.412 s", "4.90 s"), minutes from 120 s on."""
    if value is None:
        return "–"
    if value >= 120:
        whole = round(value)
        hours, rest = divmod(whole, 3600)
        minutes, left = divmod(rest, 60)
        text = _("{hours} h {minutes:02d} min") if hours else _("{minutes} min {seconds:02d} s")
        return text.format(hours=hours, minutes=minutes, seconds=left)
    return _("{seconds} s").format(seconds=f"{value:.0f}" if value >= 100 else f"{value:.{places(value)}f}")


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
TORCH = (N_("Torch active"), N_("Torch reserved"))
"""Column heads of torch's own memory peaks, translated where they are shown."""


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
    return "–" if factor is None else _("{factor:.2f} times").format(factor=factor)


def change(factor: float) -> str:
    """A time ratio (without over with) as a share of time, signed: 1.03 is "+3.0 %", a gain."""
    return f"{(factor - 1) * 100:+.1f} %".replace("-", "−")


def credited(flag: str) -> str:
    """What an effect is of, as ``decide.ablation`` names it: flags, or flags that the tuned set does without."""
    kept = flag.removeprefix("without ")
    return _(flag) if kept == flag else _("leaving out {flags}").format(flags=kept)


def credit_source(row: Mapping[str, Any]) -> str:
    """Where a flag's effect comes from: fresh pairs with and without it, or a model of all clips."""
    if not row.get("measured"):
        return _("an expectation, not measured")
    pairs = int(row.get("pairs") or 0)
    return _("measured, {pairs}").format(pairs=plural(pairs, "fresh pair")) if pairs else _("measured")


def percent(share: float) -> str:
    """A confidence or share as a whole percentage where it is one ("95 %", "97.5 %")."""
    text = f"{share * 100:.1f}".rstrip("0").rstrip(".")
    return f"{text} %"


def plural(count: int, noun: str) -> str:
    """A count with its noun, one of those below: "1 launch", "2 launches"."""
    return {
        "clip": ngettext("{count} clip", "{count} clips", count),
        "set": ngettext("{count} set", "{count} sets", count),
        "launch": ngettext("{count} launch", "{count} launches", count),
        "pair": ngettext("{count} pair", "{count} pairs", count),
        "fresh pair": ngettext("{count} fresh pair", "{count} fresh pairs", count),
        "other clip": ngettext("{count} other clip", "{count} other clips", count),
        "use": ngettext("{count} use", "{count} uses", count),
        "place": ngettext("{count} place", "{count} places", count),
        "frame": ngettext("{count} frame", "{count} frames", count),
        "step": ngettext("{count} step", "{count} steps", count),
        "start": ngettext("{count} start", "{count} starts", count),
    }[noun].format(count=count)


def speedup_words(speedup: Mapping[str, Any], digits: int = 2) -> str:
    """A speedup with its interval: "1.35 times as fast (95 % interval 1.31 to 1.39)"."""
    return _("{gain} as fast ({confidence} interval {low} to {high})").format(
        gain=gain(speedup["estimate"]), confidence=percent(speedup["confidence"]), low=f"{speedup['low']:.{digits}f}",
        high=f"{speedup['high']:.{digits}f}")


def longer_clips(rows: Iterable[Mapping[str, Any]], several: bool = False) -> list[str]:
    """What a gain comes to for clips with other numbers of steps, a sentence each (``expected_at`` of a document);
    ``several``: the profile has several workloads, so that a sentence names its own."""
    lines = []
    for row in rows:
        speedup = row["speedup"]
        of = _("Clip {number} with {steps} steps: {speed}") if several else _("A clip of {steps} steps: {speed}")
        line = of.format(number=row["workload"] + 1, steps=row["steps"], speed=speedup_words(speedup))
        measured = row.get("measured")
        if row["checked"] and measured == speedup["estimate"]:
            text = _("{line}, measured.")
        elif row["checked"]:
            text = _("{line}, checked with one clip of each set ({measured:.2f}).")
        elif measured is not None:
            text = _("{line}, not sure: one clip of each set came to {measured:.2f}.")
        else:
            text = _("{line}, told from clips with fewer steps, not checked.")
        lines.append(text.format(line=line, measured=measured))
    return lines


def workloads(rows: Iterable[Mapping[str, Any]], names: Sequence[str]) -> list[str]:
    """What each workload says for itself (``per_workload`` of a document), a line each; ``names``: their
    lines of ``workload``."""
    lines = []
    for row in rows:
        number = row["workload"] + 1
        name = names[number - 1] if number <= len(names) else _("workload {number}").format(number=number)
        speedup, other = row.get("speedup"), row.get("best_other")
        line = _("Clip {number}, {name}").format(number=number, name=name)
        if speedup:
            line = f"{line}: {speedup_words(speedup)}"
        if other:
            text = (_("{line}; alone it would rather have {flags}, surely {gain} faster") if other["sure"] else
                    _("{line}; alone it would rather have {flags}, expected {gain} faster"))
            line = text.format(line=line, flags=flags(other.get("flags", ()), other.get("settings")),
                               gain=change(other["expected_gain"])[1:])
        elif speedup:
            line = _("{line}; no set that was measured is better for it alone").format(line=line)
        if speedup or other:
            lines.append(_("{sentence}.").format(sentence=line))
    return lines


def flags(words: Sequence[str], settings: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None) -> str:
    """A set as its argv words, then its settings as name = value; "(none)" when it is empty."""
    parts = [" ".join(words)] if words else []
    pairs = settings.items() if isinstance(settings, Mapping) else (settings or ())
    parts += [f"{name} = {value}" for name, value in pairs]
    return ", ".join(parts) or _("(none)")


def workload(item: Mapping[str, Any]) -> str:
    """A workload in one line: size, frames, steps, sampler; of a workflow its file's name, and what it tells of
    these."""
    if item.get("workflow_digest"):
        return _workflow(item)
    size = f"{item.get('width')} × {item.get('height')}"
    frames, context = item.get("frames"), item.get("context")
    text = _("{size}, {frames}, {steps}")
    if context is not None and context != frames:
        text = _("{size}, {frames} in windows of {context}, {steps}")
    text = text.format(size=size, frames=plural(int(frames or 0), "frame"), context=context,
                       steps=plural(int(item.get("steps") or 0), "step"))
    sampler = item.get("sampler")
    return f"{text}, {sampler}" if sampler else text


def _workflow(item: Mapping[str, Any]) -> str:
    name = PureWindowsPath(str(item.get("workflow") or "")).name  # it cuts at both kinds of slashes
    told = [_("workflow {name}").format(name=name) if name else _("a workflow")]
    if item.get("width") and item.get("height"):
        told.append(f"{item['width']} × {item['height']}")
    told += [plural(item[key], word) for key, word in (("frames", "frame"), ("steps", "step")) if item.get(key)]
    return ", ".join(told)


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
