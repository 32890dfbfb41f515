"""Prints results and errors: stdout carries the result only; progress, logs and errors go to stderr."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from autotune.secrets.mask import masked

SCHEMA = 1
"""Version of the result documents (docs/contract.md: JSON)."""


class _Nowhere(io.TextIOWrapper):
    """Stands for a stream that the process does not have: empty to read from, and what is written is lost."""

    def __init__(self, mode: str) -> None:
        super().__init__(io.BufferedReader(io.FileIO(os.devnull)) if mode == "r" else
                         io.BufferedWriter(io.FileIO(os.devnull, "w")), encoding="utf-8", errors="replace")


def has_screen() -> bool:
    """Whether what is said on stderr can come to somebody."""
    return sys.stderr is not None and not isinstance(sys.stderr, _Nowhere)


def never_fail() -> None:
    """Characters that a terminal or code page cannot show are replaced on stdout and stderr from now on.

    On Windows what is piped is encoded in the ANSI code page, which lacks most of the world's letters. A program
    without a console (pythonw.exe), or begun with a stream closed, has none at all: what is said there is lost.
    """
    if sys.stdin is None:
        sys.stdin = _Nowhere("r")
    if sys.stdout is None:
        sys.stdout = _Nowhere("w")
    if sys.stderr is None:
        sys.stderr = _Nowhere("w")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


@contextlib.contextmanager
def _to_a_reader() -> Iterator[None]:
    """Raises BrokenPipeError when nobody reads any more: Windows calls that an invalid argument."""
    try:
        yield
    except OSError as error:
        if sys.platform == "win32" and error.errno == errno.EINVAL:
            raise BrokenPipeError(errno.EPIPE, "nobody reads the output") from error
        raise


def print_json(kind: str, body: Mapping[str, Any]) -> None:
    """Prints exactly one JSON document on stdout, in UTF-8 whatever the platform's code page is.

    Bytes of a file name that are no UTF-8 (they come as lone surrogates) appear as JSON escapes.
    """
    text = json.dumps({"schema": SCHEMA, "kind": kind, **body}, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    with _to_a_reader():
        sys.stdout.flush()
        buffer = getattr(sys.stdout, "buffer", None)
        if buffer is None:  # replaced by something that takes text only
            sys.stdout.write(text)
        else:
            buffer.write(text.encode("utf-8", "backslashreplace"))
        sys.stdout.flush()


def print_text(text: str, *, wraps: bool = False) -> None:
    """Prints a result for people on stdout. ``wraps``: on a terminal its lines are broken between words; not so what
    people copy (diffs, commands)."""
    if wraps and sys.stdout.isatty():
        from autotune.report.wrap import fitted

        text = fitted(text, max(40, shutil.get_terminal_size().columns))
    with _to_a_reader():
        sys.stdout.write(text.rstrip("\n") + "\n")
        sys.stdout.flush()


def print_error(code: int, message: str, hint: str, as_json: bool) -> int:
    """Prints an error on stderr and, with --json, as a document on stdout; returns its code. No credential in it."""
    message, hint = masked(message), masked(hint)
    if as_json:
        print_json("error", {"code": code, "message": message, "hint": hint})
    with _to_a_reader():
        sys.stderr.write(f"autotune: {message}\n")
        for line in hint.splitlines():
            sys.stderr.write(f"  {line}\n")
    return code
