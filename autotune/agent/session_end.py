"""What the end of a child process means: pure, from exit code and document to an outcome in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from autotune.agent.verb_process import Result

BUSY, INTERRUPTED, DRIFTED = 6, 130, 7
HOPELESS = frozenset({2, 5})
"""Wrong words, or a launch file that must not be touched: another attempt would end alike."""
BACKOFF = (300.0, 1800.0)
"""Seconds until a session that failed is tried again; after the last one it is given up."""
SOON, LATER = 60.0, 300.0
"""Seconds until an interrupted session goes on, and until one that found the machine taken looks again."""
LATEST = 3600.0
"""Seconds until a session that was ended from outside goes on, at most: each time twice as late, from SOON on."""


@dataclass(frozen=True, slots=True)
class End:
    """``outcome``: done, failed, gave_up, yielded or busy; ``text`` for people; ``retry``: seconds from now.

    ``better``: a tune found a set worth applying; ``drifted``: a check found flags that do not act.
    ``stale``: a check found that what an earlier tune measured does not hold, or nothing that could tell;
    ``loss``: fresh pairs show that the set before a tune's apply is better now.
    """

    outcome: str
    text: str
    retry: float = 0.0
    decision: str | None = None
    speedup: Mapping[str, Any] | None = None
    better: bool = False
    drifted: bool = False
    stale: bool = False
    loss: bool = False


def read(kind: str, result: Result, attempts: int) -> End:
    """The end of a session of that kind; ``attempts``: how often it failed before."""
    document = result.document or {}
    if result.code == 0 and document.get("kind") != "error":
        if document.get("kind") != verb_of(kind):
            return _failed(result.code, "it ended without its document", attempts)
        return _done(kind, document)
    message = str(document.get("message") or f"it ended with code {result.code}")
    if result.code == INTERRUPTED:
        return End("yielded", "interrupted; what it measured is kept", SOON)
    if result.code < 0 and not document:
        # Ended from outside (kill -9, out of memory): it goes on from what is on disk, ever later.
        return End("failed", f"ended by signal {-result.code}", _ever_later(attempts))
    if result.code == BUSY:
        return End("busy", message, LATER)
    if result.code == DRIFTED and document.get("kind") == "verify":
        if kind == "drift" and document.get("measured"):
            return _checked(document["measured"])
        return End("done", "flags are not in effect as written", drifted=True)
    return _failed(result.code, message, attempts)


def _ever_later(attempts: int) -> float:
    """Seconds until the next try. Doubled in a loop that ends at LATEST: a power of the count itself overflows."""
    pause = SOON
    while attempts > 0 and pause < LATEST:
        pause, attempts = pause * 2.0, attempts - 1
    return min(pause, LATEST)


def verb_of(kind: str) -> str:
    """The verb that a kind of session runs."""
    return {"retune": "tune", "drift": "verify"}.get(kind, kind)


def _failed(code: int, message: str, attempts: int) -> End:
    if attempts >= len(BACKOFF) or code in HOPELESS:
        tries = "1 attempt" if attempts == 0 else f"{attempts + 1} attempts"
        return End("gave_up", f"{message} (given up after {tries}, exit code {code})")
    return End("failed", message, BACKOFF[attempts])


def _checked(measured: Mapping[str, Any]) -> End:
    """The end of a check by what it measured; "unknown" (nothing to compare with) leaves the question to a tune."""
    answer = str(measured.get("answer"))
    return End(
        "done", f"{answer}: {measured.get('reason')}", decision=answer, speedup=measured.get("speedup"),
        stale=answer != "holds", loss=answer == "loss" and bool(measured.get("rollback")),
    )


def _done(kind: str, document: Mapping[str, Any]) -> End:
    if kind == "drift" and document.get("measured"):
        return _checked(document["measured"])
    if verb_of(kind) != "tune":
        return End("done", str(document.get("message") or _words(kind, document)))
    decision, speedup = document.get("decision"), document.get("speedup")
    better = decision == "apply"
    words = " ".join((document.get("winner") or {}).get("flags") or ()) or "no tuning flags"
    gain = f"{speedup['estimate']:.2f} times as fast" if better and speedup else ""
    text = f"{words}: {gain}" if better else str(document.get("reason") or "nothing better was found")
    return End("done", text, decision=decision, speedup=speedup, better=better)


def _words(kind: str, document: Mapping[str, Any]) -> str:
    if kind == "verify":
        return "all flags are in effect" if document.get("ok") else "flags are not in effect as written"
    changed = "changed" if document.get("changed") else "already as wanted"
    return f"{document.get('file') or 'the launch file'}: {changed}"
