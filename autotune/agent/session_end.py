"""What the end of a session means (done, failed, try again when), from its exit code and its JSON document alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from autotune.agent.verb_process import VerbResult
from autotune.language.translate import _, ngettext

EXIT_BUSY, EXIT_INTERRUPTED, EXIT_DRIFTED = 6, 130, 7
EXITS_WITHOUT_RETRY = frozenset({2, 5})
"""Wrong words, or a launch file that must not be touched: another attempt would end alike."""
PAUSES_FAILED = (300.0, 1800.0)
"""Seconds until a session that failed is tried again; after the last one it is given up."""
PAUSE_INTERRUPTED, PAUSE_BUSY = 60.0, 300.0
"""Seconds until an interrupted session goes on, and until one that found the machine in use tries again."""
LONGEST_PAUSE = 3600.0
"""Seconds until a session that was killed goes on, at most: each time twice as long, from PAUSE_INTERRUPTED on."""
VERBS = {"retune": "tune", "drift": "verify"}
"""Verb that a kind of session runs; the other kinds are called as their verbs are."""


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """``outcome``: done, failed, gave_up, yielded or busy; ``text`` for people; ``retry``: seconds from now.

    ``better``: a tune found a set worth applying; ``drifted``: a check found flags that are not in effect.
    ``stale``: a check found that what an earlier tune measured does not hold, or could not tell;
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


def of_result(kind: str, result: VerbResult, attempts: int) -> SessionEnd:
    """The end of a session of that kind; ``attempts``: how often it failed before."""
    document = result.document or {}
    if result.code == 0 and document.get("kind") != "error":
        if document.get("kind") != VERBS.get(kind, kind):
            return _end_of_failure(result.code, _("it ended without its document"), attempts)
        return _end_of_success(kind, document)
    message = str(document.get("message") or _("it ended with code {code}").format(code=result.code))
    if result.code == EXIT_INTERRUPTED:
        return SessionEnd("yielded", _("interrupted; what it measured is kept"), PAUSE_INTERRUPTED)
    if result.code < 0 and not document:
        # Ended from outside (kill -9, out of memory): it goes on from what is on disk, after ever longer pauses.
        return SessionEnd("failed", _("ended by signal {code}").format(code=-result.code), _doubled_pause(attempts))
    if result.code == EXIT_BUSY:
        return SessionEnd("busy", message, PAUSE_BUSY)
    if result.code == EXIT_DRIFTED and document.get("kind") == "verify":
        if kind == "drift" and document.get("measured"):
            return _end_of_check(document["measured"])
        return SessionEnd("done", _("flags are not in effect as written"), drifted=True)
    return _end_of_failure(result.code, message, attempts)


def _doubled_pause(attempts: int) -> float:
    """Seconds, doubled for each attempt. The power of a large count would overflow, hence the lesser of two counts."""
    return min(PAUSE_INTERRUPTED * 2.0 ** min(attempts, 10), LONGEST_PAUSE)


def _end_of_failure(code: int, message: str, attempts: int) -> SessionEnd:
    if attempts >= len(PAUSES_FAILED) or code in EXITS_WITHOUT_RETRY:
        text = ngettext("{message} (given up after {count} attempt, exit code {code})",
                        "{message} (given up after {count} attempts, exit code {code})", attempts + 1)
        return SessionEnd("gave_up", text.format(message=message, count=attempts + 1, code=code))
    return SessionEnd("failed", message, PAUSES_FAILED[attempts])


def _end_of_check(measured: Mapping[str, Any]) -> SessionEnd:
    """The end of a check by what it measured; "unknown" (nothing to compare with) leaves the question to a tune."""
    answer = str(measured.get("answer"))
    return SessionEnd(
        "done", f"{answer}: {measured.get('reason')}", decision=answer, speedup=measured.get("speedup"),
        stale=answer != "holds", loss=answer == "loss" and bool(measured.get("rollback")),
    )


def _end_of_success(kind: str, document: Mapping[str, Any]) -> SessionEnd:
    if kind == "drift" and document.get("measured"):
        return _end_of_check(document["measured"])
    if kind != "retune":
        return SessionEnd("done", str(document.get("message") or _success_text(document)))
    decision, speedup = document.get("decision"), document.get("speedup")
    better = decision == "apply"
    words = " ".join((document.get("winner") or {}).get("flags") or ()) or _("no tuning flags")
    gain = _("{gain:.2f} times as fast").format(gain=speedup["estimate"]) if better and speedup else ""
    text = f"{words}: {gain}" if better else str(document.get("reason") or _("nothing better was found"))
    return SessionEnd("done", text, decision=decision, speedup=speedup, better=better)


def _success_text(document: Mapping[str, Any]) -> str:
    """What a verify, apply or rollback came to, where its document has no message."""
    if document["kind"] == "verify":
        return _("all flags are in effect") if document.get("ok") else _("flags are not in effect as written")
    text = _("{file}: changed") if document.get("changed") else _("{file}: already as wanted")
    return text.format(file=document.get("file") or _("the launch file"))
