"""Does reading and editing a launch file stay linear? Seconds a line at 10 and at 10,000 lines.

Run: ``python -m benchmarks.launchfile_lines``. The aim is that a line of the long file costs less than twice one of
the short file.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from autotune.launchfile import edit
from autotune.launchfile.reader import parse
from autotune.webui.a1111.flags.block_flags import BLOCK_FLAGS

_SHELL = ("# a comment, as people write them: export COMMANDLINE_ARGS=\"--medvram\"", 'export SETTING="value one"',
          "if [ -f nothing ]; then echo \"$HOME\" '--x'; fi", "echo 'progress' >/dev/null", "")
_BATCH = ("rem a comment, as people write them: set COMMANDLINE_ARGS=--medvram", "set SETTING=value one",
          "if exist nothing (echo %HOME% --x) else echo no", "echo progress> nul", "")
_FLAGS = ("--xformers", "--opt-sdp-attention")


def owns(words: Sequence[str]) -> tuple[bool, ...]:
    """Two flags are managed here."""
    return tuple(word in _FLAGS for word in words)


def launch_file(kind: str, lines: int) -> bytes:
    """A launch file of that many lines with one assignment in the middle."""
    pattern = _SHELL if kind == "sh" else _BATCH
    text = [pattern[i % len(pattern)] for i in range(lines)]
    value = 'export COMMANDLINE_ARGS="--xformers --api"' if kind == "sh" else "set COMMANDLINE_ARGS=--xformers --api"
    text[lines // 2] = value
    return ("\n".join(text) + "\n").encode()


def seconds_a_line(kind: str, lines: int, rounds: int) -> float:
    """Median seconds of reading and editing, over the number of lines."""
    text, path = launch_file(kind, lines), Path(f"webui-user.{'sh' if kind == 'sh' else 'bat'}")
    times = []
    for number in range(rounds):
        data = text + f"{'#' if kind == 'sh' else 'rem'} {number}\n".encode()  # another file each time: trees are kept
        start = time.perf_counter()
        edit(parse(data, path, {}), ("--opt-sdp-attention",), owns, BLOCK_FLAGS)
        times.append(time.perf_counter() - start)
    return statistics.median(times) / lines


def main() -> None:
    """Print the table."""
    for kind in ("sh", "cmd"):
        short, long = seconds_a_line(kind, 10, 200), seconds_a_line(kind, 10_000, 5)
        print(f"{kind}: {short * 1e6:.1f} us a line at 10 lines, {long * 1e6:.1f} us at 10,000: "
              f"{long / short:.2f} times")


if __name__ == "__main__":
    main()
