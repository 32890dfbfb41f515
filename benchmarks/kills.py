"""Which record survives kill -9: a process that records clips as fast as it can is killed at random, again and again.

``python -m benchmarks.kills --kills 500``: for autotune's journal, Optuna's journal storage and Optuna's SQLite storage
(as Optuna makes it, and as autotune opens its own file): how many acknowledged clips are there afterwards, how many
are there twice or were never recorded, and how often the record could not be opened or written on.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import select
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

LOCK_LEFT = 2.0
"""Seconds after which Optuna's journal takes a lock that a killed process left behind (its default: 30)."""


@dataclass(frozen=True)
class Record:
    """``open``: makes what appends clip n; ``read``: all clips that are there."""

    open: Callable[[Path], Callable[[int], None]]
    read: Callable[[Path], Iterable[int]]


def _journal(folder: Path) -> Callable[[int], None]:
    from autotune.store.journal import Journal

    journal = Journal(folder / "samples.jsonl")
    journal.read()
    return lambda number: journal.append({"kind": "sample", "number": number, "filler": "x" * 300})


def _journal_read(folder: Path) -> Iterable[int]:
    from autotune.store.journal import Journal

    return [int(row["number"]) for row in Journal(folder / "samples.jsonl").read()]


def _storage(folder: Path, kind: str) -> object:
    import optuna

    from autotune.store import optuna_storage

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if kind == "journal":
        from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

        path = str(folder / "optuna.journal")
        lock = JournalFileSymlinkLock(path, grace_period=int(LOCK_LEFT))
        return optuna.storages.JournalStorage(JournalFileBackend(path, lock_obj=lock))
    if kind == "ours":
        return optuna_storage.open_own_storage(folder / "optuna.db")
    return optuna.storages.RDBStorage(optuna_storage.url_of(folder / "optuna.db"))


def _trial(kind: str) -> Callable[[Path], Callable[[int], None]]:
    def begin(folder: Path) -> Callable[[int], None]:
        import optuna

        study = optuna.create_study(storage=_storage(folder, kind), study_name="a", load_if_exists=True)  # type: ignore[arg-type]
        trial = study.ask()
        return lambda number: trial.set_user_attr(f"clip {number}", "x" * 300)
    return begin


def _trial_read(kind: str) -> Callable[[Path], Iterable[int]]:
    def read(folder: Path) -> Iterable[int]:
        import optuna

        study = optuna.load_study(storage=_storage(folder, kind), study_name="a")  # type: ignore[arg-type]
        return [int(key.split()[1]) for trial in study.trials for key in trial.user_attrs]
    return read


RECORDS = {
    "autotune's journal": Record(_journal, _journal_read),
    "Optuna's journal storage": Record(_trial("journal"), _trial_read("journal")),
    "Optuna's SQLite storage": Record(_trial("sqlite"), _trial_read("sqlite")),
    "the same as autotune opens it": Record(_trial("ours"), _trial_read("ours")),
}


def killed(record: Record, folder: Path, first: int, wait: float) -> tuple[list[int], str]:
    """(clips acknowledged, what was wrong) of one process that records from ``first`` on until it is killed."""
    get, put = os.pipe()
    child = os.fork()
    if not child:
        os.close(get)
        try:
            append, number = record.open(folder), first
            while True:
                append(number)
                os.write(put, b"%d\n" % number)
                number += 1
        except BaseException as problem:  # noqa: BLE001 - told to the parent, whatever it is
            os.write(put, f"! {type(problem).__name__}\n".encode())
            os._exit(1)
    os.close(put)
    heard = b""
    if select.select([get], [], [], 120.0)[0]:  # its first word: from here on it records
        time.sleep(wait)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while piece := os.read(get, 1 << 16):
        heard += piece
    os.close(get)
    words = heard.decode().splitlines()
    wrong = next((word[2:] for word in words if word.startswith("!")), "")
    if any(folder.glob("*.lock")) and not wrong:
        wrong = "left a lock that the next one waits for"
    return [int(word) for word in words if word.isdigit()], wrong


def measure(record: Record, kills: int, seed: int) -> dict[str, object]:
    """What is left after so many kills."""
    rng = random.Random(seed)
    acknowledged: list[int] = []
    wrong: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # Imports once, here, so that a child records at once.
        record.open(folder)(0)
        acknowledged.append(0)
        for _ in range(kills):
            got, problem = killed(record, folder, acknowledged[-1] + 1_000, rng.uniform(0.0, 0.03))
            acknowledged += got
            wrong.update([problem] if problem else [])
        try:
            there = Counter(record.read(folder))
        except Exception as problem:  # noqa: BLE001 - that it cannot be read is the figure
            return {"kills": kills, "acknowledged": len(acknowledged), "lost": len(acknowledged),
                    "unreadable": type(problem).__name__, "wrong": dict(wrong)}
    return {"kills": kills, "acknowledged": len(acknowledged), "lost": sum(not there[n] for n in acknowledged),
            "twice": sum(count > 1 for count in there.values()), "wrong": dict(wrong)}


def main() -> None:
    """Prints one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", help="one of them, by the beginning of its name")
    words = parser.parse_args()
    asked = {name: record for name, record in RECORDS.items() if name.startswith(words.only or "")}
    print(json.dumps({name: measure(record, words.kills, words.seed) for name, record in asked.items()}, indent=1))


if __name__ == "__main__":
    main()
