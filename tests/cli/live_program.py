"""A program for test_live.py: shows a tune as `autotune tune` does, one step for each line that it is told.

Arguments: the file descriptor that it is told through, and "line" to show one line, as `apply` does. ``step``: the next
decision of a recorded tune; ``say TEXT``: a line that stays; ``print TEXT``: somebody else writes to stderr, in two
pieces; ``end``: the tune ends. Signals are handled as the command does.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from autotune.cli import main
from autotune.cli.common_options import CommonOptions
from autotune.cli.output import print_error
from autotune.cli.progress import tune_progress, working
from autotune.model.errors import AutotuneError
from autotune.search.standings import standings
from autotune.search.time_left import time_left
from autotune.search.view import View
from autotune.store.places import Places
from autotune.tune.progress import Step
from tests.cli.moments import decisions

WORDS = ("--opt-sdp-attention", "--ckpt", "D:/画像生成/モデル/アニメ調.safetensors")


def play(orders: int) -> None:
    tune, strategy, found = decisions("article512")
    common = CommonOptions(None, None, Places(Path("unused")), False, False)
    left = iter(found)
    shown = (working(common, "Proving the flags 起動オプション") if "line" in sys.argv[2:] else
             tune_progress(common, time.monotonic(), tune.profile, "speed"))
    with shown as progress, os.fdopen(orders) as lines:
        for line in lines:
            what, _, text = line.rstrip("\n").partition(" ")
            if what == "end":
                return
            if what == "say":
                progress.say(text)
            elif what == "print":
                sys.stderr.write(text[:5])
                sys.stderr.write(text[5:] + "\n")
            else:
                history, proposal = next(left)
                if proposal is None:
                    return
                progress.proposed(tune.space[proposal.candidate], proposal)
                progress.began(Step("start", proposal.candidate, words=WORDS))
                progress.update(history, tune.budget - history.spent)
                if progress.wants_standings:
                    view = View(history, tune.space, tune.profile, "speed", strategy.surface)
                    progress.stands(standings(view, time_left(strategy, history)))
                progress.began(Step("clip", proposal.candidate, 1, max(1, proposal.rounds)))




if __name__ == "__main__":
    for number in main._signals():
        signal.signal(number, main._on_signal)
    try:
        play(int(sys.argv[1]))
    except AutotuneError as error:
        sys.exit(print_error(error.code, error.message, error.hint, False))
    print("the verdict")
