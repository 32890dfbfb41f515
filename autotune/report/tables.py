"""Results for the terminal: tables by rich, and plain lines where a command must start at once.

Nothing here imports rich at module level: ``status_lines`` serves ``autotune status``, which must be quick.
All text from outside goes in as text, never as markup, with control characters taken out.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from autotune.language.translate import _
from autotune.model.failures import meaning
from autotune.report import labels, words
from autotune.report.outcome import SetResult, bounds, median, outcome, side_id, why_medians_differ
from autotune.report.plain import clean, since_lines, speed, status_lines

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.text import Text

    from autotune.model.flagset import Space

__all__ = ["clean", "folded_lines", "folded_table", "history_table", "probe_table", "show", "status_lines", "text",
           "tune_summary", "verify_table"]

Document = Mapping[str, Any]


def show(renderable: RenderableType, stream: TextIO) -> None:
    """Print to a stream: colour only on a terminal and never with NO_COLOR; never narrower than 80."""
    from rich.console import Console

    plain = bool(os.environ.get("NO_COLOR"))
    console = Console(file=stream, no_color=plain, highlight=False, emoji=False, markup=False)
    if not stream.isatty():
        console.width = max(console.width, 120)
    console.print(renderable)


def text(renderable: RenderableType, width: int = 100) -> str:
    """A renderable as plain text of at most ``width`` columns, without colour."""
    import io

    from rich.console import Console

    stream = io.StringIO()
    Console(file=stream, width=width, no_color=True, force_terminal=False, highlight=False).print(renderable)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def _text(value: object, style: str = "") -> Text:
    from rich.text import Text

    return Text(clean(value), style=style)


def _table(title: str, heads: Sequence[str], rows: Iterable[Sequence[object]], numbers: str = "",
           instead: RenderableType | None = None) -> RenderableType:
    """A table; ``numbers`` holds the places (0-9) of columns that align right. Cells may be Text already.

    ``instead``: what is shown where the window has no room for the longest words of all columns.
    """
    from rich.text import Text

    from autotune.report.fitted_table import FittedTable

    cells = [[cell if isinstance(cell, Text) else _text(cell) for cell in row] for row in rows]
    return FittedTable(title, tuple(heads), cells, numbers, instead)


def probe_table(doc: Document) -> Group:
    """What ``probe`` saw: the machine and the web UI, then candidates, exclusions and warnings."""
    from rich.console import Group

    parts: list[RenderableType] = [_table("", (_("What"), _("Found")), _probe_facts(doc))]
    tried = [c for c in doc.get("candidates") or () if not c.get("excluded")]
    out = [c for c in doc.get("candidates") or () if c.get("excluded")]
    if tried:
        rows = [(words.flags(c.get("flags", ()), c.get("settings")),) for c in tried]
        parts.append(_table(_("Candidates ({count})").format(count=len(rows)), (_("Flags and settings"),), rows))
    if out:
        rows2 = [(words.flags(c.get("flags", ()), c.get("settings")), c["excluded"]) for c in out]
        title = _("Left out ({count})").format(count=len(rows2))
        parts.append(_table(title, (_("Flags and settings"), _("Why")), rows2))
    parts += [_text(_("Warning: {text}").format(text=line), "yellow") for line in doc.get("warnings") or ()]
    return Group(*parts)


def folded_table(doc: Document, space: Space) -> Group:
    """What ``probe`` saw, with the sets to try told by what they differ in: a line a dimension, a line a reason."""
    from rich.console import Group

    parts: list[RenderableType] = [_table("", (_("What"), _("Found")), _probe_facts(doc))]
    if space.dimensions:
        parts.append(_table("", (_("Varies"), _("Levels tried")), _levels(space)))
    parts.append(_text(_count(space)))
    if space.excluded:
        parts.append(_table("", (_("Left out"), _("Why")), _reasons(space)))
    parts += [_text(_("Warning: {text}").format(text=line), "yellow") for line in doc.get("warnings") or ()]
    return Group(*parts)


def folded_lines(doc: Document, space: Space) -> list[str]:
    """The same for a pipe or a log: each fact on a line of its own, however long, without rules."""
    pairs = [*_probe_facts(doc), *_levels(space), (_("Sets"), _count(space)), *_reasons(space)]
    pairs += [(_("Warning"), line) for line in doc.get("warnings") or ()]
    return [clean(f"{what}: {found}" if what else found) for what, found in pairs]


def _levels(space: Space) -> list[tuple[str, str]]:
    """Each dimension with its levels, the one of the current set marked."""
    now = dict(space[space.baseline].levels)
    return [(one.name, ", ".join(
        _("{level} (now)").format(level=level) if level == now.get(one.name) else level for level in one.levels))
        for one in space.dimensions]


def _count(space: Space) -> str:
    text = _("That makes {sets}, the current one among them.")
    if space.excluded:
        text = _("That makes {sets}, the current one among them; {count} left out.")
    return text.format(sets=words.plural(len(space.candidates), "set"), count=len(space.excluded))


def _reasons(space: Space) -> list[tuple[str, str]]:
    """Each reason once, after the sets that are out for it: by name as long as those are few."""
    by_reason: dict[str, list[str]] = {}
    for row in space.excluded:
        by_reason.setdefault(row.reason, []).append(words.flags(row.flags.words, row.flags.settings))
    return [("; ".join(sets) if len(sets) <= FEW else _("{names} and {count} more").format(
        names=sets[0], count=len(sets) - 1), reason)
            for reason, sets in by_reason.items()]


FEW = 3
"""So many sets that are out for the same reason are named each."""


def _probe_facts(doc: Document) -> list[tuple[str, str]]:
    web, runtime = doc.get("webui") or {}, doc.get("runtime") or {}
    facts = [(_("GPU"), _gpu(gpu)) for gpu in doc.get("gpus") or ()] or [
        (_("GPU"), _("none found; the CPU is measured"))
    ]
    facts.append((_("Web UI"), _join(web.get("flavour"), web.get("version"), web.get("root"))))
    runs = web.get("running")
    facts.append((_("Runs now"), _("not known") if runs is None else _("yes, it is up") if runs else _("no")))
    facts.append((_("Launch file"), clean(web.get("launch_file"))))
    if web.get("manageable") is False:
        facts.append(("", _("cannot be managed: {why}").format(why=clean(web.get("why_not")))))
    facts.append((_("Flags tuned"), " ".join(web.get("tuned_flags") or ()) or _("(none)")))
    facts.append((_("Flags kept"), " ".join(web.get("kept_flags") or ()) or _("(none)")))
    versions = [f"{name} {runtime[name]}" for name in ("torch", "cuda", "xformers") if runtime.get(name)]
    versions += [f"{name} {number}" for name, number in (runtime.get("packages") or {}).items() if name not in runtime]
    facts.append(("Python", _join(runtime.get("python") or web.get("python"), ", ".join(versions))))
    extension = doc.get("animatediff")
    if extension:
        modules = [
            str(m["name"] if isinstance(m, Mapping) else m) for m in extension.get("motion_modules") or ()
        ]
        facts.append(
            ("AnimateDiff", _join(extension.get("version"), ", ".join(modules) or _("no motion module")))
        )
    else:
        facts.append(("AnimateDiff", _("not installed")))
    settings = doc.get("settings") or {}
    if settings:
        facts.append((_("Settings that act"), words.flags((), settings)))
    mark = doc.get("fingerprint") or {}
    facts.append((_("Fingerprint"), clean(mark.get("id") if isinstance(mark, Mapping) else mark)))
    return facts


def _gpu(gpu: Document) -> str:
    total = gpu.get("memory_total")
    size = words.memory(total) if total is not None else None
    driver = gpu.get("driver_version")
    told = _("driver {version}").format(version=driver) if driver else None
    return _join(gpu.get("name"), size, told)


def _join(*values: object) -> str:
    return ", ".join(clean(v) for v in values if v) or "–"


def tune_summary(doc: Document) -> Group:
    """The verdict of ``tune``, both sides, every set's best time, and what the tune cost."""
    from rich.console import Group
    from rich.text import Text

    found = outcome(doc)
    verdict = Text(_("Change your flags. ") if found.changes else _("Keep your flags. "))
    verdict.stylize("bold green" if found.changes else "bold")
    verdict.append(clean(found.reason), style="not bold")
    sides = [(_("current"), found.baseline), (found.name, found.other)]
    rows = [
        (
            name,
            words.flags(side.get("flags", ()), side.get("settings")),
            words.seconds(median(side)),
            _bounds(side),
            words.memory(side.get("memory_peak")),
        )
        for name, side in sides
        if side
    ]
    heads = (_("Set"), _("Flags and settings"), _("A clip"), _("Interval"), _("Peak memory"))
    parts: list[RenderableType] = [verdict, _table("", heads, rows, "234")]
    if words.has_torch_peaks(side for __, side in sides):
        peaks = [_("{name} {active} and {reserved}").format(name=name, active=active, reserved=reserved)
                 for name, side in sides if side for active, reserved in [words.torch_peaks(side, True)]]
        text = _("Torch's own peaks since the start, active and reserved: {peaks}")
        parts.append(_text(text.format(peaks="; ".join(peaks))))
    speedup = found.speedup
    if speedup:
        parts.append(_text(_("The {name} set: {speed}").format(name=found.name, speed=words.speedup_words(speedup, 3))))
    clips = (doc.get("profile") or {}).get("workload") or ()
    several = len(clips) > 1
    why = why_medians_differ(found, several)
    parts += [_text(why)] if why else []
    parts += _credit(doc)
    parts += [_text(line) for line in words.workloads(doc.get("per_workload") or (), list(map(words.workload, clips)))]
    parts += [_text(line) for line in words.longer_clips(doc.get("expected_at") or (), several)]
    parts.append(_trials(doc))
    parts += [_text(_("{flag}: not measured, {why}").format(flag=one["flag"], why=one["reason"]))
              for one in doc.get("unmeasured") or ()]
    parts.append(_text(_spent(doc)))
    return Group(*parts)


