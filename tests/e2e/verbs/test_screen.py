"""A real tune of the reference web UI on a pseudo-terminal: what its user sees, and what is left of it."""

from __future__ import annotations

import json
import os
import re
import sys

import pytest

from tests.e2e.asked_once import PLAIN
from tests.e2e.verbs.conftest import Bench
from tests.waiting import wait_for

if sys.platform != "win32":
    from tests.terminal import Terminal, widest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a pseudo-terminal")
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def written(raw: bytes) -> list[str]:
    """The pieces of text between two ends of a line, or two movements of the cursor."""
    text = re.sub(r"\x1b\[[0-9]*[ABHJK]", "\n", raw.decode())
    return [piece for piece in re.split(r"[\r\n]+", ESCAPE.sub("", text)) if piece]


def test_a_tune_seen_by_its_user(bench: Bench) -> None:
    bench.program = PLAIN
    bench.give("--opt-split-attention-v1")
    unset = ("CI", "NO_COLOR", "COLUMNS", "LINES")
    env = {key: value for key, value in bench.environment().items() if key not in unset}
    words = bench.command("tune", "--profile", str(bench.profile), "--budget", "90s")
    with Terminal(words, {**env, "TERM": "xterm-256color"}, 80, 24) as first:
        assert first.shows("Clip 1 of", 120)
        assert first.cursor_hidden()
        first.type("\x03")
        assert first.ended() == 130
        assert not first.cursor_hidden()
        said = [line for line in first.all_lines() if line]
        assert said[-2:] == ["autotune: interrupted by SIGINT",
                             "  Nothing is lost: the same command goes on from here."]
        assert not any("Clip 1 of" in line or "min left" in line for line in said)
    assert wait_for(lambda: not bench.leftovers(), 20)
    with Terminal(words, {**env, "TERM": "xterm-256color"}, 120, 30) as again:
        assert again.ended(200) == 0
        assert not again.cursor_hidden()
        assert widest(written(again.raw)) <= 120
        screens = [[line.rstrip() for line in screen] for screen in again.seen]
        # A crowded machine may not get beyond the first set in that time; then there is no other to draw a bar of.
        measured = {json.dumps(row["candidate"]) for row in bench.samples() if row["state"] == "ok"}
        barred = any("●" in line for screen in screens for line in screen)
        assert barred or len(measured) < 2, f"no bar of {len(measured)} sets"
        assert any("left" in line and "min" in line for screen in screens for line in screen)
        for screen in screens:
            assert sum("(yours)" in line for line in screen) <= 1, "\n".join(screen)
        end = [line for line in again.all_lines() if line]
        assert end[0].startswith("going on with study") and not any("(yours)" in line for line in end)
        assert any(line.startswith(("Keep your flags.", "Change your flags.")) for line in end)
        assert end[-1].startswith("Took ") or end[-2].startswith("Took ")
