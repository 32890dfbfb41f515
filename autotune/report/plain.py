"""What `status` prints: plain lines, from a module that imports next to nothing, so that it starts at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autotune.language.translate import N_, _
from autotune.report import words
from autotune.report.wrap import columns
from autotune.secrets.mask import masked

Document = Mapping[str, Any]


def clean(value: object) -> str:
    """Text safe to print: one line, no control characters, credentials masked; "–" for nothing."""
    if value is None or value == "":
        return "–"
    return masked("".join(c if c.isprintable() else " " for c in str(value)))


def speed(value: object) -> str:
    """A speedup, or the estimate of its document, as a factor ("1.47 ×"); empty text for anything else."""
    if isinstance(value, Mapping):
        value = value.get("estimate")
    return f"{value:.2f} ×" if isinstance(value, (int, float)) else ""


def _line(label: str, text: object) -> str:
    """A line of `status`: a label, translated and as wide as the others, and what it says."""
    head = f"{label}:"
    return f"{head}{' ' * max(1, 11 - columns(head))}{text}"


def status_lines(doc: Document) -> list[str]:
    """What is applied, since when, how good, what has changed since, and what the agent is doing."""
    applied = doc.get("applied")
    if applied:
        flags = (
            applied
            if isinstance(applied, str)
            else words.flags(
                applied.get("flags", ()) if isinstance(applied, Mapping) else applied,
                applied.get("settings") if isinstance(applied, Mapping) else None,
            )
        )
        lines = [_line(_("Applied"), clean(flags)), _line(_("Since"), clean(words.moment(doc.get("since"))))]
        faster = speed(doc.get("speedup"))
        told = _("{speed} of the flags before").format(speed=faster) if faster else _("not measured")
        lines.append(_line(_("Speed"), told))
    else:
        lines = [_line(_("Applied"), _("nothing by autotune"))]
    lines += since_lines(doc) if applied else []
    lines += _install_lines(doc.get("install"))
    if doc.get("slower"):
        lines.append(_line(_("Slower"), clean(doc["slower"])))
    stale = [str(s.get("part") or s) if isinstance(s, Mapping) else str(s) for s in doc.get("stale") or ()]
    lines.append(_line(_("Changed"), clean(", ".join(stale)) if stale else _("nothing since")))
    if doc.get("depends"):
        lines.append(_line(_("Uncertain"), clean(doc["depends"])))
    lines += _tab_lines(doc.get("tab"))
    return lines + _work_lines(doc) + _asked_lines(doc.get("asked_tune")) + _daemon_lines(doc.get("daemon"))


def _tab_lines(tab: object) -> list[str]:
    """The tab in the web UI's page, where it is installed."""
    if not isinstance(tab, Mapping):
        return []
    if tab.get("outdated") or tab.get("changed"):
        text = _("installed, not as this version has it; `autotune extension status` tells more")
    else:
        text = _("installed in the web UI's page")
    return [_line(_("Tab"), text)]


def _asked_lines(asked: object) -> list[str]:
    """The tune that was asked for and waits."""
    if not isinstance(asked, Mapping):
        return []
    text = _("a tune when you are away ({since}); `autotune ask cancel` takes it back")
    if asked.get("when") != "away":
        text = _("a tune when your web UI is closed ({since}); `autotune ask cancel` takes it back")
    return [_line(_("Asked for"), text.format(since=clean(words.moment(asked.get("since")))))]


def explain_lines(doc: Document) -> list[str]:
    """Since when clips are slower, what changed then, and what to do."""
    lines = [clean(doc.get("text"))]
    if doc.get("state") in ("slower", "given_back") and not doc.get("changed"):
        lines.append(_(NOTHING_CHANGED))
    lines += [clean(sentence) for sentence in doc.get("around") or ()]
    return [*lines, *(clean(doc[key]) for key in ("advice", "starts") if doc.get(key))]


NOTHING_CHANGED = N_("Nothing that autotune looks at was changed then: not the driver, the web UI, its packages, "
                     "extensions, models, settings or flags.")


