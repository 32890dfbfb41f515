"""May a session run now, and if not, why not. Pure: a situation and the owner's rules in, reasons out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from autotune.config.config import DAYS, Config

WEEK = 7 * 86400.0
AHEAD = 2 * 86400.0
"""Seconds by which a session may lie ahead of the clock and still count (as now: the clock was set back a little).
One further ahead was dated by a clock that was wrong; when it took place nobody knows, and it must not block for good.
"""


@dataclass(frozen=True, slots=True)
class Situation:
    """What the machine looks like. None: cannot be told, which blocks nothing.

    Percentages and memory (MiB) are of processes other than ours; ``user_idle`` in seconds since the last
    key or mouse; ``job``: what the owner's web UI is rendering, None for nothing; ``doubt``: why that cannot be
    told, which blocks as a job does.
    """

    webui_runs: bool = False
    job: str | None = None
    doubt: str | None = None
    gpu_present: bool = False
    gpu_percent: float | None = None
    gpu_memory: float | None = None
    cpu_percent: float | None = None
    temperature: float | None = None
    user_idle: float | None = None
    on_battery: bool | None = None


@dataclass(frozen=True, slots=True)
class Spent:
    """One sitting of an earlier session: when it began (seconds since 1970) and the seconds it took.

    ``of``: the id of what was due; sittings of one id are one session, which gave way and went on.
    """

    began: float
    seconds: float
    of: str = ""

    @property
    def session(self) -> str:
        """What tells sessions apart."""
        return self.of or f"{self.began}"


def busy(now: Situation, config: Config) -> list[str]:
    """Reasons that the owner, or another program, is at work right now."""
    reasons = []
    if now.job is not None:
        reasons.append(f"the web UI renders ({now.job})")
    elif now.doubt is not None:
        reasons.append(now.doubt)
    elif now.webui_runs and now.gpu_present:
        reasons.append("your web UI is running and holds the GPU")
    if now.gpu_percent is not None and 100 > config.gpu_busy_percent <= now.gpu_percent:
        reasons.append(f"other programs use the GPU ({now.gpu_percent:.0f} %)")
    if now.gpu_memory is not None and now.gpu_memory > config.gpu_memory_others:
        reasons.append(f"other programs hold {now.gpu_memory:.0f} MiB of GPU memory")
    if (
        not now.gpu_present
        and now.cpu_percent is not None
        and 100 > config.cpu_busy_percent <= now.cpu_percent
    ):
        reasons.append(f"the CPU is busy ({now.cpu_percent:.0f} %)")
    return reasons


def webui_alone(now: Situation, config: Config, clock: datetime, spent: Sequence[Spent], due: str) -> bool:
    """Whether a session would begin if only the owner closed the web UI: then it is worth asking.

    Memory is not counted, as most of it is the web UI's; nor is the owner's presence, as only who is there can answer.
    """
    if not now.webui_runs or not now.gpu_present or now.job is not None:
        return False
    closed = replace(now, webui_runs=False, doubt=None, gpu_memory=None, user_idle=None)
    return not why_not(closed, config, clock, None, spent, due)


def must_yield(now: Situation, config: Config) -> list[str]:
    """Reasons to stop a running session at once. The session's own load is not in ``now``."""
    reasons = busy(now, config)
    if now.on_battery and not config.on_battery:
        reasons.append("on battery")
    if config.idle_minutes and now.user_idle is not None and now.user_idle < 5:
        reasons.append("you are back")
    return reasons


def why_not(
    now: Situation, config: Config, clock: datetime, quiet_for: float | None, spent: Sequence[Spent],
    due: str = "",
) -> list[str]:
    """Every reason not to begin a session now; empty: go.

    ``clock``: local time with its zone; ``quiet_for``: seconds since anything was busy, None: never seen;
    ``due``: the id of the session, which may have had sittings already.
    """
    reasons = must_yield(now, config)
    wait = config.quiet_minutes * 60
    if quiet_for is not None and quiet_for < wait and not busy(now, config):
        reasons.append(
            f"the GPU was busy {quiet_for / 60:.0f} min ago, waiting for {config.quiet_minutes:g} min"
        )
    idle = config.idle_minutes * 60
    if now.user_idle is not None and 5 <= now.user_idle < idle:
        reasons.append(
            f"you were here {now.user_idle / 60:.0f} min ago, waiting for {config.idle_minutes:g} min"
        )
    if now.temperature is not None and now.temperature > config.max_temperature:
        reasons.append(f"the GPU is hot ({now.temperature:.0f} °C)")
    if not in_hours(clock, config):
        reasons.append("outside your hours")
    return reasons + over_budget(clock, config, spent, due)


def over_budget(clock: datetime, config: Config, spent: Sequence[Spent], due: str = "") -> list[str]:
    """Reasons from the owner's limits. A session that gave way and goes on (``due``) is not a further one."""
    week, today = this_week(clock, spent), seconds_today(clock, spent)
    reasons = []
    if len(week) >= config.sessions_a_week and due not in week:
        reasons.append(f"{len(week)} sessions this week, {config.sessions_a_week} are allowed")
    if today / 60 >= config.minutes_a_day:
        reasons.append(f"{today / 60:.0f} minutes today, {config.minutes_a_day:g} are allowed")
    return reasons


def this_week(clock: datetime, spent: Iterable[Spent]) -> set[str]:
    """The sessions of the last seven days."""
    return {s.session for s in recent(spent, clock.timestamp(), WEEK)}


def seconds_today(clock: datetime, spent: Iterable[Spent]) -> float:
    """Seconds that sessions took since midnight."""
    midnight = clock.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
    return sum(s.seconds for s in recent(spent, clock.timestamp(), WEEK) if s.began >= midnight)


def recent(spent: Iterable[Spent], now: float, back: float) -> list[Spent]:
    """Sessions that began at most ``back`` seconds ago and not far in the future (see ``AHEAD``)."""
    return [s for s in spent if now - back < s.began <= now + AHEAD]


def in_hours(clock: datetime, config: Config) -> bool:
    """Whether the local time lies in the owner's hours; a span over midnight belongs to its first day."""
    if not config.hours:
        return DAYS[clock.weekday()] in config.days
    minute = clock.hour * 60 + clock.minute
    today, yesterday = DAYS[clock.weekday()], DAYS[(clock - timedelta(days=1)).weekday()]
    for start, end in config.hours:
        if start < end and start <= minute < end and today in config.days:
            return True
        if start > end and minute >= start and today in config.days:
            return True
        if start > end and minute < end and yesterday in config.days:
            return True
    return False
