"""`autotune apply`: writes the winning set into the launch file and proves that it is in effect."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from autotune.cli.common_options import CAUSE, LAUNCH_FILE, CommonOptions, verb
from autotune.language.translate import N_, _
from autotune.model.errors import UsageProblem

if TYPE_CHECKING:
    from autotune.apply.apply import Plan
    from autotune.install.inspection import Inspection


@verb("apply")
@click.option("--flags", "words", metavar='"WORDS"', help="This set instead of the winner; \"\" for no tuning flag.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Show the change, write nothing.")
@click.option("--no-start", is_flag=True,
              help="Do not prove it by starting the web UI once; also while yours runs: in effect at its next start.")
@LAUNCH_FILE
@CAUSE
def apply_command(common: CommonOptions, words: str | None, yes: bool, dry_run: bool, no_start: bool) -> None:
    """Writes the winning set into the launch file, reversibly, and proves that it is in effect.

    The proof is one start of the web UI, so while yours runs this is refused (exit code 6), unless --no-start is
    given: then the file is written, and counts from the next start on. A batch file that cmd is running is never
    replaced: close the web UI first.
    """
    document = plan_and_apply(common, words, yes=yes, dry_run=dry_run, start=not no_start)
    common.print_result("apply", document, change_text(document))


def plan_and_apply(
    common: CommonOptions, words: str | None = None, *, yes: bool = False, dry_run: bool = False, start: bool = True
) -> dict[str, Any]:
    """Plans the change, shows it, asks, and carries it out; returns the document of `apply`.

    ``words``: flags as one text, None for the winner of the newest tune; ``start``: prove it by one start.
    """
    from autotune.apply import apply
    from autotune.cli.progress import working
    from autotune.store import events

    seen = common.inspect_install()
    if dry_run:
        return _plan(seen, common, words).document(changed=False)
    with events.record_failure(common.places.history(seen.root), "apply", common.cause) as facts:
        if words is not None:
            facts["flags"] = words.split()
        plan = _plan(seen, common, words)
        facts.update(flags=list(plan.flags), settings=plan.settings)
        if not plan.changed:
            return plan.document(changed=False)
        plan.require_possible(seen.root, start)
        if not yes:
            _ask(common, plan.diff)
        with working(common, N_("Writing the flags and proving that they are in effect")) as progress:
            return apply.carry_out(seen, common.places, plan, start=start, say=progress.say)


def _plan(seen: Inspection, common: CommonOptions, words: str | None) -> Plan:
    """The change; what the user should know of it is printed on stderr, also with --quiet."""
    from autotune.apply import apply

    plan = apply.plan(seen, common.places, words, common.cause)
    sys.stderr.writelines(f"{note}\n" for note in plan.notes)
    return plan


def _ask(common: CommonOptions, diff: str) -> None:
    if common.as_json or not sys.stdin.isatty():
        raise UsageProblem(_("not a terminal: add --yes"), _("Or --dry-run, to look without writing."))
    sys.stderr.write(diff)
    if not click.confirm(_("Write this change?"), default=False, err=True):
        raise UsageProblem(_("not applied"), _("Nothing was changed."))


def change_text(document: dict[str, Any]) -> str:
    """What was changed, for people: the diff, if any, and the message of a document of `apply` or `rollback`."""
    return "\n".join([*filter(None, [document["diff"].rstrip("\n")]), document["message"]])
