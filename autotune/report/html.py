"""Makes the page from its templates: every value is escaped, and its credentials masked, where it is put in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from autotune.language import translate
from autotune.model.clips import ClipPair
from autotune.model.failures import meaning
from autotune.model.study import Launch, Sample
from autotune.report import words
from autotune.report.clips import clips_facts
from autotune.report.facts import page_facts
from autotune.report.rows import story_of
from autotune.secrets.mask import masked

MOST_BYTES = 3_000_000
"""Bytes of a page with clips in it."""


def render(
    document: Mapping[str, Any], samples: Sequence[Sample], launches: Sequence[Launch], apply_diff: str | None,
    clips: Sequence[ClipPair] = (),
) -> str:
    """The page as text (UTF-8 is declared in it). Equal input gives equal bytes.

    ``document``: "tune" (the document of ``autotune tune``), "profile" {name, workloads[]}, "objective",
    "created" (ISO time, UTC), "webui" {flavour, version, root}, "gpu" (a name, or "CPU"), "stand_in" (the
    reference web UI was measured), "use" (the document of ``autotune explain``; it may be absent). ``samples`` and
    ``launches``: all of the study. ``apply_diff``: the change as a unified diff, None when there is none to show.
    Credentials in any of it are masked. ``clips``: pictures of the clips that were compared, as many of them as
    leave the page within MOST_BYTES.
    """
    story = story_of(document, samples, launches)
    facts = page_facts(story, apply_diff)
    script = Markup(environment().get_template("clips.js").render())  # noqa: S704  a file of this package
    for count in range(len(clips), -1, -1):
        page = environment().get_template("page.html").render(facts, **clips_facts(story, clips[:count], script))
        if len(page.encode("utf-8", "replace")) <= MOST_BYTES:
            break
    return page


@cache
def environment() -> Environment:
    """The templates of this package; a name that a template asks for and nobody gave is an error."""
    made = Environment(
        loader=PackageLoader("autotune.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    made.install_gettext_callables(translate._, translate.ngettext, newstyle=True)  # type: ignore[attr-defined]
    # Not the templates' own `_`, whose texts are markup: this one takes values.
    made.filters.update(prose=_prose, figure=_figure, said=translate._, zip=zip)
    made.globals.update(words=words, meaning=meaning, language=translate.language)
    return made


def _printable(value: object) -> object:
    """A value as text with credentials masked and control characters shown; HTML of a template stays as it is."""
    if isinstance(value, Markup):
        return value
    return masked("".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in str(value)))


def _prose(text: object) -> Markup:
    """A sentence, escaped, with figures and their units kept on one line, and `commands` in the code font."""
    units = r"(?<=\d) (?=(?:s|h|min|GiB|MiB|dB|times)\b|%|×)"
    shown = re.sub(units, "\N{NO-BREAK SPACE}", escape(_printable(text)))
    return Markup(re.sub(r"`([^`\n]+)`", r"<code>\1</code>", shown))  # noqa: S704  escaped just before


def _figure(value: float | None, places: int) -> str:
    return "–" if value is None else f"{value:.{places}f}"
