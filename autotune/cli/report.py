"""`autotune report`: one offline HTML file on a tune."""

from __future__ import annotations

from pathlib import Path

import click

from autotune.cli.common_options import YES, Settings, verb
from autotune.cli.output import print_json, print_text


@verb("report")
@click.argument("study", required=False)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write (else beside the study).")
@YES
def report_command(settings: Settings, study: str | None, output: Path | None) -> None:
    """Writes a self-contained HTML page on the newest tune, or on the study named."""
    from autotune.report.page import write

    place = write(settings.places, settings.find_webui(), study, output)
    if settings.as_json:
        print_json("report", {"file": str(place)})
    else:
        print_text(str(place))
