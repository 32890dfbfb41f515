"""`autotune tune`: measures candidates, ends with a verdict; changes nothing of the user's (but for --apply)."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

import click

from autotune.cli.common_options import CAUSE, LAUNCH_FILE, WORKFLOW, YES, CommonOptions, verb
from autotune.cli.duration import seconds_of
from autotune.cli.output import print_json
from autotune.cli.progress import tune_progress
from autotune.store.optuna_storage import ENVIRONMENT
from autotune.tune.tune import TuneOptions, tune


@verb("tune")
@click.option("--profile", "profile_name", default="default", show_default=True, metavar="NAME|FILE",
              help="What to render and what may vary.")
@WORKFLOW
@click.option("--objective", type=click.Choice(["speed", "vram", "balanced"]), default="speed", show_default=True)
@click.option("--budget", metavar="TIME", help="Time it may take, e.g. 10m (else the profile's).")
@click.option("--fresh", is_flag=True, help="Start anew instead of going on with an earlier study.")
@click.option("--apply", "then_apply", is_flag=True, help="Apply the winner, if there is one.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--sampler", "--strategy", "sampler", default="screen", show_default=True, metavar="NAME|MODULE:CLASS",
              help="Who chooses what to measure: screen, tpe, gp, random, exhaustive, or a sampler of Optuna's, "
                   "OptunaHub's or your own, as MODULE:CLASS.")
@click.option("--storage", envvar=ENVIRONMENT, metavar="URL",
              help="Optuna's storage: sqlite:///FILE, postgresql://USER@HOST/DATABASE or grpc://HOST:PORT "
                   f"(else {ENVIRONMENT}, else a file in the state folder).")
@click.option("--newer-than", default="", hidden=True, help="Go on with a study only if it began after this moment.")
@LAUNCH_FILE
@CAUSE
@YES
def tune_command(
    common: CommonOptions, profile_name: str, workflow: Path | None, objective: str, budget: str | None, fresh: bool,
    then_apply: bool, seed: int, sampler: str, storage: str | None, newer_than: str,
) -> None:
    """Measures candidate flag sets in the real web UI and says which to keep.

    Renders short AnimateDiff clips with a copy of your settings on a private port. Ctrl-C loses at most the
    clip that is running; the same command goes on from there.
    """
    from autotune.workload import profile as profiles

    started = time.monotonic()
    profiles.asked_for(profile_name, workflow)  # a mistake in it is told before anything is looked at
    seen = common.inspect_install()
    profile = profiles.asked_for(profile_name, workflow, seen.kind.usual_profile)
    options = TuneOptions(
        profile=profile, objective=objective, fresh=fresh, seed=seed, strategy=sampler, cause=common.cause,
        storage=storage or None, newer_than=newer_than,
        budget=seconds_of(budget) if budget else profile.minutes * 60.0,
    )
    options = replace(options, taken=time.monotonic() - started)
    with tune_progress(common, started, profile, objective) as progress:
        document = tune(seen, common.places, options, progress)
    if then_apply and document["decision"] == "apply":
        from autotune.cli.apply import plan_and_apply

        # In the history this apply was asked for by the user, whoever began the tune.
        document = {**document, "applied": plan_and_apply(replace(common, cause="asked"), yes=True)}
    if common.as_json:
        print_json("tune", document)
        return
    from autotune.report import tables

    tables.show(tables.tune_summary(document), sys.stdout)
