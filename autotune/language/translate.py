"""Says a sentence in the language that is in use: English is the source, and what a catalogue lacks stays English.

``_("The port {port} is taken").format(port=port)``: whole sentences, and names in the braces that say what is filled
in. A text that is made when its module is loaded, long before anybody is spoken to, is marked by ``N_`` there and
translated by ``_`` where it is shown.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gettext import NullTranslations

SOURCE = "en"
LANGUAGES = (SOURCE, "ja")
DOMAIN = "autotune"
FOLDER = os.path.dirname(__file__)  # noqa: PTH120  no import more than English needs
"""Holds LANGUAGE/LC_MESSAGES/autotune.po, and beside it the .mo that is made of it when autotune is installed."""


@dataclass(slots=True)
class _InUse:
    language: str = SOURCE
    catalogue: NullTranslations | None = None


_in_use = _InUse()


def use_language(name: str) -> None:
    """Speaks ``name`` (one of ``LANGUAGES``) from now on, in this process; English where its catalogue is missing."""
    _in_use.language, _in_use.catalogue = SOURCE, None
    if name != SOURCE:
        import gettext

        try:
            _in_use.catalogue = gettext.translation(DOMAIN, FOLDER, [name])
        except (OSError, ValueError, UnicodeDecodeError):  # absent, or no catalogue
            return
        _in_use.language = name


def language() -> str:
    """The language in use, one of ``LANGUAGES``."""
    return _in_use.language


@contextmanager
def source_only() -> Iterator[None]:
    """English within a block or a function: for what is made to be shown to anybody, or to be parsed."""
    before = _in_use.language, _in_use.catalogue
    _in_use.language, _in_use.catalogue = SOURCE, None
    try:
        yield
    finally:
        _in_use.language, _in_use.catalogue = before


def _(text: str) -> str:
    """``text`` in the language in use."""
    return text if _in_use.catalogue is None or not text else _in_use.catalogue.gettext(text)


def N_(text: str) -> str:
    """``text`` itself: marks it for the catalogue where it stands; ``_`` translates it where it is shown."""
    return text


def ngettext(one: str, many: str, number: int) -> str:
    """``one`` for a single thing and ``many`` for others, in the language in use (Japanese has one form for both)."""
    if _in_use.catalogue is None:
        return one if number == 1 else many
    return _in_use.catalogue.ngettext(one, many, number)
