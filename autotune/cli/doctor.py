"""`autotune doctor`: checks all that tuning needs and says how to mend what fails."""

from __future__ import annotations

from autotune.cli.common_options import Settings, verb
from autotune.cli.output import print_json, print_text


@verb("doctor")
def doctor_command(settings: Settings) -> int:
    """Checks all that tuning needs; exit code 3 when something must be mended first."""
    from autotune.install.inspection import look
    from autotune.overview.doctor import checks, doctor_json

    seen = look(settings.webui, settings.configured_webui(), None, settings.places)
    found = list(checks(seen, settings.places))
    if settings.as_json:
        print_json("doctor", doctor_json(found, seen.root))
    else:
        lines = []
        for one in found:
            # Nothing stands in the way of tuning, and still there is something to know.
            word = "MEND" if not one.ok else "note" if one.hint else "ok  "
            lines.append(f"{word}  {one.name}: {one.detail}")
            if one.hint:
                lines.append(f"        {one.hint}")
        print_text("\n".join(lines))
    return 0 if all(one.ok for one in found) else 3
