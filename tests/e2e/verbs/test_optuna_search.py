"""Two real tunes at once share one study."""

from __future__ import annotations

import json

from autotune.store import optuna_storage
from tests import reference
from tests.e2e.verbs.conftest import SMALL, Bench


def test_two_web_uis_share_a_study(bench: Bench) -> None:
    """Two real tunes at once, each with an install and a state folder of its own and one storage between them."""
    second = bench.folder / "second" / "stable-diffusion-webui"
    other = Bench(second, bench.folder / "state-2", bench.folder, program=bench.program)
    reference.copy(other.root)
    profile = bench.folder / "two.toml"
    profile.write_text(SMALL.replace(', "invokeai"]', "]").replace("[false, true]", "[false]"))
    both = (bench, other)
    for one in both:
        one.give("--opt-split-attention-v1")
        one.env["AUTOTUNE_STORAGE"] = optuna_storage.url_of(bench.folder / "shared.db")
    running = [one.start("tune", "--profile", str(profile), "--budget", "200s", "--json", "-q") for one in both]
    told = [one.communicate(timeout=280) for one in running]
    assert [one.returncode for one in running] == [0, 0], told
    first, second = (json.loads(out) for out, _ in told)
    for key in ("decision", "speedup", "launches", "clips", "winner"):
        assert first[key] == second[key], key
    records = [one.samples() for one in both]
    for mine, theirs in (records, records[::-1]):
        own = sorted(row["number"] for row in mine if not row.get("worker"))
        assert own and sorted(row["origin"] for row in theirs if row.get("worker")) == own, "each has all, once"
        sides: dict[int, set[str]] = {}
        for row in mine:
            if row.get("block") is not None:
                sides.setdefault(row["block"], set()).add(row.get("worker", ""))
        assert all(len(workers) == 1 for workers in sides.values()), "a pair comes from one process's card"
    assert not other.leftovers()
