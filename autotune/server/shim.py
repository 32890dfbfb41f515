"""Runs inside the web UI's own interpreter when it is started through its own start script.

A copy of this file lies in the run's folder, as LAUNCH_SCRIPT of webui.sh or as ``sitecustomize`` where the
script has no such door. It rewrites COMMANDLINE_ARGS, as the script made it, before the real launch.py reads
it: words of AUTOTUNE_SHIM's table go, the trial's own are added. So credentials stand in no argv. The words
that the script gave are written to ``given.json``. Standard library only, Python 3.7 and later.
"""

from __future__ import annotations

import json
import os
import runpy
import shlex
import sys


def rewrite(given: list[str], stripped: dict[str, int], shortest: int) -> list[str]:
    """``given`` without the words in ``stripped`` (flag -> number of values), abbreviations included."""
    out = []
    skip = 0
    for word in given:
        if skip:
            skip -= 1
            continue
        name = word.split("=", 1)[0]
        flag = name if name in stripped else None
        if flag is None and name.startswith("--") and len(name) >= shortest:
            flag = next((known for known in stripped if known.startswith(name)), None)
        if flag is None:
            out.append(word)
        elif "=" not in word:
            skip = stripped[flag]
    return out


def prepare(argv: list[str]) -> str:
    """Sets COMMANDLINE_ARGS for the real launch.py and returns its path. ``argv``: words to move into it."""
    spec = json.loads(os.environ.pop("AUTOTUNE_SHIM"))
    given = argv + shlex.split(os.environ.get("COMMANDLINE_ARGS", ""))
    kept = rewrite(given, spec["stripped"], spec["shortest"])
    with open(spec["given"], "w", encoding="utf-8") as file:  # noqa: PTH123 (older interpreters, few imports)
        json.dump(kept, file)
    os.environ["COMMANDLINE_ARGS"] = " ".join(shlex.quote(word) for word in kept + spec["words"])
    return str(spec["launch"])


def _starts_launch() -> bool:
    """As sitecustomize: is this interpreter about to run launch.py, and not pip or a test of it?"""
    words = getattr(sys, "orig_argv", None) or []
    return any(os.path.basename(word) == "launch.py" for word in words)  # noqa: PTH119


if "AUTOTUNE_SHIM" in os.environ:
    if __name__ == "__main__":
        launch = prepare(sys.argv[1:])
        sys.argv = [launch]
        sys.path[0] = os.path.dirname(launch)  # noqa: PTH120
        runpy.run_path(launch, run_name="__main__")
    elif __name__ == "sitecustomize" and _starts_launch():
        prepare([])
