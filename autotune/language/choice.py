"""Which language to speak: what was asked for, else what the system speaks."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from autotune.language.translate import LANGUAGES, SOURCE

ENVIRONMENT = "AUTOTUNE_LANG"
OPTION = "--lang"
LOCALE = ("LC_ALL", "LC_MESSAGES", "LANG")
"""In the order in which POSIX lets them decide on messages."""
SAMPLES = {"ja": "設定を計測しました。フレーム"}
"""Letters that a terminal must have to show a language."""


def known(name: str) -> str | None:
    """The one of ``LANGUAGES`` that a locale's name means: ja_JP.UTF-8, ja-JP, C; None for a language we lack."""
    word = re.split(r"[-_.@]", name.strip().lower())[0]
    if word in ("c", "posix"):
        return SOURCE
    return word if word in LANGUAGES else None


def asked_for(arguments: Sequence[str], environ: Mapping[str, str]) -> str | None:
    """What the command line asks for by --lang, the last one counting, else the environment by AUTOTUNE_LANG.

    The command line is looked at before click reads it, as click's own words are to be in that language already. A
    wrong value is left to click. A language of AUTOTUNE_LANG that we lack is English.
    """
    found = None
    for at, word in enumerate(arguments):
        if word == "--":
            break
        if word == OPTION and at + 1 < len(arguments):
            found = arguments[at + 1]
        elif word.startswith(f"{OPTION}="):
            found = word.partition("=")[2]
    if found in LANGUAGES:
        return found
    named = environ.get(ENVIRONMENT)
    return (known(named) or SOURCE) if named else None


def of_system(environ: Mapping[str, str], own: Callable[[], str | None]) -> str:
    """The language of the environment by gettext's rules, else the system's own setting; English when we lack it.

    ``own``: asked only where the environment names no locale, as is usual on Windows and for a Mac's services.
    """
    locale = next((environ[name] for name in LOCALE if environ.get(name)), None)
    if locale is not None and known(locale) == SOURCE and not locale.lower().startswith(SOURCE):
        return SOURCE  # in the locale C, gettext looks at no list either
    listed = _first(environ.get("LANGUAGE", "").split(":"))
    return listed or known(locale if locale is not None else own() or "") or SOURCE


def _first(names: Iterable[str]) -> str | None:
    return next((found for name in names if (found := known(name))), None)


def system_setting() -> str | None:
    """The language that the user chose for Windows or macOS, as a locale's name; None elsewhere or when untold."""
    if sys.platform == "win32":
        import ctypes
        import locale

        return locale.windows_locale.get(ctypes.windll.kernel32.GetUserDefaultUILanguage())
    if sys.platform == "darwin":
        return _mac_setting(Path.home() / "Library" / "Preferences" / ".GlobalPreferences.plist")
    return None


def _mac_setting(file: Path) -> str | None:
    """The first of AppleLanguages, else AppleLocale, of a user's global preferences; None where neither is told."""
    import plistlib

    try:
        with file.open("rb") as stream:
            found = plistlib.load(stream)
    except (OSError, ValueError, plistlib.InvalidFileException):
        return None
    if not isinstance(found, dict):
        return None
    languages, locale = found.get("AppleLanguages"), found.get("AppleLocale")
    first = languages[0] if isinstance(languages, list) and languages else locale
    return first if isinstance(first, str) else None


def can_show(language: str, encodings: Iterable[str | None]) -> bool:
    """Whether letters of ``language`` can be written in all of these encodings; None: one that is not known."""
    try:
        for encoding in encodings:
            SAMPLES.get(language, "").encode(encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return False
    return True


def choose(arguments: Sequence[str], encodings: Iterable[str | None]) -> str:
    """The language for this command line, of ``LANGUAGES``.

    ``encodings``: of the streams that people read. One that was asked for is spoken whatever they can show; the
    system's only where they can: a page of question marks helps nobody.
    """
    asked = asked_for(arguments, os.environ)
    if asked is not None:
        return asked
    found = of_system(os.environ, system_setting)
    return found if can_show(found, encodings) else SOURCE
