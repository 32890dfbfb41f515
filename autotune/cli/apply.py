"""`autotune apply | rollback | verify`: write the winning set, put it back, see whether it acts."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from autotune.cli.common_options import YES, Settings, verb
from autotune.cli.duration import seconds_of
from autotune.cli.output import print_json, print_text
from autotune.model.errors import NothingToWorkOn, UsageProblem
from autotune.model.home_folder import expand_home

if TYPE_CHECKING:
    from autotune.apply.apply import Plan
    from autotune.install.inspection import Look

_LAUNCH_FILE = click.option(
    "--launch-file", type=click.Path(path_type=Path), help="The launch file, if not the usual one."
)

_CAUSE = click.option("--cause", default="asked", hidden=True, help="Who asked; for the history.")


@verb("apply")
@click.option("--flags", "words", metavar='"WORDS"', help="This set instead of the winner; \"\" for no tuning flag.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Show the change, write nothing.")
@click.option("--no-start", is_flag=True,
              help="Do not prove it by starting the web UI once; also while yours runs: in effect at its next start.")
@_LAUNCH_FILE
@_CAUSE
def apply_command(
    settings: Settings, words: str | None, yes: bool, dry_run: bool, no_start: bool, launch_file: Path | None,
    cause: str,
) -> None:
    """Writes the winning set into the launch file, reversibly, and proves that it is in effect.

    The proof is one start of the web UI, so while yours runs this is refused (exit code 6), unless --no-start is
    given: then the file is written, and counts from the next start on. A batch file that cmd is running is never
    replaced: close the web UI first.
    """
    result = apply_flow(settings, launch_file, words=words, yes=yes, dry_run=dry_run, start=not no_start, cause=cause)
    _show(settings, "apply", result)


def apply_flow(
    settings: Settings, launch_file: Path | None, *, words: str | None = None, yes: bool = False,
    dry_run: bool = False, start: bool = True, cause: str = "asked",
) -> dict[str, Any]:
    """Plans, shows, asks, applies. Returns the document of `apply`."""
    from autotune.apply import apply
    from autotune.install.inspection import look
    from autotune.store import events

    seen = look(settings.webui, settings.configured_webui(), launch_file, settings.places)
    if dry_run:
        return _planned(seen, settings, words, cause).document(changed=False)
    with events.record_failure(settings.places.history(seen.root), "apply", cause) as facts:
        if words is not None:
            facts["flags"] = words.split()
        plan = _planned(seen, settings, words, cause)
        facts.update(flags=list(plan.flags), settings=plan.settings)
        if not plan.changed:
            return plan.document(changed=False)
        plan.require_possible(seen.root, start)
        if not yes:
            _ask(settings, plan.diff)
        return apply.carry_out(seen, settings.places, plan, start=start, say=_quiet(settings))


def _planned(seen: Look, settings: Settings, words: str | None, cause: str) -> Plan:
    """The change, after its notes are told."""
    from autotune.apply import apply

    plan = apply.plan(seen, settings.places, words, cause)
    for note in plan.notes:
        _note(note)
    return plan


def _ask(settings: Settings, diff: str) -> None:
    if settings.as_json or not sys.stdin.isatty():
        raise UsageProblem("not a terminal: add --yes", "Or --dry-run, to look without writing.")
    sys.stderr.write(diff)
    if not click.confirm("Write this change?", default=False, err=True):
        raise UsageProblem("not applied", "Nothing was changed.")


@verb("rollback")
@click.option("--to", metavar="ID", help="Back to the state before this checkpoint (else before the newest apply).")
@click.option("--force", is_flag=True, help="Also when the file was changed by someone else since.")
@click.option("--broken-words", is_flag=True, hidden=True,
              help="Also when it was changed, if only in the words that the newest apply wrote. For the agent.")
@YES
@_LAUNCH_FILE
@_CAUSE
def rollback_command(
    settings: Settings, to: str | None, force: bool, broken_words: bool, launch_file: Path | None, cause: str
) -> None:
    """Puts the launch file back, byte for byte. Needs neither the web UI's Python nor any study.

    With --launch-file, what was written to that file last. While your web UI runs it counts from the next start on; a
    batch file that cmd is running is not replaced.
    """
    from autotune.apply import apply

    root = _rolled_back_root(settings)
    if broken_words and to is None:
        from autotune.apply.owner_edits import only_our_words

        force = force or only_our_words(root, settings.places, launch_file)
    done = apply.rollback(
        root, settings.places, to, _quiet(settings), force=force, cause=cause, launch_file=launch_file)
    _show(settings, "rollback", done)


def _rolled_back_root(settings: Settings) -> Path:
    """The web UI's folder; one that was named may be broken, as long as something was applied to it."""
    try:
        return settings.find_webui()
    except NothingToWorkOn:
        named = expand_home(settings.webui).absolute() if settings.webui is not None else None
        if named is None or not settings.places.checkpoints(named).is_dir():
            raise
        return named


