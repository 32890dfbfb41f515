"""Runs inside the web UI's own interpreter, in a start by its own script, and adds the flags of the trial.

A copy of this file lies in the run's folder, as LAUNCH_SCRIPT of webui.sh or as ``sitecustomize`` where the
script does not honour that. It rewrites COMMANDLINE_ARGS, as the script made it, before the real launch.py reads
it: words in the table of AUTOTUNE_SHIM are removed, the trial's own are added. So credentials stand in no argv. The
words that the script gave are written to ``given.json``. Standard library only, Python 3.7 and later.
"""

from __future__ import annotations

import hmac
import itertools
import json
import os
import runpy
import shlex
import sys


def words_kept(given: list[str], stripped: dict[str, int], shortest: int) -> list[bool]:
    """Which words stay. Removed are flags in ``stripped`` (flag -> number of its values), abbreviated ones too."""
    out = []
    skip = 0
    for word in given:
        if skip:
            skip -= 1
            out.append(False)
            continue
        name = word.split("=", 1)[0]
        flag = name if name in stripped else None
        if flag is None and name.startswith("--") and len(name) >= shortest:
            flag = next((known for known in stripped if known.startswith(name)), None)
        out.append(flag is None)
        if flag is not None and "=" not in word:
            skip = stripped[flag]
    return out


def mark(key: str, word: str) -> str:
    """A keyed digest of a word: two words can be compared without either being written down."""
    return hmac.new(key.encode(), word.encode("utf-8", "surrogateescape"), "sha256").hexdigest()


def _row(key: str, word: str, kept: bool) -> list[str]:
    """The record of a word: the whole of it if it stays, else its flag alone, since its value may be secret."""
    name = word.split("=", 1)[0]
    return ["kept" if kept else "left", word if kept else name if name.startswith("--") else "***", mark(key, word)]


def prepare(argv: list[str], stays: bool = False) -> str:
    """Sets COMMANDLINE_ARGS for the real launch.py and returns its path. ``argv``: words to move into it, or, with
    ``stays``, words that stay in launch.py's own, in which those that go are taken out of the list itself."""
    spec = json.loads(os.environ.pop("AUTOTUNE_SHIM"))
    line = shlex.split(os.environ.get("COMMANDLINE_ARGS", ""))
    given = argv + line
    kept = words_kept(given, spec["stripped"], spec["shortest"])
    with open(spec["given"], "w", encoding="utf-8") as file:  # noqa: PTH123 (older interpreters, few imports)
        json.dump(list(map(_row, itertools.repeat(spec["key"]), given, kept)), file)
    moved = list(itertools.compress(given, kept))
    if stays:
        moved = list(itertools.compress(line, kept[len(argv) :]))
        argv[:] = list(itertools.compress(argv, kept))
    os.environ["COMMANDLINE_ARGS"] = " ".join(shlex.quote(word) for word in moved + spec["words"])
    return str(spec["launch"])


def _prepare_sitecustomize() -> None:
    """As sitecustomize: takes out of sys.argv what a trial is not given; ``accelerate launch`` passes on what is left.

    sys.argv is set by now in Python 3.10 and later, which alone has sys.orig_argv.
    """
    at = _index_of_launch(sys.argv)
    if at is None:
        prepare([])
        return
    words = sys.argv[at + 1 :]
    prepare(words, stays=True)
    sys.argv[at + 1 :] = words


def _index_of_launch(words: list[str]) -> int | None:
    return next((i for i, word in enumerate(words) if os.path.basename(word) == "launch.py"), None)  # noqa: PTH119


def _starts_launch() -> bool:
    """As sitecustomize: whether this interpreter is about to run launch.py, and not pip, say."""
    return _index_of_launch(getattr(sys, "orig_argv", None) or []) is not None


if "AUTOTUNE_SHIM" in os.environ:
    if __name__ == "__main__":
        launch = prepare(sys.argv[1:])
        sys.argv = [launch]
        own = 0 if getattr(sys.flags, "safe_path", False) else 1  # its first folder is that of this file
        sys.path[:own] = [os.path.dirname(launch)]  # noqa: PTH120
        runpy.run_path(launch, run_name="__main__")
    elif __name__ == "sitecustomize" and _starts_launch():
        _prepare_sitecustomize()
