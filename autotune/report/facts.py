"""The page's sections, each from a Story to HTML; one that has nothing to say is empty text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autotune.model.failures import meaning
from autotune.report import charts, words
from autotune.report.elements import code, diff, esc, figure, prose, section, table
from autotune.report.outcome import Side, bounds, median
from autotune.report.rows import SetRow, Story, pairs
from autotune.report.rows import cost as cost_parts

_DOTS = (
    "Each dot is one clip, the bar its set's median. Filled: a process started with just this set. "
    "Hollow: switched to it in a running process. The axis does not start at zero."
)
ABOUT_SHORT = "told from clips with fewer steps, as no whole one was rendered: it may be off by some percent"
TORCH_PEAKS = (
    "Peak memory is the card's own figure while timed clips were rendered. Torch's peaks are of all that a process of "
    "this set alone did since its start, loading and its first clip included: torch never resets them."
)
_VALID = "The clips of both sets were animated and valid."


def _confidence(told: Story) -> str:
    return words.percent(float((told.outcome.speedup or {}).get("confidence") or 0.95))


def headline(told: Story) -> str:
    """The verdict in one plain sentence."""
    found = told.outcome
    if not found.changes:
        if not found.measured:
            return "Keep your flags: nothing could be measured."
        return "Keep your flags: nothing better was proven."
    if found.speedup and found.speedup["estimate"] >= 1.0 and found.baseline and found.other:
        now, then = (words.seconds(median(side)) for side in (found.baseline, found.other))
        times = words.gain(found.speedup["estimate"])
        return f"Change your flags: clips render {times} as fast, {then} instead of {now}."
    if found.saving and found.saving > 0:
        return f"Change your flags: clips need {words.memory(found.saving)} less memory."
    return "Change your flags."


def key_figures(told: Story) -> str:
    """The few figures under the headline."""
    found = told.outcome
    items: list[tuple[str, str, str, str]] = []
    for name, css, side in (("Now", "now", found.baseline), (found.name.capitalize(), "tuned", found.other)):
        if side and median(side) is not None:
            note = f"a clip, {_span(side)}" if bounds(side) else "a clip"
            items.append((name, css, words.seconds(median(side)), note))
    if found.speedup:
        low, high = found.speedup["low"], found.speedup["high"]
        note = f"{low:.2f} to {high:.2f}, {_confidence(told)} interval"
        items.append(("Speed", "", f"{found.speedup['estimate']:.2f} ×", note))
    if found.saving is not None and found.changes:
        sign = "−" if found.saving >= 0 else "+"
        items.append(("Peak memory", "", f"{sign}{words.memory(abs(found.saving))}", "against your flags"))
    wall = (told.tune.get("cost") or {}).get("wall")
    if wall:
        items.append(("This tune took", "", words.seconds(wall), _effort(told)))
    body = "".join(
        f'<div><dt>{esc(n)}</dt><dd class="{css}">{prose(v)}<small>{prose(note)}</small></dd></div>'
        for n, css, v, note in items
    )
    return f'<dl class="figures">{body}</dl>' if body else ""


def _effort(told: Story) -> str:
    tune = told.tune
    return (
        f"{words.plural(int(tune.get('launches') or len(told.launches)), 'launch')}, "
        f"{words.plural(int(tune.get('clips') or len(told.samples)), 'clip')}"
    )


def _span(side: Side) -> str:
    found = bounds(side)
    if found is None:
        return "–"
    return f"{words.seconds(found[0])} to {words.seconds(found[1])}".replace(" s to", " to")


def _set(side: Side | None) -> str:
    return words.flags(side.get("flags", ()), side.get("settings")) if side else ""


def change(told: Story, apply_diff: str | None) -> str:
    """What to write, as a diff, and how to take it back."""
    found = told.outcome
    if not found.changes:
        kept = (
            f"<p>Your tuning flags stay as they are: {code(_set(found.baseline))}</p>"
            if found.baseline
            else ""
        )
        return section("change", "What to change", "<p>Nothing.</p>" + kept)
    body = diff(apply_diff) if apply_diff else f"<p>Tuning flags to use: {code(_set(found.other))}</p>"
    return section(
        "change",
        "What to change",
        body,
        "<p><code>autotune apply</code> shows this again, asks, writes it and starts the web UI once to see "
        "that it is in effect. <strong>To undo it:</strong> <code>autotune rollback</code> puts the file "
        "back, byte for byte.</p>",
    )


def compared(told: Story) -> str:
    """Current against tuned flags, side by side, and the pairs that decided."""
    found = told.outcome
    torch = words.torch_told((found.baseline, found.other))
    rows = [
        (
            f'<span class="{css}">{name}</span>',
            code(_set(side)),
            words.seconds(median(side)),
            _span(side),
            words.memory(side.get("memory_peak")),
            *words.torch_peaks(side, torch),
            str(side.get("launches", "–")),
            str(side.get("samples", "–")),
        )
        for name, css, side in (
            ("Current", "now", found.baseline),
            (found.name.capitalize(), "tuned", found.other),
        )
        if side
    ]
    if not rows:
        return ""
    heads = ("Set", "Flags and settings", "Seconds a clip", "Interval", "Peak memory", *words.TORCH[:2 * torch],
             "Launches", "Clips")
    blocks = pairs(told)
    faster = sum(p.winner < p.baseline for p in blocks)
    proof = (
        figure(
            charts.paired(told),
            f"The proof: {words.plural(len(blocks), 'pair')} from fresh launches, the sets taken in turn, "
            f'current flags (<span class="now">square</span>) against the {found.name} set '
            f'(<span class="tuned">diamond</span>), which was faster in {faster} of {len(blocks)}. '
            "The search did not use these clips.",
        )
        if blocks
        else ""
    )
    return section(
        "compared",
        f"Current against {found.name}",
        table(f"Current against {found.name}", heads, rows, "hw" + "n" * (len(heads) - 2)),
        f"<p>{TORCH_PEAKS}</p>" if torch else "",
        _speed_text(told),
        "".join(f"<p>{prose(line)}</p>"
                for line in (*words.workloads(told.tune.get("per_workload") or (), told.workloads),
                             *words.longer_clips(told.tune.get("expected_at") or (), len(told.workloads) > 1))),
        proof,
        _image(told.tune.get("image")) if found.changes else "",
    )


def _speed_text(told: Story) -> str:
    found, speedup = told.outcome, told.outcome.speedup
    if not speedup:
        return ""
    low, high = speedup["low"], speedup["high"]
    clear = "It excludes 1, so the gain is not chance."
    if low <= 1:
        clear = (
            "It contains 1, so these clips do not show a gain." if high >= 1 else "It lies below 1: slower."
        )
    interval = prose(f"{_confidence(told)} interval {low:.3f} to {high:.3f}")
    return (
        f"<p>Time with the current flags over time with the {found.name} set: "
        f"<strong>{speedup['estimate']:.3f}</strong>, {interval}. {clear}</p>"
    )


def _image(image: Mapping[str, Any] | None) -> str:
    if not image:
        return ""
    if image.get("valid") is False:
        return '<p class="bad">The clips did not pass the image check.</p>'
    ssim, psnr = image.get("ssim"), image.get("psnr")
    if ssim is None:
        return f"<p>{_VALID}</p>"
    alike = "identical" if ssim >= 0.99995 else f"{ssim:.4f} of 1 alike (SSIM)"
    more = f", PSNR {psnr:.1f} dB" if psnr is not None and psnr < 1000 and ssim < 0.99995 else ""
    text = f"The picture: at the same seed, frames of both sets are {alike}{more}. {_VALID}"
    return f"<p>{prose(text)}</p>"


def every_set(told: Story) -> str:
    """All sets' clips as dots, one plot a workload, and the same as a table."""
    if not any(row.clips for row in told.rows):
        return ""
    drawings = []
    for number, text in enumerate(told.workloads):
        heading = f"<h3>{esc(text)}</h3>" if len(told.workloads) > 1 else ""
        caption = _DOTS if number == len(told.workloads) - 1 else ""
        drawings.append(heading + figure(charts.sets(told, number), caption))
    heads = (
        "Set",
        "Flags and settings",
        *(_column(told, n) for n in range(len(told.workloads))),
        "Clips",
        "Peak memory",
    )
    rows = [
        (
            _label(row),
            code(row.written) if row.written else "–",
            *(_told(row, n) for n in range(len(told.workloads))),
            str(len(row.clips)),
            words.memory(row.memory_peak),
        )
        for row in told.rows
        if row.clips
    ]
    kinds = "hw" + "n" * (len(told.workloads) + 2)
    return section(
        "sets",
        "Every set that was measured",
        *drawings,
        "<details><summary>As a table</summary>",
        table("Every set", heads, rows, kinds),
        f"<p>{words.ABOUT}: {ABOUT_SHORT}.</p>" if _any_short(told) else "",
        "</details>",
    )


