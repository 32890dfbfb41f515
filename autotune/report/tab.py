"""What the tab in the web UI's page shows, as sentences and switches: the page itself has no words of its own.

Computes from the document of `status`, the newest tune's document, and what changed; who only looks at the web UI from
elsewhere is not given the lines that are marked ``local``: they may name folders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autotune.language.translate import _, language
from autotune.report import words
from autotune.report.facts import headline_of
from autotune.report.outcome import outcome
from autotune.report.plain import clean

Document = Mapping[str, Any]
SAME = 0.99995
"""SSIM from which on frames count as identical."""
GOOD, WARN, BAD = "good", "warn", "bad"


@dataclass(frozen=True, slots=True)
class Tune:
    """A tune that has a verdict: the id of its study, its document, and when it was begun (ISO)."""

    study: str
    document: Document
    created: str


def row(text: str, name: str = "", tone: str = "", **more: bool) -> dict[str, Any]:
    """One line of a section; ``code``: words to be read letter by letter; ``local``: for who is at this machine."""
    return {"name": name, "text": text, "tone": tone, "code": False, "local": False, **more}


def _section(title: str, rows: Sequence[dict[str, Any]], tone: str = "") -> dict[str, Any]:
    return {"title": title, "rows": list(rows), "tone": tone}


def tab(status: Document, applied: Tune | None, newest: Tune | None, changes: Sequence[str]) -> dict[str, Any]:
    """The document of `extension show`, but for the page and the files to be watched.

    ``applied``: the tune whose set is in use; ``newest``: the one that ended last; ``changes``: sentences, one for each
    part of the fingerprint that is not as it was then.
    """
    sections = [_in_use(status, applied)]
    if newest is not None and (applied is None or newest.study != applied.study):
        sections.append(_newest(newest))
    if status.get("applied"):
        sections.append(_stale(status, changes))
    sections.append(_work(status))
    if (status.get("tab") or {}).get("outdated"):
        text = _("It is of another version. `autotune extension install` renews it.")
        sections.append(_section(_("This tab"), [row(text)], WARN))
    return {
        "language": language(),
        "title": "autotune",
        "words": {
            "page": _("The whole page on the newest tune"),
            "doing": _("One moment …"),
            "restart": _("It counts from the next start of the web UI: restart it when it suits you."),
            "pending": _("The launch file has changed since this web UI was started. Restart it, and the change "
                         "counts."),
            "remote": _("The buttons work only in a browser on the machine that the web UI runs on, at its own address "
                        "(127.0.0.1 or localhost). You can look from here."),
            "framed": _("This page is shown inside of another one. The buttons work in a window of its own."),
            "refused": _("That was refused. Load the page anew and try again."),
            "gone": _("The web UI does not answer."),
        },
        "sections": sections,
        "buttons": _buttons(status, newest),
    }


def _in_use(status: Document, applied: Tune | None) -> dict[str, Any]:
    """What autotune wrote, since when, what it gains, and the image check."""
    title, written = _("In use"), status.get("applied")
    if not written:
        return _section(title, [row(_("autotune has written nothing so far: your own flags are in use."))])
    flags = words.flags(written.get("flags") or (), written.get("settings"))
    rows = [row(clean(flags), _("Flags"), code=True), row(clean(words.moment(status.get("since"))), _("Since"))]
    rows += _gain(status.get("speedup"))
    image = _image(applied.document.get("image")) if applied is not None else ""
    rows.append(row(image or _("It was not compared."), _("Image check"), "" if image else WARN))
    since = {
        "before": _("The launch file was put back since (by an update, or by you): these flags are not in it."),
        "edited": _("The launch file was edited since."),
        "missing": _("The launch file is gone."),
    }.get(str(status.get("file_since_apply")))
    rows += [row(since, _("Launch file"), WARN)] if since else []
    rows += [row(clean(status["drift"]), _("Launch file"), WARN, local=True)] if status.get("drift") else []
    return _section(title, rows, WARN if since or status.get("drift") else GOOD)


def _gain(speedup: object) -> list[dict[str, Any]]:
    if not isinstance(speedup, Mapping) or speedup.get("estimate") is None:
        return [row(_("It was not measured."), _("Gain"), WARN)]
    text = _("{factor} × as fast as before ({low} to {high}, {confidence} interval)").format(
        factor=f"{speedup['estimate']:.2f}", low=f"{speedup['low']:.2f}", high=f"{speedup['high']:.2f}",
        confidence=words.percent(float(speedup.get("confidence") or 0.95)))
    return [row(text, _("Gain"), GOOD if speedup["low"] > 1 else WARN)]


def _image(image: object) -> str:
    """How alike the frames of both sets are; empty where that was not compared."""
    if not isinstance(image, Mapping) or image.get("valid") is False:
        return ""
    ssim = image.get("ssim")
    if ssim is None:
        return _("The clips of both sets were animated and valid.")
    if ssim >= SAME:
        return _("At the same seed the frames of both sets are identical.")
    return _("At the same seed the frames of both sets are {ssim} of 1 alike (SSIM).").format(ssim=f"{ssim:.4f}")


def _newest(newest: Tune) -> dict[str, Any]:
    """The verdict of a tune whose set is not in use."""
    document = newest.document
    rows = [row(headline_of(outcome(document))), row(clean(words.moment(newest.created)), _("Tuned"))]
    if document.get("decision") == "apply":
        winner = document.get("winner") or {}
        flags = words.flags(winner.get("flags") or (), winner.get("settings"))
        rows.append(row(clean(flags), _("Flags"), code=True))
        rows += _gain(document.get("speedup"))
        image = _image(document.get("image"))
        rows += [row(image, _("Image check"))] if image else []
    return _section(_("The newest tune"), rows, GOOD if document.get("decision") == "apply" else "")


def _stale(status: Document, changes: Sequence[str]) -> dict[str, Any]:
    """Whether what was measured still holds; which parts changed, by their names alone."""
    title = _("Does it still hold?")
    if not changes:
        return _section(title, [row(_("Nothing that the result depends on has changed since."), tone=GOOD)], GOOD)
    parts = ", ".join(str(one) for one in status.get("stale") or ())
    text = _("Changed since it was measured: {parts}. Only a new measurement tells whether the gain is still there.")
    text = text.format(parts=clean(parts))
    return _section(title, [row(text, tone=WARN), *(row(clean(one), local=True) for one in changes)], WARN)


def _work(status: Document) -> dict[str, Any]:
    """What runs, what was asked for, and what the agent waits for."""
    agent = status.get("daemon") or {}
    runs, full = bool(agent.get("running")), bool(agent.get("running")) and not agent.get("only_asked")
    rows, running, asked = [], status.get("running"), status.get("asked_tune")
    if running and running.get("verb") == "tune":
        done = running.get("progress") or {}
        rows.append(row(_("A tune runs: {clips} of {sets} so far.").format(
            clips=words.plural(int(done.get("clips") or 0), "clip"),
            sets=words.plural(int(done.get("sets") or 0), "set")), tone=GOOD))
    if asked:
        rows.append(row(_("A tune is asked for: it begins when you are away.") if asked.get("when") == "away"
                        else _("A tune is asked for: it begins when you have closed the web UI.")))
    if not full:
        rows.append(row(_("The agent is not running. `autotune service install` in a terminal starts it, now and at "
                          "every login; it tunes again when something has changed.")))
    elif not running and not agent.get("due") and not asked:
        rows.append(row(_("The agent watches for changes. Nothing is due.")))
    # Sentences of the agent's own may name folders and programs.
    rows += [row(clean(one), _("Due"), local=True) for one in agent.get("due") or () if runs and not asked]
    rows += [row(clean(one), _("Waits"), local=True) for one in agent.get("waiting") or () if runs]
    rows += [row(clean(one), _("Problem"), BAD, local=True) for one in agent.get("problems") or ()]
    return _section(_("The agent"), rows)


def _buttons(status: Document, newest: Tune | None) -> list[dict[str, Any]]:
    agent, asked, running = status.get("daemon") or {}, status.get("asked_tune"), status.get("running")
    full = bool(agent.get("running")) and not agent.get("only_asked")
    install = status.get("install") or {}
    unmanaged = _("autotune does not manage the flags of this install.") if install.get("manageable") is False else ""
    busy = _("A tune runs already.") if running and running.get("verb") == "tune" else ""
    no_agent = "" if full else _("It needs the agent: `autotune service install` in a terminal starts it.")
    buttons = [
        _button("away", _("Tune when I am away"), unmanaged or busy or no_agent,
                _("Begins when the web UI is closed and nobody has used this machine for a while.")),
        _button("closed", _("Tune now"), unmanaged or busy, _("Begins when you close the web UI.")),
    ]
    if asked:
        label = _("Stop the tune") if busy else _("Do not tune")
        buttons = [_button("cancel", label, "", _("Takes back what you asked for. What was measured is kept."))]
    why = _nothing_to_apply(status, newest) or unmanaged
    flags = clean(words.flags((newest.document.get("winner") or {}).get("flags") or ())) if newest is not None else ""
    undo = "" if status.get("applied") else _("autotune has written nothing.")
    return [
        *buttons,
        _button("apply", _("Apply"), why, _("Writes {flags} into the launch file.").format(flags=flags), not why),
        _button("undo", _("Undo"), undo, _("Puts the launch file back as it was before, byte for byte.")),
    ]


def _nothing_to_apply(status: Document, newest: Tune | None) -> str:
    """Why there is nothing to write, empty where there is."""
    if newest is None:
        return _("There is no tune yet.")
    if newest.document.get("decision") != "apply":
        return _("The newest tune found nothing better than your flags.")
    if status.get("study") == newest.study and status.get("file_since_apply") == "same":
        return _("The newest tune's flags are in use.")
    return ""


def _button(verb: str, label: str, why: str, explain: str, main: bool = False) -> dict[str, Any]:
    return {"verb": verb, "label": label, "enabled": not why, "why": why, "explain": explain, "main": main}
