"""`autotune doctor`: checks all that tuning needs and says how to mend what fails."""

from __future__ import annotations

from autotune.cli.common_options import CommonOptions, verb
from autotune.language.translate import _


@verb("doctor")
def doctor_command(common: CommonOptions) -> int:
    """Checks all that tuning needs; exit code 3 when something must be mended first."""
    from autotune.overview.doctor import checks, doctor_json

    seen = common.inspect_install()
    found = list(checks(seen, common.places))
    lines = []
    for one in found:
        # A note: nothing stands in the way of tuning, and still there is something to know.
        word = _("MEND") if not one.ok else _("note") if one.hint else _("ok  ")
        lines.append(f"{word}  {_(one.name)}: {one.detail}")
        if one.hint:
            lines.append(f"        {one.hint}")
    common.print_result("doctor", doctor_json(found, seen.root), "\n".join(lines), wraps=True)
    return 0 if all(one.ok for one in found) else 3
