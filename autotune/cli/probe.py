"""`autotune probe`: looks at everything, changes nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from autotune.cli.common_options import Settings, verb
from autotune.cli.output import print_json


@verb("probe")
@click.option("--launch-file", type=click.Path(path_type=Path), help="The launch file, if not the usual one.")
def probe_command(settings: Settings, launch_file: Path | None) -> None:
    """Looks at the GPU, the web UI, its Python, AnimateDiff, the models and the flags; changes nothing."""
    from autotune.install.inspection import look
    from autotune.overview.probe import probe_json

    seen = look(settings.webui, settings.configured_webui(), launch_file, settings.places)
    document = probe_json(seen)
    if settings.as_json:
        print_json("probe", document)
        return
    from autotune.report import tables

    tables.show(tables.probe_table(document), sys.stdout)
