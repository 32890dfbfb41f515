"""`autotune verify`: are the flags that were applied in effect, and with --measure: are they still the faster ones?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from autotune.cli.common_options import CAUSE, LAUNCH_FILE, WORKFLOW, CommonOptions, verb
from autotune.cli.duration import seconds_of
from autotune.cli.output import print_json, print_text
from autotune.language.translate import N_, _
from autotune.report.words import plural

if TYPE_CHECKING:
    from autotune.install.inspection import Inspection
    from autotune.model.workload import Profile

DRIFTED = 7
"""Exit code: a flag is not in effect as written, or what was measured does not hold any more."""


@verb("verify")
@click.option("--no-start", is_flag=True, help="Look at the file and at a running web UI only.")
@click.option("--measure", is_flag=True, help="Also measure, on trial servers: is the set in use still the better one?")
@click.option("--profile", "profile_name", default="default", show_default=True, metavar="NAME|FILE",
              help="With --measure: what to render, where no tune of the set in use says it.")
@WORKFLOW
@click.option("--budget", metavar="TIME", help="With --measure: time it may take, e.g. 10m (else the profile's).")
@LAUNCH_FILE
@CAUSE
def verify_command(
    common: CommonOptions, no_start: bool, measure: bool, profile_name: str, workflow: Path | None, budget: str | None
) -> int:
    """Each managed flag: in the file? on the command line? in effect? Exit code 7 when something drifted.

    A web UI of yours that runs is asked; a second one is never started beside it.
    With --measure also, by a few fresh clips: does the set in use still gain over the one before it?
    """
    from autotune.apply import verify
    from autotune.cli.progress import working

    seen = common.inspect_install()
    with working(common, N_("Asking the web UI what is in effect")) as progress:
        document = verify.verify(seen, common.places, start=not no_start, say=progress.say)
    if measure:
        from autotune.workload import profile as profiles

        profile = profiles.asked_for(profile_name, workflow, seen.kind.usual_profile)
        document["measured"] = _measure(common, seen, profile, budget)
        document["ok"] = document["ok"] and document["measured"]["answer"] not in ("changed", "loss")
    if common.as_json:
        print_json("verify", document)
    else:
        from autotune.report import tables

        tables.show(tables.verify_table(document), sys.stdout)
        if measure:
            print_text(_sentence(document["measured"]), wraps=True)
    return 0 if document["ok"] else DRIFTED


def _measure(common: CommonOptions, seen: Inspection, profile: Profile, budget: str | None) -> dict[str, Any]:
    from autotune.check.check import CheckOptions, check
    from autotune.cli.progress import working

    seconds = seconds_of(budget) if budget else profile.minutes * 60.0
    with working(common, N_("Measuring the set in use against the one before it")) as progress:
        return check(seen, common.places, CheckOptions(profile, seconds, common.cause), progress)


_ANSWERS = {
    "holds": N_("What was measured still holds"),
    "changed": N_("What was measured does not hold any more; `autotune tune` measures again"),
    "loss": N_("The set before is better here now; `autotune rollback` puts it back"),
    "unknown": N_("It could not be measured whether the set in use still gains"),
}


def _sentence(measured: dict[str, Any]) -> str:
    took = measured["cost"].get("wall")
    text = f"{_(_ANSWERS[measured['answer']])}: {measured['reason']}."
    return text if not took else text + " " + _("Took {seconds:.0f} s, {starts}, {clips}.").format(
        seconds=took, starts=plural(measured["launches"], "start"), clips=plural(measured["clips"], "clip"))
