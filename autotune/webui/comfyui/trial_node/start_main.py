"""Starts ComfyUI's main.py in a Python that heeds no PYTHONPATH, as the Windows package's does for its ``._pth`` file.

A trial's PYTHONPATH names the folder of the module that records what its process writes. Here that module is loaded by
hand, and then main.py runs as the program that it would have been: ``start_main.py main.py WORDS``.
"""

from __future__ import annotations

import os
import runpy
import sys

RECORDER = "sitecustomize"


def load_recorder() -> None:
    """Loads the first module of that name on PYTHONPATH; none where Python has it already, or there is none."""
    for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        if folder and RECORDER not in sys.modules and os.path.isfile(os.path.join(folder, f"{RECORDER}.py")):
            sys.path.insert(0, folder)
            __import__(RECORDER)


def run(script: str) -> None:
    """Runs a script as this process's program."""
    if not sys.flags.isolated:
        sys.path[0] = os.path.dirname(os.path.abspath(script))
    sys.argv = sys.argv[1:]
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    load_recorder()
    run(sys.argv[1])
