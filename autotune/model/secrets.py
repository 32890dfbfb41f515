"""What is a credential, by its name; and texts without them. The one notion for every room (CONTRACT, guarantee 7).

Names count, not values: a flag, variable or attribute whose name speaks of a password, token or key. A name too
many costs a mask in a document; one too few, a password.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

MASK = "***"

_PARTS = ("auth", "token", "passw", "secret", "credential", "key", "jprq", "webhook", "ngrok", "api", "gradio")
"""A text that holds none of these names no credential; looking for them first keeps `status` quick."""
_NAMES = (
    r"auth|token|passw|secret|credential|api-?key|-key$|jprq|webhook|ngrok(?!.*region$)"
    # argparse takes abbreviations, so --api-au and --gradio-a are --api-auth and --gradio-auth
    r"|^api-au|^gradio-a")
_GUARDED = ("ngrok", "tls")

# Patterns are compiled when they are first used, and then kept by ``re``.
_FLAG = r"(?<!-)(--[\w-]+)(?:\s*=\s*|\s+)(?!--)"
_VARIABLE = r"\b(\w+)\s*=\s*"
_ONE_WORD = r"""(?s:"(?:[^"\\]|\\.)*"|'[^']*'|["'][^\n]*|\\.|[^\s"'\\])+"""
"""A shell word; a quote that is never closed takes the rest of its line."""
_SCRIPT_FLAG = r"(?<!-)(--[\w-]+)(?:[ \t]*=[ \t]*|(?:[ \t]|[\\^]\n)+)(?!--)"
_TO_NEXT_FLAG = r"[^\n]+?(?=[ \t]+--[A-Za-z]|[ \t]*[\\^]?(?:\n|\Z))"
"""All that follows up to the next flag or the end of the line: in a script several layers quote one value."""
_SCRIPT_VARIABLE = r"\b(\w+)[ \t]*=[ \t]*"
_SCRIPT_WORD = r"""(?:"[^"\n]*"?|'[^'\n]*'?|\\[^\n]|[^\s"'\\])+"""
_JSON_NAME = r"(?s:\"Name\"\s*:\s*\"(--[\w-]+)\"(?:(?!\"Name\").)*?\"OptionValue\"\s*:\s*\")"
_JSON_TEXT = r"(?:\\.|[^\"\\])*"


def is_secret(name: str) -> bool:
    """Does a flag (``--api-auth``), variable (``HF_TOKEN``) or attribute (``api_auth``) hold a credential?"""
    return re.search(_NAMES, name.lower().replace("_", "-").lstrip("-")) is not None


def is_guarded(name: str) -> bool:
    """``is_secret``, and what else of a parsed command line is nobody's business: tunnels, certificates."""
    return is_secret(name) or any(part in name.lower() for part in _GUARDED)


def masked(text: str, mask: str = MASK) -> str:
    """Prose, a command line or a log with the values of credentials masked: one shell word each."""
    text = _without(text, _FLAG, _ONE_WORD, lambda _: mask)
    text = _without(text, _VARIABLE, _ONE_WORD, lambda _: mask)
    return _addresses(text, mask)


def masked_script(text: str, mask: str = MASK) -> str:
    """A launch file, or Stability Matrix's settings, with the values of credentials masked, whatever quotes them."""

    def closed(value: str) -> str:
        # The quote at the end most often closes the whole line's value.
        return mask + (value[-1] if value[-1:] in ("'", '"') else "")

    text = _without(text, _SCRIPT_FLAG, _TO_NEXT_FLAG, closed)
    text = _without(text, _SCRIPT_VARIABLE, _SCRIPT_WORD, closed)
    text = _without(text, _JSON_NAME, _JSON_TEXT, lambda _: mask)
    return _addresses(text, mask)


def masked_words(words: Sequence[str], mask: str = MASK) -> list[str]:
    """Argv words with the values of credentials masked."""
    found: list[str] = []
    secret = False
    for word in words:
        name, equals, _ = word.partition("=")
        if secret and not word.startswith("--"):
            found.append(mask)
            secret = False
            continue
        flag = name.startswith("--") and is_secret(name)
        secret = flag and not equals
        found.append(f"{name}={mask}" if flag and equals else _addresses(word, mask))
    return found


def _addresses(text: str, mask: str) -> str:
    """``user:password@`` of an address masked."""
    return re.sub(r"(://)[^\s/@]+@", rf"\g<1>{mask}@", text) if "://" in text else text


def _without(text: str, head: str, value: str, shown: Callable[[str], str]) -> str:
    """The text with each ``value`` that stands behind a ``head`` of a secret name shown as ``shown`` says."""
    lowered = text.lower()
    if not any(part in lowered for part in _PARTS):
        return text
    out: list[str] = []
    at = 0
    values = re.compile(value)
    for match in re.finditer(head, text):
        found = values.match(text, match.end()) if match.start() >= at and is_secret(match.group(1)) else None
        if found is not None and found.group():
            out += (text[at : match.end()], shown(found.group()))
            at = found.end()
    return "".join(out) + text[at:]
