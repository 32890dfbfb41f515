"""One offline HTML page on a tune: what was found, how sure it is, what it cost, how to undo it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autotune.model.study import Launch, Sample
from autotune.report import facts, words
from autotune.report.elements import code, esc, prose
from autotune.report.rows import Story, story

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def render(
    document: Mapping[str, Any], samples: Sequence[Sample], launches: Sequence[Launch], apply_diff: str | None
) -> str:
    """The page as text (UTF-8 is declared in it). Equal input gives equal bytes.

    ``document``: "tune" (the document of ``autotune tune``), "profile" {name, workloads[]}, "objective",
    "created" (ISO time, UTC), "webui" {flavour, version, root}, "gpu" (a name, or "CPU"), "stand_in" (the
    reference web UI was measured). ``samples`` and ``launches``: all of the study. ``apply_diff``: the change
    as a unified diff, None when there is none to show. Credentials in any of it are masked.
    """
    told = story(document, samples, launches)
    parts = [
        facts.change(told, apply_diff),
        facts.compared(told),
        facts.every_set(told),
        facts.memory(told),
        facts.flags(told),
        facts.failures(told),
        facts.cost(told),
        facts.raw(told),
    ]
    style = (Path(__file__).with_name("templates") / "style.css").read_text(encoding="utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>autotune: {esc(facts.headline(told))}</title>\n<style>\n{style}</style>\n"
        "</head>\n<body>\n"
        f'<a class="skip" href="#main">Skip to the content</a>\n{_top(told)}\n<main id="main">\n'
        + "\n".join(part for part in parts if part)
        + f"\n</main>\n{_footer(told)}\n</body>\n</html>\n"
    )


def _top(told: Story) -> str:
    document, tune = told.document, told.tune
    web = document.get("webui") or {}
    name = " ".join(str(web[k]) for k in ("flavour", "version") if web.get(k))
    stand_in = (
        '<p class="stand-in" role="note"><strong>A stand-in web UI was measured.</strong> These figures are '
        "of the reference web UI that comes with autotune. They show how a tune runs; they say nothing about "
        "your own web UI or your GPU.</p>"
        if document.get("stand_in")
        else ""
    )
    where = " · ".join(
        esc(x) for x in (document.get("gpu"), name, words.moment(document.get("created"))) if x
    )
    return (
        f'<header class="top">{stand_in}<p class="eyebrow">{where}</p>'
        f'<h1>{prose(facts.headline(told))}</h1><p class="lead">{prose(tune.get("reason") or "")}</p>'
        f"{facts.key_figures(told)}</header>"
    )


def _footer(told: Story) -> str:
    document, tune = told.document, told.tune
    profile = document.get("profile") or {}
    profile_name = profile.get("name") if isinstance(profile, Mapping) else profile
    objective = document.get("objective")
    fingerprint = tune.get("fingerprint")
    mark = fingerprint.get("id") if isinstance(fingerprint, Mapping) else fingerprint
    items = [
        f"Study {code(tune.get('study') or '–')}",
        f"profile {esc(profile_name or '–')}" + (f", objective {esc(objective)}" if objective else ""),
        "; ".join(esc(line) for line in told.workloads),
        f"{words.plural(int(tune.get('launches') or len(told.launches)), 'launch')}, "
        f"{words.plural(int(tune.get('clips') or len(told.samples)), 'clip')}",
    ]
    if mark:
        items.append(f"fingerprint {code(mark)}")
    root = (document.get("webui") or {}).get("root")
    if root:
        items.append(f"web UI in {code(root)}")
    return f"<footer><p>{' · '.join(items)}</p></footer>"
