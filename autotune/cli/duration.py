"""How a user writes a length of time (90s, 10m, 1h30m), in seconds."""

from __future__ import annotations

import re

from autotune.language.translate import _
from autotune.model.errors import UsageProblem

UNITS = {"": 60.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def seconds_of(text: str) -> float:
    """Seconds of a duration such as 90s, 10m, 1.5h; a bare number is minutes. Raises UsageProblem."""
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*(min|[smh]|)", text.strip().lower())
    if not parts or "".join(number + unit for number, unit in parts) != text.strip().lower().replace(" ", ""):
        raise UsageProblem(_("--budget {text!r} is no duration").format(text=text), _("Say 90s, 10m or 1h30m."))
    seconds = sum(float(number) * UNITS[unit] for number, unit in parts)
    if not 1 <= seconds <= 7 * 24 * 3600:
        raise UsageProblem(_("--budget {text!r} is outside one second to seven days").format(text=text),
                           _("Say 90s, 10m or 1h30m."))
    return seconds
