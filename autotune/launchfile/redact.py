"""What a user is shown of a change: a unified diff without passwords and tokens."""

from __future__ import annotations

import re
from collections.abc import Sequence

_NAME = r"--[\w-]*(?:auth|token|passw|secret|ngrok|credential|api-key|apikey)[\w-]*(?<!-path)(?<!-region)"
_SECRET_NAME = re.compile(_NAME, re.IGNORECASE)
_SECRET_FLAG = re.compile(
    rf"({_NAME})(=|(?:[ \t]|[\\^]\n)+)(?!-)([^\n]+?)(?=[ \t]+--[A-Za-z]|[ \t]*[\\^]?(?:\n|\Z))", re.IGNORECASE)
"""A secret flag with all that follows it, up to the next flag or the end of the line: whatever quoting it has."""
_SECRET_VARIABLE = re.compile(
    r"(?i)(\b(?:export\s+|set\s+\"?)?\w*(?:TOKEN|PASSW\w*|SECRET|API_?KEY|CREDENTIAL\w*)\w*\s*=)"
    r"(\"[^\"\n]*\"?|'[^'\n]*'?|[^\s\"']+)")
_URL = re.compile(r"(://[^\s/:@\"']*:)[^\s/@\"']+@")
_SECRET_JSON = re.compile(
    r"(?is)(\"Name\"\s*:\s*\"--[\w-]*(?:auth|token|passw|secret|ngrok|api-key)[\w-]*\".*?\"OptionValue\"\s*:\s*\")"
    r"((?:\\.|[^\"\\])*)(\")")


def redact(text: str) -> str:
    """The text with values of passwords and tokens shown as ``***``; lengths are not kept."""
    text = _SECRET_FLAG.sub(lambda m: m.group(1) + m.group(2) + "***" + _closing(m.group(3)), text)
    text = _SECRET_VARIABLE.sub(lambda m: m.group(1) + "***" + _closing(m.group(2)), text)
    text = _SECRET_JSON.sub(lambda m: m.group(1) + "***" + m.group(3), text)
    return _URL.sub(r"\1***@", text)


def _closing(value: str) -> str:
    """The quote at the end, which most often closes the whole line's value."""
    return value[-1] if value[-1:] in ("'", '"') else ""


def diff(before: bytes, after: bytes, name: str) -> str:
    """A unified diff for a user: UTF-8, secrets shown as ``***``; '' when nothing changes."""
    import difflib

    old, new = (redact(data.decode("utf-8", "replace").replace("\r\n", "\n")) for data in (before, after))
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), f"{name} (before)", f"{name} (after)", lineterm="")
    return "".join(line + "\n" for line in lines)


def shown(words: Sequence[str]) -> list[str]:
    """Argv words for people and documents: passwords and tokens as ``***``."""
    found: list[str] = []
    secret = False
    for word in words:
        name, equals, _ = word.partition("=")
        if secret and not word.startswith("--"):
            found.append("***")
            secret = False
            continue
        secret = bool(_SECRET_NAME.fullmatch(name)) and not equals
        found.append(f"{name}=***" if equals and _SECRET_NAME.fullmatch(name) else _URL.sub(r"\1***@", word))
    return found