def _any_short(told: Story) -> bool:
    return any(row.short(n) for row in told.rows for n in range(len(told.workloads)))


def _column(told: Story, number: int) -> str:
    return "Median" if len(told.workloads) == 1 else f"Median, clip {number + 1}"


def _told(row: SetRow, workload: int) -> str:
    """Median seconds of a set, marked where they are told from short clips."""
    text = words.seconds(row.median(workload))
    return f'<span title="{ABOUT_SHORT}">{words.ABOUT}{text}</span>' if row.short(workload) else text


def _label(row: SetRow) -> str:
    colour = "now" if row.role == "baseline" else "tuned"
    return esc(row.label) + (f' <span class="tag {colour}">{esc(row.tag)}</span>' if row.tag else "")


def memory(told: Story) -> str:
    """Time against memory."""
    drawing = charts.time_memory(told)
    if not drawing:
        known = any(row.memory_peak is not None for row in told.rows)
        if known or not told.rows:
            return ""
        return section(
            "memory", "Time against memory", "<p>Nothing on this machine told the clips' peak memory.</p>"
        )
    untold = told.tune.get("memory_untold")
    return section(
        "memory",
        "Time against memory",
        figure(drawing, "One point a set: lower left is better. Memory is the highest peak of its process."),
        f"<p>Memory is the growth of all that was in use on the card: {esc(untold)}.</p>" if untold else "",
    )