@verb("verify")
@click.option("--no-start", is_flag=True, help="Look at the file and at a running web UI only.")
@click.option("--measure", is_flag=True, help="Also measure, on trial servers: is the set in use still the better one?")
@click.option("--profile", "profile_name", default="default", show_default=True, metavar="NAME|FILE",
              help="With --measure: what to render, where no tune of the set in use says it.")
@click.option("--budget", metavar="TIME", help="With --measure: time it may take, e.g. 10m (else the profile's).")
@_LAUNCH_FILE
@_CAUSE
def verify_command(
    settings: Settings, no_start: bool, measure: bool, profile_name: str, budget: str | None,
    launch_file: Path | None, cause: str,
) -> int:
    """Each managed flag: in the file? on the command line? in effect? Exit code 7 when something drifted.

    A web UI of yours that runs is asked; a second one is never started beside it.
    With --measure also, by a few fresh clips: does the set in use still gain over the one before it?
    """
    from autotune.apply import verify
    from autotune.install.inspection import look

    seen = look(settings.webui, settings.configured_webui(), launch_file, settings.places)
    document = verify.verify(seen, settings.places, start=not no_start, say=_quiet(settings))
    if measure:
        document["measured"] = _measured(settings, seen, profile_name, budget, cause)
        document["ok"] = document["ok"] and document["measured"]["answer"] not in ("changed", "loss")
    if settings.as_json:
        print_json("verify", document)
    else:
        from autotune.report import tables

        tables.show(tables.verify_table(document), sys.stdout)
        if measure:
            print_text(_sentence(document["measured"]))
    return 0 if document["ok"] else 7


def _measured(
    settings: Settings, seen: Look, profile_name: str, budget: str | None, cause: str
) -> dict[str, Any]:
    from autotune.check.check import CheckOptions, check
    from autotune.tune.tune import Progress
    from autotune.workload import profile as profiles

    class Said(Progress):
        def say(self, text: str) -> None:
            _quiet(settings)(text)

    profile = profiles.load(profile_name)
    seconds = seconds_of(budget) if budget else profile.minutes * 60.0
    return check(seen, settings.places, CheckOptions(profile, seconds, cause), Said())


_ANSWERS = {
    "holds": "What was measured still holds",
    "changed": "What was measured does not hold any more; `autotune tune` measures again",
    "loss": "The set before is better here now; `autotune rollback` puts it back",
    "unknown": "It could not be measured whether the set in use still gains",
}


def _sentence(measured: dict[str, Any]) -> str:
    took = measured["cost"].get("wall")
    cost = f" Took {took:.0f} s, {measured['launches']} starts, {measured['clips']} clips." if took else ""
    return f"{_ANSWERS[measured['answer']]}: {measured['reason']}.{cost}"


def _show(settings: Settings, kind: str, document: dict[str, Any]) -> None:
    if settings.as_json:
        print_json(kind, document)
        return
    if document["diff"]:
        print_text(document["diff"])
    print_text(document["message"])


def _note(text: str) -> None:
    sys.stderr.write(text + "\n")


def _silence(_: str) -> None:
    """Says nothing."""


def _quiet(settings: Settings) -> Callable[[str], None]:
    return _silence if settings.quiet else _note
