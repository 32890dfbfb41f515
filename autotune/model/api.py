"""Answers and failures of a web UI's API, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ProblemKind = Literal[
    "unreachable", "timeout", "closed", "status", "redirect", "not_json", "too_large", "shape", "cancelled"
]


class ApiProblem(Exception):
    """A request that brought no usable answer.

    ``kind``: unreachable (no connection), timeout, closed (the connection broke before the whole answer),
    status (an HTTP error), redirect, not_json, too_large, shape (JSON, but not what the API documents),
    cancelled. ``status``: the HTTP status or None. ``error``: the web UI's own error class, such as
    OutOfMemoryError. ``excerpt``: the start of the body without credentials or image data.
    """

    def __init__(
        self, kind: ProblemKind, message: str, *, status: int | None = None, error: str = "", excerpt: str = ""
    ) -> None:
        super().__init__(message)
        self.kind: ProblemKind = kind
        self.message = message
        self.status = status
        self.error = error
        self.excerpt = excerpt


@dataclass(frozen=True, slots=True)
class Rendered:
    """The answer to a request for a clip. ``images``: the files as bytes, in the answer's order (GIF, WEBP or stills).

    ``seconds``: wall time from the request to its last byte, the decoding of base64 not included;
    ``process_time``: the server's own time in seconds, queue wait included, None if absent; ``lacks``: what of the
    evidence that it is a clip and was computed now is missing, in words; ``seed``: the one it was rendered with where
    that is not the one asked for, as of a web UI that hands back clips of a seed that it had before.
    """

    images: tuple[bytes, ...]
    infotext: str
    seconds: float
    process_time: float | None
    lacks: str = ""
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """GPU memory as the web UI itself tells it, in MiB; None where it does not. Peaks count since the process began."""

    cuda_used: float | None = None
    cuda_total: float | None = None
    reserved_peak: float | None = None
    active_peak: float | None = None
    oom_count: int | None = None
