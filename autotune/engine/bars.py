"""The progress bars of a job on the console, as A1111 shows them: one of the sampler, one of all clips of the job."""

from __future__ import annotations

import importlib
import time
from types import TracebackType
from typing import Any


class Bars:
    """Both bars of one job with ``steps`` steps; a context. ``total`` False: without the bar of all clips."""

    def __init__(self, steps: int, shown: bool, total: bool = True) -> None:
        self._last, self._bars = time.monotonic(), _made(steps, total) if shown else []

    def __enter__(self) -> Bars:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        for bar in self._bars:
            bar.close()

    def since_last(self) -> float:
        """Seconds that this step has taken."""
        return time.monotonic() - self._last

    def update(self, step: int) -> None:
        """``step`` steps are done."""
        self._last = time.monotonic()
        for bar in self._bars:
            bar.update(step - bar.n)


def _made(steps: int, total: bool) -> list[Any]:
    try:
        tqdm = importlib.import_module("tqdm").tqdm
    except ImportError:  # it comes with diffusers' own requirements, but not with every build of them
        return []
    return [tqdm(total=steps), *([tqdm(total=steps, desc="Total progress", position=1)] if total else [])]
