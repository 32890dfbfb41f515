"""What the page says about a tune, as plain values and sentences; the templates lay them out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from autotune.language.translate import _
from autotune.report import charts, words
from autotune.report.outcome import Outcome, SetResult, bounds, median, medians_differ, why_medians_differ
from autotune.report.rows import Story, cost_parts, pairs
from autotune.report.use_line import use_line
from autotune.secrets.mask import masked


@dataclass(frozen=True, slots=True)
class KeyFigure:
    """One of the few figures under the headline; ``colour``: "now", "tuned" or none."""

    name: str
    colour: str
    value: str
    note: str


@dataclass(frozen=True, slots=True)
class SideRow:
    """One side of the comparison, as text for its row of the table."""

    name: str
    colour: str
    flags: str
    cells: tuple[str, ...]


def page_facts(story: Story, diff: str | None) -> dict[str, Any]:
    """Every value that ``page.html`` asks for. ``diff``: the change as a unified diff, None when there is none."""
    found, tune, document = story.outcome, story.tune, story.document
    web, profile, mark = document.get("webui") or {}, document.get("profile") or {}, tune.get("fingerprint")
    blocks, rows, workloads = pairs(story), [row for row in story.rows if row.clips], range(len(story.workloads))
    spent = [(text, value) for _, text, value in cost_parts(tune) if value > 0]
    return {
        "story": story,
        "tune": tune,
        "found": found,
        "stand_in": bool(document.get("stand_in")),
        "where": [x for x in (document.get("gpu"), " ".join(str(web[k]) for k in ("flavour", "version") if web.get(k)),
                              words.moment(document.get("created"))) if x],
        "headline": headline(story),
        "key_figures": key_figures(story),
        "current": _flags(found.baseline),
        "other": _flags(found.other),
        "diff": diff_lines(diff),
        "sides": _side_rows(story),
        "torch": tuple(map(_, words.TORCH)) if _has_torch(story) else (),
        "torch_clips": tuple(map(_, words.TORCH)) if any(s.torch_active is not None for s in story.samples) else (),
        "confidence": _confidence(story),
        "verdict": _verdict(found.speedup),
        "why_medians_differ": why_medians_differ(found, len(story.workloads) > 1),
        "per_workload": words.workloads(tune.get("per_workload") or (), story.workloads),
        "longer": words.longer_clips(tune.get("expected_at") or (), len(story.workloads) > 1),
        "pairs": len(blocks),
        "faster": sum(p.winner < p.baseline for p in blocks),
        "confirmation": charts.confirmation(story),
        "picture": picture(tune.get("image")) if found.changes else "",
        "rows": rows,
        "sets": [charts.sets(story, number) for number in workloads],
        "medians": [_("Median")] if len(workloads) == 1 else [
            _("Median, clip {number}").format(number=number + 1) for number in workloads],
        "any_short": any(row.is_shortened(number) for row in rows for number in workloads),
        "time_memory": charts.time_memory(story),
        "memory_known": any(row.memory_peak is not None for row in story.rows),
        "memory_untold": tune.get("memory_untold"),
        "credit": list(tune.get("ablation") or ()),
        "effects": charts.effects(story),
        "failed": [(row, name, detail) for row in story.rows for name, detail in row.failures],
        "unmeasured": list(tune.get("unmeasured") or ()),
        "excluded": list(tune.get("excluded") or ()),
        "use": use_line(document.get("use") or {}),
        "use_said": document.get("use") or {},
        "spent": spent,
        "spent_whole": sum(value for _, value in spent),
        "wall": float((tune.get("cost") or {}).get("wall") or 0.0),
        "some_shortened": any(s.rendered is not None for s in story.samples),
        "effort": _effort(story),
        "objective": document.get("objective"),
        "profile": profile.get("name") if isinstance(profile, Mapping) else profile,
        "fingerprint": mark.get("id") if isinstance(mark, Mapping) else mark,
        "root": web.get("root"),
    }


def _confidence(story: Story) -> str:
    return words.percent(float((story.outcome.speedup or {}).get("confidence") or 0.95))


def headline(story: Story) -> str:
    """The verdict in one plain sentence."""
    return headline_of(story.outcome)


def headline_of(found: Outcome) -> str:
    """The verdict on an outcome in one plain sentence."""
    if not found.changes:
        if not found.measured:
            return _("Keep your flags: nothing could be measured.")
        return _("Keep your flags: nothing better was proven.")
    if found.speedup and found.speedup["estimate"] >= 1.0 and found.baseline and found.other:
        now, then = (words.seconds(median(side)) for side in (found.baseline, found.other))
        times = words.gain(found.speedup["estimate"])
        if medians_differ(found):
            return _("Change your flags: clips render {times} as fast.").format(times=times)
        text = _("Change your flags: clips render {times} as fast, {then} instead of {now}.")
        return text.format(times=times, then=then, now=now)
    if found.saving and found.saving > 0:
        return _("Change your flags: clips need {memory} less memory.").format(memory=words.memory(found.saving))
    return _("Change your flags.")


def key_figures(story: Story) -> list[KeyFigure]:
    """The few figures under the headline."""
    found = story.outcome
    figures = []
    for name, colour, side in ((_("Now"), "now", found.baseline), (found.name.capitalize(), "tuned", found.other)):
        if side and median(side) is not None:
            note = _("a clip, {interval}").format(interval=_interval(side)) if bounds(side) else _("a clip")
            figures.append(KeyFigure(name, colour, words.seconds(median(side)), note))
    if found.speedup:
        note = _("{low:.2f} to {high:.2f}, {confidence} interval").format(
            low=found.speedup["low"], high=found.speedup["high"], confidence=_confidence(story))
        figures.append(KeyFigure(_("Speed"), "", f"{found.speedup['estimate']:.2f} ×", note))
    if found.saving is not None and found.changes:
        sign = "−" if found.saving >= 0 else "+"
        saved = f"{sign}{words.memory(abs(found.saving))}"
        figures.append(KeyFigure(_("Peak memory"), "", saved, _("against your flags")))
    wall = (story.tune.get("cost") or {}).get("wall")
    if wall:
        figures.append(KeyFigure(_("This tune took"), "", words.seconds(wall), _effort(story)))
    return figures


def _effort(story: Story) -> str:
    launches = int(story.tune.get("launches") or len(story.launches))
    clips = int(story.tune.get("clips") or len(story.samples))
    return f"{words.plural(launches, 'launch')}, {words.plural(clips, 'clip')}"


def _interval(side: SetResult) -> str:
    found = bounds(side)
    if found is None:
        return "–"
    text = _("{low} to {high}").format(low=words.seconds(found[0]), high=words.seconds(found[1]))
    return text.replace(" s to", " to")


def _flags(side: SetResult | None) -> str:
    return words.flags(side.get("flags", ()), side.get("settings")) if side else ""


def diff_lines(text: str | None) -> list[tuple[str, str]]:
    """The lines of a unified diff, credentials masked, each with its kind: "add", "del", "at" (a heading) or ""."""
    lines = masked(text or "").splitlines()
    kinds = {"+": "add", "-": "del", "@": "at"}
    return [("at" if line.startswith(("+++", "---")) else kinds.get(line[:1], ""), line) for line in lines]


def _has_torch(story: Story) -> bool:
    return words.has_torch_peaks((story.outcome.baseline, story.outcome.other))


def _side_rows(story: Story) -> list[SideRow]:
    found = story.outcome
    sides = ((_("Current"), "now", found.baseline), (found.name.capitalize(), "tuned", found.other))
    return [
        SideRow(name, colour, _flags(side), (
            words.seconds(median(side)), _interval(side), words.memory(side.get("memory_peak")),
            *words.torch_peaks(side, _has_torch(story)), str(side.get("launches", "–")), str(side.get("samples", "–"))))
        for name, colour, side in sides if side
    ]


def _verdict(speedup: Mapping[str, Any] | None) -> str:
    """What the interval of the speedup means."""
    if not speedup:
        return ""
    if speedup["low"] > 1:
        return _("It excludes 1, so the gain is not chance.")
    if speedup["high"] >= 1:
        return _("It contains 1, so these clips do not show a gain.")
    return _("It lies below 1: slower.")


def picture(image: Mapping[str, Any] | None) -> str:
    """How alike the frames of both sets are; empty text where that was not compared."""
    if not image or image.get("valid") is False:
        return ""
    valid = _("The clips of both sets were animated and valid.")
    ssim, psnr = image.get("ssim"), image.get("psnr")
    if ssim is None:
        return valid
    if ssim >= 0.99995:
        text = _("The picture: at the same seed, frames of both sets are identical. {valid}")
    elif psnr is not None and psnr < 1000:
        text = _("The picture: at the same seed, frames of both sets are {ssim:.4f} of 1 alike (SSIM), PSNR {psnr:.1f} "
                 "dB. {valid}")
    else:
        text = _("The picture: at the same seed, frames of both sets are {ssim:.4f} of 1 alike (SSIM). {valid}")
    return text.format(ssim=ssim, psnr=psnr, valid=valid)