def flags(told: Story) -> str:
    """What each flag of the tuned set is worth."""
    items = list(told.tune.get("ablation") or ())
    if not items:
        return ""
    rows = [
        (
            code(a["flag"]),
            words.change(a["effect"]),
            f"{words.change(a['low'])} to {words.change(a['high'])}",
            words.credit_source(a),
            "yes" if a["significant"] else "not shown",
        )
        for a in items
    ]
    return section(
        "flags",
        "Which flag does what",
        figure(charts.effects(told), "How much longer clips take when one flag of the tuned set is left out."),
        table(
            "Effect of each flag", ("Flag", "Longer without it", "Interval", "From", "Clear of zero"), rows, "hnntt"
        ),
    )


def failures(told: Story) -> str:
    """Sets that failed, with the class and what to do."""
    bad = [row for row in told.rows if row.failures]
    items = []
    for row in bad:
        for name, said in row.failures:
            written = f" {code(row.written)}" if row.written and row.written != "(none)" else ""
            detail = f'<br><span class="note">{esc(said)}</span>' if said else ""
            some = " (other clips of it succeeded)" if row.clips else ""
            items.append(
                f"<li><strong>{esc(row.label)}</strong>{written}: "
                f'<span class="bad">{esc(meaning(name).title)}</span> {code(name)}{some}'
                f"<br>{esc(meaning(name).of_a_set)}{detail}</li>"
            )
    listed = f'<ul class="plain">{"".join(items)}</ul>' if items else ""
    return section("failures", "Sets that failed" if items else "Sets left out", listed, _unmeasured(told),
                   _left_out(told))


def _unmeasured(told: Story) -> str:
    """Flags that no measured set had, with the reason."""
    rows = [(code(one["flag"]), esc(one["reason"])) for one in told.tune.get("unmeasured") or ()]
    return table("Not measured", ("Not measured", "Why"), rows, "hw") if rows else ""


