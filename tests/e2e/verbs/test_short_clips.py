"""Clips with fewer steps in a whole tune: kept apart from whole ones, and never in a confirmation."""

from __future__ import annotations

from tests.e2e.verbs.conftest import Bench

STEPS = 12
PROFILE = f"""\
name = "steps"
[[workload]]
width = 64
height = 64
frames = 4
steps = {STEPS}
[search]
attention = ["sdp", "invokeai"]
channelslast = [false, true]
[budget]
minutes = 2
"""


def test_short_clips_are_checked_marked_and_kept_out_of_the_decision(bench: Bench) -> None:
    profile = bench.folder / "steps.toml"
    profile.write_text(PROFILE)
    document = bench.json("tune", "--profile", str(profile), "--budget", "20s")
    samples = bench.samples()
    first = [row for row in samples if row["state"] in ("ok", "check")][:2]
    assert [(row["state"], row.get("steps")) for row in first] == [("ok", None), ("check", STEPS // 2)]
    assert first[0]["candidate"] == first[1]["candidate"]
    assert first[1]["ssim"] == 1.0, "a short clip of the current flags is its own reference, not the whole clip's"
    for row in samples:
        short = row.get("steps") is not None and row["state"] not in ("warmup", "check", "failed")
        assert short == (row.get("rendered") is not None)
        assert not short or (row["purpose"] in ("screen", "race") and row.get("steps") == STEPS // 2)
    assert bench.json("replay")["decision"] == document["decision"]