def _credit(doc: Document) -> list[RenderableType]:
    """What each flag of the tuned set does, and how that is known; nothing for a set with one flag: its speed says it
    all."""
    from rich.console import Group

    found = list(doc.get("ablation") or ())
    if len(found) < 2:
        return []
    rows = [(words.credited(row["flag"]), words.change(row["effect"]),
             _("{low} to {high}").format(low=words.change(row["low"]), high=words.change(row["high"])),
             words.credit_source(row), _("yes") if row["significant"] else _("not shown")) for row in found]
    line = _("{flag}: {effect} longer without it ({interval}), {source}; clear of zero: {clear}")
    lines = [_text(line.format(flag=flag, effect=effect, interval=interval, source=source, clear=clear))
             for flag, effect, interval, source, clear in rows]
    title = _("Which flag does what")
    heads = (_("Flag"), _("Longer without it"), _("Interval"), _("From"), _("Clear of zero"))
    return [_table(title, heads, rows, "12", Group(_text(title), *lines))]


def _bounds(side: SetResult) -> str:
    found = bounds(side)
    return "–" if found is None else _("{low} to {high}").format(
        low=words.seconds(found[0]), high=words.seconds(found[1]))


def _trials(doc: Document) -> RenderableType:
    """One row a set: its fastest trial, or how it failed."""
    best: dict[str, Document] = {}
    for trial in doc.get("trials") or ():
        name = side_id(trial)
        old = best.get(name)
        if old is None or _rank(trial) < _rank(old):
            best[name] = trial
    named = labels.short(best)
    ordered = sorted(best.items(), key=lambda item: (_rank(item[1]), item[0]))
    rows = [
        (
            named[name],
            words.flags(t.get("flags", ()), t.get("settings")),
            _fastest(doc, name),
            meaning(t.get("failure")).title if t.get("failure") else "",
        )
        for name, t in ordered
    ]
    title = _("Sets measured ({count})").format(count=len(rows))
    if any(row[2].startswith(words.ABOUT) for row in rows):
        title = _("{title}; {mark}: told from clips with fewer steps").format(title=title, mark=words.ABOUT.strip())
    return _table(title, (_("Set"), _("Flags and settings"), _("Fastest clip"), _("Failed")), rows, "2")


