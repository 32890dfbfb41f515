"""The environment that a program of the user's would have: this one without what is autotune's own."""

from __future__ import annotations

import os
from collections.abc import Mapping

from autotune.disk.programs import search_path
from autotune.machine import processes

OURS = ("VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONEXECUTABLE",
        "__PYVENV_LAUNCHER__", "PYTHONSAFEPATH", "PYTHONWARNINGS", "PYTEST_CURRENT_TEST",
        "AUTOTUNE_STORAGE", processes.MARKER)
"""Variables of autotune's own surroundings that a web UI must not inherit."""


def without_ours(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """``environ`` (None: this process's) without what belongs to autotune's own interpreter."""
    env = dict(os.environ if environ is None else environ)
    if env.get("VIRTUAL_ENV"):
        env["PATH"] = search_path(env)
    for name in OURS:
        env.pop(name, None)
    return env
