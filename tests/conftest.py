"""For every room: no example of a generator has a deadline where a program starts as slowly as under wine."""

from __future__ import annotations

import sys

from hypothesis import settings

if sys.platform == "win32":
    settings.register_profile("windows", deadline=None)
    settings.load_profile("windows")
