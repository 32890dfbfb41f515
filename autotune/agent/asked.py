"""By which rules a tune runs that the user asked for.

The user's own wish needs no room in the limits that the configuration sets to what the agent does by itself. What
protects the user's work stays: a job, a busy GPU, a battery.
"""

from __future__ import annotations

from dataclasses import replace

from autotune.agent.may_run import Situation
from autotune.config.config import DAYS, Config
from autotune.language.translate import _
from autotune.store.asked_tune import AskedTune

AWAY_MINUTES = 10.0
"""Minutes without a key or the mouse that count as away where the configuration does not ask for any."""
NO_LIMIT = 1_000_000


def rules(config: Config, request: AskedTune | None) -> Config:
    """The configuration by which a tune may begin and go on; ``request``: the user's wish that it meets, if any."""
    if request is None:
        return config
    free = replace(config, hours=(), days=DAYS, sessions_a_week=NO_LIMIT, minutes_a_day=float(NO_LIMIT))
    if request.when == "away":
        return replace(free, idle_minutes=config.idle_minutes or AWAY_MINUTES)
    return replace(free, idle_minutes=0.0, quiet_minutes=0.0)


def reasons(situation: Situation, request: AskedTune | None) -> list[str]:
    """Why it may not begin, or go on, beside what the rules say: it was asked for when the web UI is closed."""
    if request is None or request.when != "closed" or not situation.webui_runs or situation.gpu_present:
        return []
    return [_("your web UI is running; the tune begins when you have closed it")]