def _left_out(told: Story) -> str:
    rows = [
        (code(words.flags(one.get("flags", ()), one.get("settings"))), esc(one.get("reason") or ""))
        for one in told.tune.get("excluded") or ()
    ]
    if not rows:
        return ""
    made = table("Sets left out", ("Flags and settings", "Why"), rows, "ww")
    return f"<details><summary>{words.plural(len(rows), 'set')} left out unmeasured</summary>{made}</details>"


def cost(told: Story) -> str:
    """Where the session's time went, as a bar and as a table."""
    found = [(name, text, value) for name, text, value in cost_parts(told.tune) if value > 0]
    wall = float((told.tune.get("cost") or {}).get("wall") or 0.0)
    whole = sum(value for _, _, value in found)
    if not found or whole <= 0:
        return ""
    bar = "".join(
        f'<i class="p{i + 1}" style="flex:{value / whole:.5f} 1 0" '
        f'title="{esc(text)}: {words.seconds(value)}"></i>'
        for i, (_, text, value) in enumerate(found)
    )
    rows = [
        (
            f'<span class="key p{i + 1}"></span>{esc(text)}',
            words.seconds(value),
            words.percent(round(value / whole, 3)),
        )
        for i, (_, text, value) in enumerate(found)
    ]
    rows.append(("In all", words.seconds(wall or whole), ""))
    alt = "; ".join(f"{text} {words.percent(round(value / whole, 2))}" for _, text, value in found)
    return section(
        "cost",
        "Where the time went",
        f'<div class="bar" role="img" aria-label="{esc(alt)}">{bar}</div>',
        table("Where the time went", ("Part", "Time", "Share"), rows, "hnn"),
    )


def _about_short(told: Story) -> str:
    """What the seconds of a clip with fewer steps are; empty text where there is none."""
    if not any(s.rendered is not None for s in told.samples):
        return ""
    return ("<p>The search rendered some clips with fewer steps. Their seconds are what a whole clip takes by them: "
            "the current flags and another set were rendered both ways and agreed (state &ldquo;check&rdquo;, which a "
            "longer clip after the comparison has too: it checks what is said of longer clips). The "
            "comparison that decides rests on whole clips alone.</p>")


def raw(told: Story) -> str:
    """Every clip and every launch, as recorded."""
    if not told.samples and not told.launches:
        return ""
    clips = [
        (
            str(s.number),
            esc(told.names.get(s.candidate, s.candidate)),
            s.purpose,
            str(s.launch),
            "own" if s.cold else "live",
            str(s.workload + 1),
            str(s.round),
            s.state if s.steps is None else f"{s.state}, {s.steps} steps",
            "–" if s.seconds is None else f"{s.seconds:.4f}",
            *("–" if mib is None else f"{mib:.0f}" for mib in (s.memory_peak, s.torch_active, s.torch_reserved)),
            "–" if s.ssim is None else f"{s.ssim:.4f}",
            esc(f"{s.failure or ''} {s.detail}".strip()),
        )
        for s in told.samples
    ]
    starts = [
        (
            str(x.number),
            esc(told.names.get(x.candidate, x.candidate)),
            f"{x.startup:.2f}",
            "own" if x.cold else "shared",
            esc(f"{x.failure or ''} {x.detail}".strip()),
        )
        for x in told.launches
    ]
    heads = (
        "Clip",
        "Set",
        "Purpose",
        "Launch",
        "Start",
        "Workload",
        "Round",
        "State",
        "Seconds",
        "MiB",
        "Torch active",
        "Torch reserved",
        "SSIM",
        "Failure",
    )
    return section(
        "raw",
        "Raw figures",
        f"<details><summary>{words.plural(len(clips), 'clip')}</summary>",
        _about_short(told),
        table("Clips", heads, clips, "nhtntnntnnnnnw"),
        "</details>",
        f"<details><summary>{words.plural(len(starts), 'launch')}</summary>",
        table("Launches", ("Launch", "Set", "Seconds to ready", "Start", "Failure"), starts, "nhntw"),
        "</details>",
    )