def _fastest(doc: Document, name: str) -> str:
    """Seconds of the fastest good clip of a set, whichever trial it was in: of the whole ones where there are any."""
    mine = [trial for trial in doc.get("trials") or () if side_id(trial) == name and not trial.get("failure")]
    timed = [trial for trial in mine if trial.get("samples") or trial.get("seconds") is not None]
    mine = [trial for trial in timed if trial.get("steps") is None] or timed
    clips = [float(seconds) for trial in mine for seconds in trial.get("samples") or ()]
    clips += [float(one["seconds"]) for one in mine if not one.get("samples") and one.get("seconds") is not None]
    about = words.ABOUT if any(trial.get("steps") is not None for trial in mine) else ""
    return about + words.seconds(min(clips, default=None))


def _rank(trial: Document) -> float:
    seconds = trial.get("seconds")
    return float("inf") if seconds is None or trial.get("failure") else float(seconds)


def _spent(doc: Document) -> str:
    cost = doc.get("cost") or {}
    names = {"measuring": _("measuring"), "startup": _("startup"), "warmup": _("warmup"), "waiting": _("waiting"),
             "search": _("search")}
    parts = [f"{name} {words.seconds(cost[key])}" for key, name in names.items() if cost.get(key)]
    return _("Took {time} ({launches}, {clips}): {parts}").format(
        time=words.seconds(cost.get("wall")), launches=words.plural(int(doc.get("launches") or 0), "launch"),
        clips=words.plural(int(doc.get("clips") or 0), "clip"), parts=", ".join(parts) or "–")


