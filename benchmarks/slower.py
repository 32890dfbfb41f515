"""How often the rule of "slower since" calls a change where there is none, and how soon and where it finds one.

`python -m benchmarks.slower [--years N] [--seed S] [FAMILY ...]` plays years of daily use, drawn otherwise than the
rule assumes, through ``decide.slower``, as the agent does after each use: what lies before a change that was called is
not looked at any more. The drawing knows nothing of the rule.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from statistics import median

from autotune.decide import slower

slower._tails = lru_cache(maxsize=8192)(slower._tails.__wrapped__)
"""Years of uses ask for the same tables again and again; an agent asks for a few of them a day."""
YEAR = 365
"""Uses in a year of daily use."""


@dataclass
class Machine:
    """One machine and its user. All figures are log time (0.01 = 1 %).

    ``starts``: between starts; ``clips``: between clips of one; ``freedom``: of Student's t where tails are heavy;
    ``memory``: how much of a start's deviation the next one keeps; ``season``: half of the swing of a year;
    ``week``: more at weekends; ``games``: chance that a use falls beside a game, and that the next one does again;
    ``clocks``: chance of the slow one of two clocks, and how far apart they are; ``kinds``: sorts of clips;
    ``heat``: more in the later clips of a long use.
    """

    starts: float = 0.015
    clips: float = 0.008
    freedom: float | None = None
    memory: float = 0.0
    season: float = 0.0
    week: float = 0.0
    games: tuple[float, float] = (0.0, 0.0)
    clocks: tuple[float, float] = (0.0, 0.0)
    kinds: int = 1
    heat: float = 0.0
    updates: float = 1 / 30
    levels: dict[str, float] = field(default_factory=dict)


FAMILIES: dict[str, Callable[[random.Random], Machine]] = {
    "plain": lambda rng: Machine(updates=rng.uniform(0.02, 0.05)),
    "noisy": lambda rng: Machine(starts=rng.uniform(0.03, 0.06), clips=0.03),
    "tails": lambda rng: Machine(freedom=rng.choice([1.5, 2.0, 3.0])),
    "games": lambda rng: Machine(games=(rng.uniform(0.03, 0.1), rng.uniform(0.1, 0.4))),
    "memory": lambda rng: Machine(memory=rng.uniform(0.3, 0.7)),
    "seasons": lambda rng: Machine(season=rng.uniform(0.01, 0.03), week=rng.uniform(0.0, 0.02), heat=0.02),
    "clocks": lambda rng: Machine(clocks=(rng.uniform(0.1, 0.5), rng.uniform(0.05, 0.15))),
    "kinds": lambda rng: Machine(kinds=rng.randint(2, 8)),
    "mixed": lambda rng: Machine(
        starts=rng.uniform(0.01, 0.03), clips=rng.uniform(0.001, 0.02), freedom=rng.choice([2.0, 3.0, None]),
        memory=rng.uniform(0.0, 0.5), season=rng.uniform(0.0, 0.02), week=rng.uniform(0.0, 0.01),
        games=(rng.uniform(0.0, 0.08), rng.uniform(0.0, 0.3)), kinds=rng.randint(1, 5), heat=rng.uniform(0.0, 0.02)),
}


def uses(machine: Machine, rng: random.Random, at: int, by: float, marked: bool) -> Iterator[slower.Use]:
    """Uses without end; clips take ``by`` more from use ``at`` on, where an update is seen if ``marked``."""
    kept, beside_game, favourite, number = 0.0, False, "0", 0
    while True:
        drawn = rng.gauss(0.0, 1.0)
        if machine.freedom is not None:
            drawn /= math.sqrt(2.0 * rng.gammavariate(machine.freedom / 2, 1.0) / machine.freedom)
        kept = machine.memory * kept + math.sqrt(1.0 - machine.memory**2) * machine.starts * drawn
        beside_game = rng.random() < machine.games[1 if beside_game else 0]
        level = kept + machine.season * math.sin(2 * math.pi * number / YEAR) + machine.week * (number % 7 >= 5)
        level += rng.uniform(0.05, 0.6) if beside_game else 0.0
        level += machine.clocks[1] * (rng.random() < machine.clocks[0]) + (by if number >= at else 0.0)
        if rng.random() < 0.2:  # people render one sort of clip for a while
            favourite = str(rng.randrange(machine.kinds))
        clips = min(40, 1 + int(rng.expovariate(0.25)))
        own = machine.levels.setdefault(favourite, rng.uniform(-1.0, 1.0))
        took = [own + level + rng.gauss(0.0, machine.clips) + machine.heat * min(1.0, one / 10) for one in range(clips)]
        updated = rng.random() < machine.updates or (marked and number == at)
        yield slower.Use(median(took), favourite, updated and (marked or number != at))
        number += 1


def calls(
    source: Iterator[slower.Use], until: int, first_from: int | None = None
) -> Iterator[tuple[int, slower.Change]]:
    """(number of the newest use, change, counted from use 0) of each change that is called up to use ``until``."""
    seen: list[slower.Use] = []
    begin = 0
    for number in range(until):
        seen.append(next(source))
        if first_from is not None and number < first_from:
            continue
        found = slower.find_change(seen[begin:])
        if found is not None:
            yield number, slower.Change(
                begin + found.at, begin + found.first, begin + found.last, found.ratio, found.chance)
            begin += found.at


def false_alarms(family: str, years: int, seed: int) -> float:
    """Calls of "slower" a year on machines that change nothing."""
    count = 0
    for number in range(years):
        rng = random.Random(f"{family} {seed + number}")
        source = uses(FAMILIES[family](rng), rng, 1 << 30, 0.0, marked=True)
        count += sum(change.slower for _, change in calls(source, YEAR))
    return count / years


@dataclass(frozen=True)
class Found:
    """What became of machines that did become slower. ``delay``: median uses until it was called; ``late``: those of
    the slowest tenth, None where a tenth was not found in sixty; ``found``: share called within sixty;
    ``right``: share of those placed at the very use; ``within``: whose told range holds it; ``covered``: whose interval
    holds the truth."""

    delay: float
    late: float | None
    found: float
    right: float
    within: float
    covered: float


def detection(family: str, by: float, machines: int, seed: int, marked: bool) -> Found:
    """Machines that become ``by`` (a share of the time) slower after 30 to 80 quiet uses."""
    delays: list[int] = []
    right = within = covered = 0
    for number in range(machines):
        rng = random.Random(f"{family} {by} {seed + number}")
        at = rng.randint(30, 80)
        source = uses(FAMILIES[family](rng), rng, at, math.log1p(by), marked)
        for newest, change in calls(source, at + 60, first_from=at):
            if change.slower:
                delays.append(newest - at + 1)
                right += change.at == at
                within += change.first <= at <= change.last
                covered += change.ratio.low <= 1 + by <= change.ratio.high
                break
    delays.sort()
    told, nine_tenths = len(delays), math.ceil(0.9 * machines)
    late = delays[nine_tenths - 1] if told >= nine_tenths else None
    return Found(median(delays) if delays else math.inf, late, told / machines,
                 right / max(1, told), within / max(1, told), covered / max(1, told))


def main() -> None:
    """Prints one JSON line a family."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("families", nargs="*", default=list(FAMILIES))
    parser.add_argument("--years", type=int, default=100)
    parser.add_argument("--machines", type=int, default=200)
    parser.add_argument("--seed", type=int, default=900_000)
    given = parser.parse_args()
    for family in given.families:
        rows = {f"{100 * by:.0f} %{'' if marked else ', nothing updated'}":
                vars_of(detection(family, by, given.machines, given.seed, marked))
                for by in (0.05, 0.1, 0.3) for marked in (True, False)}
        print(json.dumps({"family": family, "false_a_year": false_alarms(family, given.years, given.seed), **rows}),
              flush=True)


def vars_of(found: Found) -> dict[str, float | None]:
    """The fields, rounded."""
    return {name: None if (value := getattr(found, name)) is None else round(value, 3)
            for name in ("delay", "late", "found", "right", "within", "covered")}


if __name__ == "__main__":
    main()
