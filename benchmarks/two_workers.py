"""One study from two workers: how much sooner the verdict is there, and what is left when anything is killed.

``python -m benchmarks.two_workers --sessions 6``: drawn machines, each tuned by one worker and by two at once, with
trials that wait instead of computing (``--scale`` seconds for each second): wall time to the verdict, ratio and spread.
``--kills 100``: kill -9 of either worker or of the database at random; afterwards every clip that a worker acknowledged
must be in its journal, in the storage and in the other worker's record, once. ``--storage sqlite|postgresql``.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from autotune.search import trial_history
from autotune.store import optuna_storage, shared_study
from autotune.store.optuna_study import OptunaStudy  # noqa: F401 - imported once, before workers are forked
from autotune.store.studies import Study
from benchmarks import postgres, surfaces
from benchmarks.virtual import regret
from benchmarks.waiting import open_waiting, tuned


@contextmanager
def storage(kind: str, folder: Path) -> Iterator[tuple[Callable[[int], str], postgres.Server | None]]:
    """(address of the n-th study's storage, the server if there is one)."""
    if kind == "sqlite":
        yield (lambda number: optuna_storage.url_of(folder / f"shared-{number}.db")), None
        return
    with postgres.server() as server:
        yield (lambda number: f"{server.url.rpartition('/')[0]}/{_database(server, number)}"), server


def _database(server: postgres.Server, number: int) -> str:
    """A database of its own for a study."""
    import psycopg

    name = f"study{number}"
    with psycopg.connect(server.url, autocommit=True) as connection:
        if connection.execute("select 1 from pg_database where datname = %s", (name,)).fetchone() is None:
            connection.execute(f"create database {name}")
    return name


def worker(state: Path, surface: surfaces.Drawn, seed: int, url: str, scale: float, said: Path | None = None,
           budget: float = 3600.0) -> int:
    """Begins a worker as a process of its own; its pid. Each record that it acknowledges is noted in ``said``."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        note = os.open(said, os.O_WRONLY | os.O_APPEND | os.O_CREAT) if said else None
        study = open_waiting(state, surface)

        def each() -> None:
            if note is not None:
                os.write(note, b"+\n")

        del study
        tuned(state, surface, seed, storage=url, scale=scale, each=each, budget=budget)
        code = 0
    finally:
        os._exit(code)


def ratio(number: int, seed: int, url: Callable[[int], str], folder: Path, scale: float) -> dict[str, Any]:
    """Wall seconds of one worker and of two on the same machine, and what they came to."""
    surface = surfaces.drawn(seed)
    found: dict[str, Any] = {"seed": seed}
    states = {count: [folder / f"{number}-{count}-{place}" for place in range(count)] for count in (1, 2)}
    # Both at the same time, on storages of their own: whatever else the machine does disturbs them alike.
    begun = time.monotonic()
    left = {worker(state, surface, seed * 10 + place, url(10 * number + count), scale): count
            for count, folders in states.items() for place, state in enumerate(folders)}
    failed: Counter[int] = Counter()
    while left:
        child, status = os.wait()
        count = left.pop(child)
        failed[count] += os.waitstatus_to_exitcode(status) != 0
        found[f"wall{count}"] = round(time.monotonic() - begun, 2)
    for count, folders in states.items():
        verdicts = [_verdict(open_waiting(state, surface), surface) for state in folders]
        found[f"verdict{count}"] = verdicts[0][0]
        found[f"regret{count}"] = round(regret(surface, verdicts[0][1]), 4)
        found[f"agree{count}"] = len(set(verdicts)) == 1 and not failed[count]
    found["ratio"] = round(found["wall1"] / found["wall2"], 3)
    return found


def _verdict(study: Study, surface: surfaces.Drawn) -> tuple[str, str]:
    from autotune.decide import verdict

    found = verdict(study.history(3600.0, study.spent(), None), surface.space, surface.profile, "speed")
    won = found.decision == "apply" and found.winner is not None
    return found.decision, found.winner.candidate if won and found.winner else surface.space.baseline


def kills(wanted: int, kind: str, seed: int, scale: float) -> dict[str, Any]:
    """So many kills, over as many studies as that takes."""
    rng = random.Random(seed)
    total: Counter[str] = Counter()
    shared_study.BEAT, shared_study.GRACE = 0.2, 3.0
    with tempfile.TemporaryDirectory() as name, storage(kind, Path(name)) as (url, server):
        number = 0
        while total["kills"] < wanted:
            number += 1
            most = min(12, wanted - total["kills"])
            total.update(_one_study(Path(name) / str(number), url(number), server, rng, scale, most))
    return {"storage": kind, "studies": number, **dict(sorted(total.items()))}


def _one_study(
    folder: Path, url: str, server: postgres.Server | None, rng: random.Random, scale: float, most: int
) -> Counter[str]:
    """One study until both workers came to its end, killed again and again; what was found afterwards."""
    surface = surfaces.drawn(rng.randrange(1 << 30))
    states = [folder / "a", folder / "b"]
    folder.mkdir()
    running = {place: worker(state, surface, place, url, scale, folder / f"said-{place}")
               for place, state in enumerate(states)}
    total: Counter[str] = Counter()
    ended: set[int] = set()
    while len(ended) < 2:
        time.sleep(rng.uniform(0.05, 2.5))
        for place, child in list(running.items()):
            got, status = os.waitpid(child, os.WNOHANG)
            if got:
                del running[place]
                if os.waitstatus_to_exitcode(status) == 0:
                    ended.add(place)
        if running and total["kills"] < most:
            victim = rng.choice([*running, -1] if server else list(running))
            total["kills"] += 1
            if victim < 0 and server is not None:
                total["kills of the database"] += 1
                server.kill()
                time.sleep(rng.uniform(0.0, 1.0))
                server.start()
            else:
                child = running.pop(victim)
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
        for place, state in enumerate(states):
            if place not in ended and place not in running and rng.random() < 0.7:
                turn = place + 10 * total["kills"]
                running[place] = worker(state, surface, turn, url, scale, folder / f"said-{place}")
    # Each tells what a kill kept it from telling and learns what the other did last, measuring nothing more; twice, for
    # what the second one tells the first has still to learn.
    for place, state in [*enumerate(states)] * 2:
        _, status = os.waitpid(worker(state, surface, place, url, scale, budget=0.001), 0)
        total["failed"] += os.waitstatus_to_exitcode(status) != 0
    total.update(_found(folder, states, url, surface))
    return total


def _found(folder: Path, states: list[Path], url: str, surface: surfaces.Drawn) -> Counter[str]:
    """What is lost and what is there twice: against each journal, in the storage and in the other one's record."""
    import optuna

    studies = [open_waiting(state, surface) for state in states]
    held = optuna_storage.open_storage(url)
    name, = optuna.get_all_study_names(held)
    there: Counter[tuple[str, str, int]] = Counter()
    shown = optuna.load_study(study_name=name, storage=held).get_trials(deepcopy=False)
    for trial in shown:
        for kind in (trial_history.SAMPLES, trial_history.LAUNCHES):
            there.update((str(trial.user_attrs[trial_history.WORKER]), kind, int(row["number"]))
                         for row in trial.user_attrs.get(kind, ()))
    optuna_storage.close_storage(held)
    total: Counter[str] = Counter(open=sum(not one.state.is_finished() for one in shown))
    for place, study in enumerate(studies):
        own = {(kind, one.number) for kind, rows in _records(study) for one in rows if not one.worker}
        said = folder / f"said-{place}"
        total["acknowledged"] += (count := len(said.read_bytes().splitlines()))
        total["lost"] += max(0, count - len(own))
        who = str(study.head["worker"])
        other = studies[1 - place]
        taken = Counter((kind, one.origin) for kind, rows in _records(other) for one in rows if one.worker == who)
        times = [there[who, kind, number] for kind, number in own]
        total["lost"] += times.count(0) + sum(not taken[key] for key in own)
        total["twice"] += sum(count > 1 for count in [*times, *taken.values()])
        total["unknown"] += sum(key not in own for key in taken)
    return total


def _records(study: Study) -> list[tuple[str, list[Any]]]:
    return [(trial_history.SAMPLES, study.samples), (trial_history.LAUNCHES, study.launches)]


def main() -> None:
    """Prints one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=6)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--storage", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--scale", type=float, default=0.2)
    parser.add_argument("--seed", type=int, default=1)
    words = parser.parse_args()
    if words.kills:
        print(json.dumps(kills(words.kills, words.storage, words.seed, words.scale), indent=1))
        return
    with tempfile.TemporaryDirectory() as name, storage(words.storage, Path(name)) as (url, _):
        rows = []
        for number in range(words.sessions):
            rows.append(ratio(number, words.seed + number, url, Path(name), words.scale))
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    logs = [math.log(row["ratio"]) for row in rows]
    spread = statistics.stdev(logs) if len(logs) > 1 else 0.0
    print(json.dumps({
        "storage": words.storage, "scale": words.scale, "sessions": rows,
        "ratio": {"mean": round(math.exp(statistics.mean(logs)), 3), "least": min(row["ratio"] for row in rows),
                  "most": max(row["ratio"] for row in rows), "sd of its logarithm": round(spread, 3)}}, indent=1))


if __name__ == "__main__":
    main()