def _work_lines(doc: Document) -> list[str]:
    """What runs now, a tune that has no verdict yet, and sets that ran when the machine went down."""
    now, begun = doc.get("running"), doc.get("unfinished")
    lines = []
    if now:
        text = _("{verb} (pid {pid}) since {moment}")
        lines.append(_line(_("Running"), text.format(
            verb=clean(now.get("verb")), pid=clean(now.get("pid")), moment=clean(words.moment(now.get("since"))))))
        lines += [_line(_("  so far"), _progress(now["progress"]))] if now.get("progress") else []
    elif begun:
        text = _("the tune {study} has no verdict yet: {progress}")
        lines.append(_line(_("Not done"), text.format(study=clean(begun.get("study")), progress=_progress(begun))))
        lines.append(f"  {clean(begun.get('hint'))}")
    for pid in doc.get("ending") or ():
        text = _("the web UI of an autotune that was killed, by its guard (pid {pid}); it puts back what that wrote")
        lines.append(_line(_("Ending"), text.format(pid=clean(pid))))
    for one in doc.get("machine_down") or ():
        text = _("the machine did while {flags} ran ({moment}); `autotune tune --fresh` tries it again")
        lines.append(_line(_("Went down"), text.format(
            flags=clean(words.flags(one.get("flags") or ())), moment=clean(words.moment(one.get("at"))))))
    return lines


def _progress(study: Document) -> str:
    counted = ", ".join(words.plural(int(study.get(key) or 0), noun)
                        for key, noun in (("clips", "clip"), ("sets", "set"), ("launches", "launch")))
    return _("{counts}, {spent} of {budget}").format(
        counts=counted, spent=words.seconds(study.get("spent")), budget=words.seconds(study.get("budget")))


_SINCE = {
    "before": N_("{name} was put back since autotune wrote it (a git pull, or its owner)"),
    "edited": N_("{name} was edited since autotune wrote it"),
    "missing": N_("{name} is gone"),
}


def since_lines(doc: Document) -> list[str]:
    """What became of the launch file since it was written: nothing to say where it stands as written."""
    name = str(doc.get("file") or _("the launch file")).replace("\\", "/").rsplit("/", 1)[-1]
    change = _SINCE.get(str(doc.get("file_since_apply")))
    lines = [_line(_("File"), _(change).format(name=clean(name)))] if change else []
    return lines + ([_line(_("Drift"), clean(doc.get("drift")))] if doc.get("drift") else [])


def _install_lines(install: object) -> list[str]:
    """For an install whose flags are not managed: why, and where they go."""
    if not isinstance(install, Mapping) or install.get("manageable") is not False:
        return []
    return [_line(_("Install"), _("not managed: {why}").format(why=clean(install.get("why_not")))),
            "  " + _("flags go here: {place}").format(place=clean(install.get("where_flags_go")))]


def _daemon_lines(daemon: object) -> list[str]:
    from autotune.overview.status import lives

    if not isinstance(daemon, Mapping) or not daemon.get("running") or not lives(daemon.get("pid")):
        known = daemon.get("doing") if isinstance(daemon, Mapping) else None
        text = _("not running ({doing})") if known else _("not running")
        lines = [_line(_("Agent"), text.format(doing=clean(known)))]
    else:
        text = _("{doing} (pid {pid})")
        lines = [_line(_("Agent"), text.format(doing=clean(daemon.get("doing") or _("watching")),
                                               pid=clean(daemon.get("pid"))))]
    if not isinstance(daemon, Mapping):
        return lines
    lines += [_line(_("  waiting"), clean(reason)) for reason in daemon.get("waiting") or ()]
    if daemon.get("asked"):
        lines.append(_line(_("  asked"), _("please close your web UI; what is due begins then")))
    lines += [_line(_("  due"), clean(cause)) for cause in daemon.get("due") or ()]
    lines += [_line(_("  problem"), clean(problem)) for problem in daemon.get("problems") or ()]
    return lines
