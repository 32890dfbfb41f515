"""How much a study did so far: one count for the screen, the document, the page and `status`."""

from __future__ import annotations

from autotune.model.study import History


def counts(history: History) -> dict[str, int]:
    """``clips`` with a time (warm-up clips too), ``sets`` that were measured or failed to start, ``launches``."""
    tried = {one.candidate for one in history.samples} | {one.candidate for one in history.launches if one.failure}
    timed = sum(sample.seconds is not None for sample in history.samples)
    return {"clips": timed, "sets": len(tried), "launches": len(history.launches)}
