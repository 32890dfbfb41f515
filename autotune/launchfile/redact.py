"""What a user is shown of a change: a unified diff without passwords and tokens."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Sequence

_SECRET_FLAG = re.compile(
    r"(--[\w-]*(?:auth|token|passw|secret|ngrok|credential|api-key|apikey)[\w-]*(?<!-path)(?<!-region))"
    r"(=|(?:[ \t]|[\\^]\n)+)((?:\\.|\"[^\"\n]*\"?|'[^'\n]*'?|[^\s\"'\\])+)", re.IGNORECASE)
_SECRET_VARIABLE = re.compile(
    r"(?i)(\b(?:export\s+|set\s+\"?)?\w*(?:TOKEN|PASSW\w*|SECRET|API_?KEY|CREDENTIAL\w*)\w*\s*=)"
    r"(\"[^\"\n]*\"?|'[^'\n]*'?|[^\s\"']+)")
_URL = re.compile(r"(://[^\s/:@\"']*:)[^\s/@\"']+@")
_SECRET_JSON = re.compile(
    r"(?is)(\"Name\"\s*:\s*\"--[\w-]*(?:auth|token|passw|secret|ngrok|api-key)[\w-]*\".*?\"OptionValue\"\s*:\s*\")"
    r"((?:\\.|[^\"\\])*)(\")")
_FLAG_TAIL = re.compile(r"(\"(?:[^\"\s]*\s)*)$")


def redact(text: str) -> str:
    """The text with values of passwords and tokens shown as ``***``; lengths are not kept."""
    text = _SECRET_FLAG.sub(lambda m: m.group(1) + m.group(2) + "***" + _closing(m.group(3)), text)
    text = _SECRET_VARIABLE.sub(lambda m: m.group(1) + "***" + _closing(m.group(2)), text)
    text = _SECRET_JSON.sub(lambda m: m.group(1) + "***" + m.group(3), text)
    return _URL.sub(r"\1***@", text)


def _closing(value: str) -> str:
    """The quote that ends a value when it was opened before it (``"--api-auth me:word"``)."""
    last = value[-1:]
    return last if last in "\"'" and value.count(last) % 2 else ""


def diff(before: bytes, after: bytes, name: str) -> str:
    """A unified diff for a user: UTF-8, secrets shown as ``***``; '' when nothing changes."""
    old, new = (redact(data.decode("utf-8", "replace").replace("\r\n", "\n")) for data in (before, after))
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), f"{name} (before)", f"{name} (after)", lineterm="")
    return "".join(line + "\n" for line in lines)


def shown(words: Sequence[str]) -> list[str]:
    """Argv words for people and documents: passwords and tokens as ``***``."""
    return shlex.split(redact(shlex.join(words)))
