"""`autotune replay`: the verdict of a study, computed again from its samples."""

from __future__ import annotations

import os

import click

from autotune.cli.common_options import CommonOptions, verb
from autotune.language.translate import _


@verb("replay")
@click.argument("study", required=False, metavar="[STUDY|FILE]")
def replay_command(common: CommonOptions, study: str | None) -> None:
    """Computes a study's verdict again from its samples; the same samples give the same verdict."""
    from autotune.overview import exported_study

    webui = None if study is not None and os.path.isfile(study) else common.find_webui()  # noqa: PTH113 - never raises
    document = exported_study.replay(exported_study.load(common.places, webui, study))
    same = {True: _("the same as recorded"), False: _("NOT the one recorded"), None: _("none was recorded")}
    said = f"{document['decision']}: {document['reason']}\n({same[document['same_as_recorded']]})"
    common.print_result("replay", document, said)