def history_table(rows: Iterable[Document]) -> RenderableType:
    """Every tune, apply and rollback with its cause, newest last.

    A row's keys: at (ISO time), verb, cause, result and code (the exit code); also decision, message, speedup (a number
    or its document), study, checkpoint, flags, settings where they apply.
    """
    kept = list(rows)
    body = [
        (
            words.moment(str(row.get("at") or "")),
            row.get("verb"),
            row.get("cause"),
            _end(row),
            words.flags(row["flags"], row.get("settings")) if row.get("flags") is not None else "",
            speed(row.get("speedup")),
            row.get("checkpoint") or row.get("study"),
        )
        for row in kept
    ]
    heads = (_("When"), _("What"), _("Cause"), _("End"), _("Flags and settings"), _("Speed"), _("Id"))
    return _table("", heads, body, "5", _entries(body))


def _entries(body: Iterable[Sequence[object]]) -> RenderableType:
    """The same for a narrow window: an entry a paragraph."""
    from rich.console import Group
    from rich.padding import Padding

    parts: list[RenderableType] = []
    for when, what, cause, end, flags, faster, name in body:
        head = _text(f"{clean(when)}  {clean(what)} ({clean(cause)})", "bold")
        rest = [_text(f"{end}, {faster}" if faster else end), *(_text(value) for value in (flags, name) if value)]
        parts += [head, *(Padding(one, (0, 0, 0, 2)) for one in rest)]
    return Group(*parts)


def _end(row: Document) -> str:
    """How it ended: a tune or a check with its decision; what did not come to its end with exit code and reason."""
    if row.get("code"):
        return _("{result} (exit {code}): {message}").format(
            result=row.get("result"), code=row["code"], message=row.get("message"))
    return str(row.get("decision") or row.get("result") or "done")


def verify_table(doc: Document) -> Group:
    """Each managed flag: in the file, on the command line, in effect."""
    from rich.console import Group

    rows = [
        (item["flag"], *(_answer(item.get(key)) for key in ("in_file", "on_command_line", "in_effect")))
        for item in doc.get("flags") or ()
    ]
    end = (
        _text(_("All is as written."), "green") if doc.get("ok") else _text(_("Not all is as written."), "bold red")
    )
    table = _table("", (_("Flag"), _("In the file"), _("On the command line"), _("In effect")), rows)
    return Group(table, *(_text(line) for line in _verify_notes(doc)), end)


def _verify_notes(doc: Document) -> list[str]:
    """Why a flag is not as written, settings that are not, what became of the file, and who was asked."""
    lines = [
        _("{flag}: {why}").format(flag=item["flag"], why=item.get("why")) if item.get("expected") else
        _("{flag}: not part of what was applied").format(flag=item["flag"])
        for item in doc.get("flags") or () if item.get("ok") is False and (item.get("why") or not item.get("expected"))
    ]
    lines += [
        _("{setting}: {now} instead of {expected}").format(
            setting=item["setting"], now=clean(item.get("now")), expected=clean(item.get("expected")))
        for item in doc.get("settings") or ()
    ]
    lines += [clean(line) for line in doc.get("words") or ()]
    lines += [_("Not certain: {what}").format(what=clean(doc["depends"]))] if doc.get("depends") else []
    lines += since_lines(doc)
    return lines + ([_("Asked: {who}").format(who=clean(doc["asked"]))] if doc.get("asked") else [])


def _answer(value: object) -> Text:
    if value is None:
        return _text(_("not seen"), "dim")
    return _text(_("yes"), "green") if value else _text(_("no"), "bold red")
