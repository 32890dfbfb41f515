"""For every room: what the surroundings of a test run must not change."""

from __future__ import annotations

import os
import signal
import sys

# Before numpy is loaded: its threads wait for each other longer than they compute on matrices of a hundred rows.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# What is said is English here, whatever the developer's system speaks.
os.environ["AUTOTUNE_LANG"] = "en"

from hypothesis import settings

from autotune.language.compile import compile_catalogues

if sys.platform == "win32":
    # Programs start slowly under wine: no example of a generator has a deadline there.
    settings.register_profile("windows", deadline=None)
    settings.load_profile("windows")


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Begun in the background (`make test &`): programs started by a test would ignore Ctrl-C, too, as nohup's do.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# In a checkout, nothing else has compiled what was changed since autotune was installed.
compile_catalogues()
