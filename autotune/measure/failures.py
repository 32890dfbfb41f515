"""Which of the contract's failure classes a launch or clip belongs to, from all the evidence there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autotune.model.failures import ADVICE, BAD_FLAG, from_log, named_in, without_prompts
from autotune.model.study import Failure

LOG_LINES = 80
"""Lines from the end of the log that count: what was printed before is about earlier clips."""

NOT_ANIMATED = frozenset({"not_a_gif", "wrong_count", "all_alike", "not_animated"})
"""Refusals of ``workload.clip.check`` that show ordinary stills."""


@dataclass(frozen=True, slots=True)
class Classified:
    """A failure class, what was taken as the evidence, and what the user can do."""

    failure: Failure
    why: str

    @property
    def advice(self) -> str:
        """One sentence for the user."""
        return ADVICE[self.failure]


def classify(
    exit_code: int | None = None,
    http_status: int | None = None,
    body: str = "",
    log_tail: Sequence[str] = (),
    clip_check: str | None = None,
    *,
    died: bool = False,
    broke: bool = False,
    timed_out: bool = False,
    interrupted: bool = False,
    spilled: bool = False,
    starting: bool = False,
) -> Classified | None:
    """The class of a failure, None when nothing failed.

    ``exit_code``: of the web UI's process, None while it lives or when unknown (``died`` says that it ended).
    ``http_status`` and ``body``: the answer (the web UI's error class and message), 200 and "" if it was a
    clip. ``log_tail``: its last lines, oldest first. ``clip_check``: the kind of refusal of
    ``workload.clip.check``, None for a valid clip. ``starting``: the process was not ready yet.
    ``broke``: the answer broke off, and the process lives on.

    Order of evidence: our own interruption; the answer's own words; the process's death, with what its log
    says of it; time-out; the clip itself; memory over-full and slow.
    """
    if interrupted:
        return Classified("interrupted", "interrupted")
    log = without_prompts(log_tail)[-LOG_LINES:]
    if body and (http_status is None or http_status >= 400):
        named = named_in(body)
        if named and named not in ("startup", "port"):
            return Classified(named, _line(body))
    if starting and (died or exit_code is not None or log) and not timed_out:
        return Classified(from_log(log, exit_code), _evidence(log, exit_code))
    if died or exit_code is not None:
        return _of_death(exit_code, log)
    if broke:
        named = named_in("\n".join(log[-12:]))
        if named in ("oom", "cuda_error", "nan"):
            return Classified(named, _evidence(log, None))
        return Classified("invalid_output", "the answer broke off, and the web UI lives on")
    if timed_out:
        named = named_in("\n".join(log[-12:]))
        # A dead CUDA context can leave the request hanging after its message.
        if named in ("oom", "cuda_error"):
            return Classified(named, _evidence(log, None))
        return Classified("hang", "no answer in time")
    if http_status is not None and http_status >= 400:
        return _of_status(http_status, body, log)
    if clip_check is not None:
        failure: Failure = "not_animated" if clip_check in NOT_ANIMATED else "invalid_output"
        return Classified(failure, clip_check)
    return Classified("spilled", "memory full and far slower than its kind") if spilled else None


def _of_death(exit_code: int | None, log: tuple[str, ...]) -> Classified:
    """A process that ended while it should have rendered."""
    named = named_in("\n".join(log[-25:]))
    if named in ("oom", "cuda_error", "nan"):
        return Classified(named, _evidence(log, exit_code))
    if exit_code == 2 and any(BAD_FLAG.search(line) for line in log[-12:]):
        return Classified("bad_flag", _evidence(log, exit_code))
    return Classified("crash", f"exit code {exit_code}" if exit_code is not None else "the process ended")


def _of_status(status: int, body: str, log: tuple[str, ...]) -> Classified:
    """An HTTP error whose own words name no class."""
    named = named_in("\n".join(log[-12:])) if not body else None
    if named in ("oom", "nan", "cuda_error"):
        return Classified(named, _evidence(log, None))
    if "motion module" in body or (status == 422 and "AnimateDiff" in body):
        return Classified("not_animated", _line(body))
    return Classified("invalid_output", f"HTTP {status} {_line(body)}".strip())


def _line(text: str) -> str:
    return " ".join(text.split())[:200]


def _evidence(log: tuple[str, ...], exit_code: int | None) -> str:
    for line in reversed(log):
        if named_in(line) or BAD_FLAG.search(line):
            return _line(line)
    if log:
        return _line(log[-1])
    return f"exit code {exit_code}" if exit_code is not None else "no output"
