"""`autotune import`: a study that was exported, on this machine or another, becomes one of this web UI's."""

from __future__ import annotations

from pathlib import Path

import click

from autotune.cli.common_options import YES, CommonOptions, verb
from autotune.language.translate import _
from autotune.report.words import plural


@verb("import")
@click.argument("file", type=click.Path(path_type=Path))
@YES
def import_command(common: CommonOptions, file: Path) -> None:
    """Adds an exported study to this web UI's store. It is never applied without being measured again."""
    from autotune.overview import exported_study

    study = exported_study.import_study(common.places, common.find_webui(), exported_study.read_export(file))
    clips = len(study.samples)
    text = _("study {name}: {clips}").format(name=study.id, clips=plural(clips, "clip"))
    common.print_result("import", {"study": study.id, "clips": clips}, text)
