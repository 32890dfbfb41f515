"""`autotune report`: one offline HTML file on a tune."""

from __future__ import annotations

from pathlib import Path

import click

from autotune.cli.common_options import YES, CommonOptions, verb


@verb("report")
@click.argument("study", required=False)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write (else beside the study).")
@YES
def report_command(common: CommonOptions, study: str | None, output: Path | None) -> None:
    """Writes a self-contained HTML page on the newest tune, or on the study named."""
    from autotune.report.page import write

    place = write(common.places, common.find_webui(), study, output)
    common.print_result("report", {"file": str(place)}, str(place))
