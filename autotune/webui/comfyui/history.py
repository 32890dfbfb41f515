"""What ComfyUI's history tells of one prompt that has ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CLOCK_SLACK = 1.5
"""Seconds by which our own clock may count more than ComfyUI's for one prompt: its way into the queue, and the pause
between two looks."""


@dataclass(frozen=True, slots=True)
class History:
    """One entry of GET /history. ``cached``: ids of nodes whose results were not computed; ``outputs``: files by node;
    ``error``: the content of its execution_error, None without one; ``span``: milliseconds since 1970 of start and end,
    None where it tells none."""

    interrupted: bool
    cached: frozenset[str]
    outputs: Mapping[str, Any]
    error: Mapping[str, Any] | None
    span: tuple[float, float] | None

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> History:
        """From an entry as it came; what is missing in it counts as empty."""
        status = entry.get("status")
        messages = dict(_messages(status if isinstance(status, dict) else {}))
        cached = messages.get("execution_cached", {}).get("nodes")
        found = entry.get("outputs")
        error = messages.get("execution_error")
        interrupted = "execution_interrupted" in messages
        failed = isinstance(status, dict) and status.get("status_str") == "error" and not interrupted
        times = [messages.get(f"execution_{name}", {}).get("timestamp") for name in ("start", "success")]
        told = [float(one) for one in times if isinstance(one, (int, float))]
        return cls(interrupted, frozenset(map(str, cached)) if isinstance(cached, list) else frozenset(),
                   found if isinstance(found, dict) else {}, {} if failed and error is None else error,
                   (told[0], told[1]) if len(told) == 2 else None)

    def seconds(self, waited: float) -> float:
        """The seconds that the prompt took by ComfyUI's clock; ``waited``, our own clock's, where ComfyUI's was set
        meanwhile or is not told."""
        if self.span is None:
            return waited
        took = (self.span[1] - self.span[0]) / 1000.0
        return took if 0.0 < took <= waited + 0.1 and waited - took <= CLOCK_SLACK else waited


def _messages(status: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    found = status.get("messages")
    return [(str(one[0]), one[1]) for one in (found if isinstance(found, list) else ())
            if isinstance(one, list) and len(one) == 2 and isinstance(one[1], dict)]
