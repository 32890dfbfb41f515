"""Failure classes on excerpts of real failures: how many are right, and the confusion table.

    python -m benchmarks.failures

The excerpts (tests/model/failures*.json) are short factual lines of public threads and recordings, with personal
paths removed. Those in failures_fresh.json were gathered after the patterns had been written; failures_devices.json has
AMD, Intel, DirectML, Metal and newer cuDNN, and words that only look like them.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from autotune.measure.failures import classify

HERE = Path(__file__).resolve().parent.parent / "tests" / "model"
NEEDED = 0.95
FILES = ("failures.json", "failures_fresh.json", "failures_devices.json")


def excerpts(name: str) -> list[dict[str, Any]]:
    """The excerpts of one file: ``given`` (arguments of ``classify``), ``expect`` (the class), ``from``."""
    found: list[dict[str, Any]] = json.loads((HERE / name).read_text(encoding="utf-8"))
    return found


def decided(case: dict[str, Any]) -> str:
    """The class that is decided for an excerpt, "none" for no failure."""
    found = classify(**case["given"])
    return found.failure if found is not None else "none"


def confusion(cases: list[dict[str, Any]]) -> Counter[tuple[str, str]]:
    """How often each (true, decided) pair occurs."""
    return Counter((case["expect"], decided(case)) for case in cases)


def table(counts: Counter[tuple[str, str]]) -> str:
    """The confusion table as text; rows: true, columns: decided."""
    names = sorted({name for pair in counts for name in pair})
    rows = [" " * 16 + " ".join(f"{name[:7]:>7}" for name in names)]
    rows += [f"{true:16}" + " ".join(f"{counts[true, said] or '.':>7}" for said in names) for true in names]
    return "\n".join(rows)


def right(counts: Counter[tuple[str, str]]) -> int:
    """How many are decided as they should be."""
    return sum(number for (true, said), number in counts.items() if true == said)


def main() -> int:
    """Prints the count, the table and what is wrong; 1 when too few are right."""
    cases = [case for name in FILES for case in excerpts(name)]
    counts = confusion(cases)
    print(f"{right(counts)} of {len(cases)} excerpts right (rows: true, columns: decided)\n{table(counts)}")
    for case in cases:
        if decided(case) != case["expect"]:
            print(f"wrong: {case['expect']} taken for {decided(case)} ({case['from']})")
    return 0 if right(counts) >= NEEDED * len(cases) else 1


if __name__ == "__main__":
    sys.exit(main())
