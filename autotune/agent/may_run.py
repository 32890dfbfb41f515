"""When may the agent work? Reasons not to begin a session or to end one, from the situation and the configuration.

A session is one tune or check. One that gives way goes on later in further parts, and counts as one session.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from autotune.config.config import DAYS, Config
from autotune.language.translate import _, ngettext

WEEK = 7 * 86400.0
LARGEST_LEAD = 2 * 86400.0
"""Seconds by which a session may lie ahead of the clock and still count (as now: the clock was set back a little).
One further ahead was dated by a clock that was wrong; when it took place nobody knows, and it must not block for good.
"""
JUST_NOW = 5.0
"""Seconds since the last key or mouse input up to which the user counts as back."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What the machine and its user do right now. None: unknown, which blocks nothing.

    Percentages and memory (MiB) are of processes other than ours, the temperature in °C, ``user_idle`` in seconds
    since the last key or mouse input. ``job``: what the user's web UI is rendering, None for nothing;
    ``job_unknown``: why that is unknown, which blocks as a job does.
    """

    webui_runs: bool = False
    job: str | None = None
    job_unknown: str | None = None
    gpu_present: bool = False
    gpu_percent: float | None = None
    gpu_memory: float | None = None
    cpu_percent: float | None = None
    temperature: float | None = None
    user_idle: float | None = None
    on_battery: bool | None = None


@dataclass(frozen=True, slots=True)
class SessionPart:
    """One part of an earlier session: when it began (seconds since 1970) and the seconds it took.

    ``of``: the id of what was due; parts with one id are one session, which gave way and went on.
    """

    began: float
    seconds: float
    of: str = ""

    @property
    def session(self) -> str:
        """The same for all parts of one session."""
        return self.of or f"{self.began}"


def reasons_busy(now: Situation, config: Config) -> list[str]:
    """Reasons that the user, or another program, is at work right now."""
    reasons = []
    if now.job is not None:
        reasons.append(_("the web UI renders ({job})").format(job=now.job))
    elif now.job_unknown is not None:
        reasons.append(now.job_unknown)
    elif now.webui_runs and now.gpu_present:
        reasons.append(_("your web UI is running and holds the GPU"))
    if now.gpu_percent is not None and 100 > config.gpu_busy_percent <= now.gpu_percent:
        reasons.append(_("other programs use the GPU ({percent:.0f} %)").format(percent=now.gpu_percent))
    if now.gpu_memory is not None and now.gpu_memory > config.gpu_memory_others:
        reasons.append(_("other programs hold {size:.0f} MiB of GPU memory").format(size=now.gpu_memory))
    if not now.gpu_present and now.cpu_percent is not None and 100 > config.cpu_busy_percent <= now.cpu_percent:
        reasons.append(_("the CPU is busy ({percent:.0f} %)").format(percent=now.cpu_percent))
    return reasons


def only_webui_in_the_way(
    now: Situation, config: Config, clock: datetime, past: Sequence[SessionPart], due: str
) -> bool:
    """Whether a session would begin if the user closed the web UI: then it is worth asking.

    Memory is not counted, as most of it is the web UI's; nor is the user's presence, as only who is there can answer.
    """
    if not now.webui_runs or not now.gpu_present or now.job is not None:
        return False
    closed = replace(now, webui_runs=False, job_unknown=None, gpu_memory=None, user_idle=None)
    return not reasons_to_wait(closed, config, clock, None, past, due)


def reasons_to_yield(now: Situation, config: Config) -> list[str]:
    """Reasons to stop a running session at once. The session's own load is not in ``now``."""
    reasons = reasons_busy(now, config)
    if now.on_battery and not config.on_battery:
        reasons.append(_("on battery"))
    if config.idle_minutes and now.user_idle is not None and now.user_idle < JUST_NOW:
        reasons.append(_("you are back"))
    return reasons


def reasons_to_wait(
    now: Situation, config: Config, clock: datetime, quiet_for: float | None, past: Sequence[SessionPart], due: str = ""
) -> list[str]:
    """Every reason not to begin a session now; empty: go.

    ``clock``: local time with its zone; ``quiet_for``: seconds since anything was busy, None: never seen busy;
    ``past``: earlier sessions; ``due``: the id of this one, of which they may hold parts.
    """
    reasons = reasons_to_yield(now, config)
    wait = config.quiet_minutes * 60
    if quiet_for is not None and quiet_for < wait and not reasons_busy(now, config):
        reasons.append(_("the GPU was busy {minutes:.0f} min ago, waiting for {wait:g} min").format(
            minutes=quiet_for / 60, wait=config.quiet_minutes))
    idle = config.idle_minutes * 60
    if now.user_idle is not None and JUST_NOW <= now.user_idle < idle:
        reasons.append(_("you were here {minutes:.0f} min ago, waiting for {wait:g} min").format(
            minutes=now.user_idle / 60, wait=config.idle_minutes))
    if now.temperature is not None and now.temperature > config.max_temperature:
        reasons.append(_("the GPU is hot ({temperature:.0f} °C)").format(temperature=now.temperature))
    if not in_hours(clock, config):
        reasons.append(_("outside your hours"))
    return reasons + limits_reached(clock, config, past, due)


def limits_reached(clock: datetime, config: Config, past: Sequence[SessionPart], due: str = "") -> list[str]:
    """Reasons from the configured limits. A session that gave way and goes on (``due``) is not a further one."""
    week, today = sessions_this_week(clock, past), seconds_today(clock, past)
    reasons = []
    if len(week) >= config.sessions_a_week and due not in week:
        reasons.append(ngettext("{count} session this week, {most} is allowed",
                                "{count} sessions this week, {most} are allowed", len(week)).format(
                                    count=len(week), most=config.sessions_a_week))
    if today / 60 >= config.minutes_a_day:
        reasons.append(_("{minutes:.0f} minutes today, {most:g} are allowed").format(
            minutes=today / 60, most=config.minutes_a_day))
    return reasons


def sessions_this_week(clock: datetime, past: Iterable[SessionPart]) -> set[str]:
    """The sessions of the last seven days."""
    return {part.session for part in recent(past, clock.timestamp(), WEEK)}


def seconds_today(clock: datetime, past: Iterable[SessionPart]) -> float:
    """Seconds that sessions took since midnight."""
    midnight = clock.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
    return sum(part.seconds for part in recent(past, clock.timestamp(), WEEK) if part.began >= midnight)


def recent(past: Iterable[SessionPart], now: float, back: float) -> list[SessionPart]:
    """Sessions that began at most ``back`` seconds ago and not far in the future (see ``LARGEST_LEAD``)."""
    return [part for part in past if now - back < part.began <= now + LARGEST_LEAD]


def in_hours(clock: datetime, config: Config) -> bool:
    """Whether the local time lies in the configured hours; a span over midnight belongs to its first day."""
    if not config.hours:
        return DAYS[clock.weekday()] in config.days
    minute = clock.hour * 60 + clock.minute
    today, yesterday = DAYS[clock.weekday()], DAYS[(clock - timedelta(days=1)).weekday()]
    for start, end in config.hours:
        if today in config.days and start <= minute and (minute < end or end < start):
            return True
        if start > end and minute < end and yesterday in config.days:
            return True
    return False
