"""The one way in which tests wait for what another thread or process does: a condition and a limit, never a guess."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.system import under_wine

SLOWER = 4.0 if under_wine() else 1.0
"""How much longer anything may take here."""


def wait_for(condition: Callable[[], object], seconds: float, period: float = 0.05) -> bool:
    """Asks every ``period`` seconds until ``condition`` holds; False when it does not within ``seconds``, four times
    as long under wine."""
    deadline = time.monotonic() + seconds * SLOWER
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(period)
    return bool(condition())
