"""stdout carries the result only; progress, logs and errors go to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

SCHEMA = 1


def document(kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """A result document: schema and kind first (CONTRACT: JSON)."""
    return {"schema": SCHEMA, "kind": kind, **body}


def print_json(kind: str, body: Mapping[str, Any]) -> None:
    """Prints exactly one JSON document on stdout."""
    sys.stdout.write(json.dumps(document(kind, body), ensure_ascii=False, indent=1, allow_nan=False) + "\n")
    sys.stdout.flush()


def print_text(text: str) -> None:
    """Prints a result for people on stdout; characters that the terminal cannot show are replaced."""
    try:
        sys.stdout.write(text.rstrip("\n") + "\n")
    except UnicodeEncodeError:
        encoding = sys.stdout.encoding or "ascii"
        sys.stdout.write(text.encode(encoding, "replace").decode(encoding).rstrip("\n") + "\n")
    sys.stdout.flush()


def print_error(code: int, message: str, hint: str, as_json: bool) -> int:
    """Prints an error on stderr and, with --json, as a document on stdout; returns its code."""
    if as_json:
        print_json("error", {"code": code, "message": message, "hint": hint})
    sys.stderr.write(f"autotune: {message}\n")
    if hint:
        sys.stderr.write(f"  {hint}\n")
    return code
