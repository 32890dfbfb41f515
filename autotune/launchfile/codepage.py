"""Code pages: in which one cmd.exe reads a batch file, and how its bytes become text.

cmd decodes each line in the console's code page before it looks for signs. In the four East Asian pages the second
byte of a letter may be one that is a sign elsewhere (a backslash in cp932's 表, a bar in ポ). Files are read as Latin-1
here, one character a byte; such second bytes are replaced by private characters (``mask_second_bytes``), so that no
reader takes them for a sign and every offset stays. Characters of the environment are Unicode already and become
private characters of another range (``from_unicode``).
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping

UTF8 = 65001
_MASK, _FOREIGN = 0xF700, 0x100000
_LEADS = {932: b"\x81-\x9f\xe0-\xfc", 936: b"\x81-\xfe", 949: b"\x81-\xfe", 950: b"\x81-\xfe"}
"""First bytes of letters with two bytes, by code page."""
GUESSES = (0, *_LEADS)
"""Pages that differ in what is a sign; 0 stands for all with one byte a letter."""

_LANGUAGES = {"ja": 932, "zh": 936, "ko": 949, "ru": 866, "uk": 866, "be": 866, "bg": 866, "el": 737, "tr": 857,
              "he": 862, "ar": 720, "th": 874, "cs": 852, "pl": 852, "hu": 852, "sk": 852, "sl": 852, "hr": 852,
              "ro": 852, "de": 850, "fr": 850, "es": 850, "it": 850, "pt": 850, "nl": 850, "sv": 850, "da": 850,
              "fi": 850, "nb": 850, "vi": 1258, "lt": 775, "lv": 775, "et": 775}
_CHCP = re.compile(rb"^[ \t@]*chcp(?:\.com)?[ \t]+(\d+)[ \t]*(?:>[^\r\n&|]*)?\r?$", re.IGNORECASE | re.MULTILINE)
_ANY_CHCP = re.compile(rb"^(?![ \t@]*(?:rem\b|::))[^\r\n]*\bchcp\b[^\r\n]*\d", re.IGNORECASE | re.MULTILINE)


def system_page(environ: Mapping[str, str]) -> int | None:
    """The code page that cmd starts with, as Windows tells it; elsewhere that of the locale (``page_of_locale``)."""
    if os.name == "nt":
        import ctypes

        return int(ctypes.windll.kernel32.GetOEMCP())  # type: ignore[attr-defined, unused-ignore]
    return page_of_locale(environ)


def page_of_locale(environ: Mapping[str, str]) -> int | None:
    """The code page that wine has for the locale of an environment; None for C, and for English, which has several."""
    locale = next((environ[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if environ.get(name)), "")
    if locale.startswith(("zh_TW", "zh_HK", "zh_MO")):
        return 950
    return _LANGUAGES.get(locale[:2].lower()) if locale[2:3] in ("_", "") else None


def page_of_file(data: bytes, system: int | None) -> int | None:
    """The page in which cmd reads the file's letters beyond ASCII; ``chcp`` in the file sets it for the lines below.

    ``system``: the page it starts with. None where it is not known, or where there are such letters in several pages.
    """
    if data.isascii():
        return system
    changes = [(m.end(), int(m.group(1))) for m in _CHCP.finditer(data)]
    if len(changes) != len(_ANY_CHCP.findall(data)):
        return None
    found: set[int | None] = set()
    at, page = 0, system
    for end, following in [*changes, (len(data), 0)]:
        lines = (line for line in data[at:end].splitlines() if not re.match(rb"[ \t@]*(?:rem\b|::)", line, re.I))
        if not b"".join(lines).removeprefix(b"\xef\xbb\xbf").isascii():
            found.add(page)
        at, page = end, following
    return found.pop() if len(found) == 1 else system if not found else None


def is_text(data: bytes, page: int) -> bool:
    """Is it valid in this code page (65001: UTF-8; 0: any with one byte a letter)?"""
    try:
        data.decode(_codec(page) if page else "latin-1")
    except UnicodeDecodeError:
        return False
    return True


def _codec(page: int) -> str:
    return "utf-8" if page == UTF8 else f"cp{page}"


def mask_second_bytes(data: bytes, page: int | None) -> str:
    """The bytes as Latin-1 text, with private characters for second bytes of letters that look like ASCII."""
    lead = _LEADS.get(page or 0)
    if lead is None or data.isascii():
        return data.decode("latin-1")
    pairs = re.compile(rb"[" + lead + rb"][\x40-\x7e\x80-\xfe]")
    out = pairs.sub(lambda m: m.group() if m.group()[1] > 0x7e else bytes((m.group()[0], 0xFF)), data)
    text = out.decode("latin-1")
    return "".join(c if a == ord(c) else chr(_MASK + a) for a, c in zip(data, text, strict=True))


def unmask(text: str) -> str:
    """Latin-1 text with the bytes that private characters stand for."""
    if text.isascii():
        return text
    return "".join(chr(ord(c) - _MASK) if _MASK <= ord(c) < _MASK + 0x100 else c for c in text)


def from_unicode(text: str) -> str:
    """Text of the environment in private characters, so that it is not taken for bytes of the file."""
    if text.isascii():
        return text
    wide = text.encode("utf-16-le", "surrogatepass")
    units = (int.from_bytes(wide[i : i + 2], "little") for i in range(0, len(wide), 2))
    return "".join(chr(unit if unit < 128 else _FOREIGN + unit) for unit in units)


def decode_text(text: str, page: int | None) -> str:
    """Text for characters that a reader took out of a file, read in ``page``, or as UTF-8 where that is not known.

    Bytes that are no text in it become surrogate escapes.
    """
    if text.isascii():
        return text
    out: list[str] = []
    for piece in re.findall(f"[^{chr(_FOREIGN)}-\U0010ffff]+|[{chr(_FOREIGN)}-\U0010ffff]+", text):
        if ord(piece[0]) >= _FOREIGN:
            out.append("".join(chr(ord(c) - _FOREIGN) for c in piece))
        else:
            out.append(_bytes_as_text(unmask(piece).encode("latin-1"), page))
    whole = "".join(out)
    return whole.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def _bytes_as_text(raw: bytes, page: int | None) -> str:
    if page:
        with contextlib.suppress(UnicodeDecodeError, LookupError):
            return raw.decode(_codec(page))
    return raw.decode("utf-8" if is_text(raw, UTF8) else "ascii", "surrogateescape")


def possible_texts(text: str) -> set[str]:
    """All texts that one with surrogate escapes may stand for, one for each page that some language's cmd starts in."""
    raw = text.encode("utf-8", "surrogateescape")
    found: set[str] = set()
    for page in {950, *_LANGUAGES.values(), 437, 1251, 1252}:
        with contextlib.suppress(UnicodeDecodeError):
            found.add(raw.decode(f"cp{page}"))
    return found
