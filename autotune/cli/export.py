"""`autotune export`: a study as one JSON file."""

from __future__ import annotations

import json
from pathlib import Path

import click

from autotune.cli.common_options import YES, CommonOptions, verb
from autotune.cli.output import print_text
from autotune.language.translate import _


@verb("export")
@click.argument("study", required=False)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write (else stdout).")
@click.option("--clips", is_flag=True, help="With the pictures of the two clips, for the page: up to 2 MB more.")
@YES
def export_command(common: CommonOptions, study: str | None, output: Path | None, clips: bool) -> None:
    """Writes a study (the newest, or the one named) as one JSON file: question, every sample, result."""
    from autotune.overview import exported_study
    from autotune.store.journal import write_whole
    from autotune.store.studies import find_study

    document = exported_study.export(find_study(common.places.studies(common.find_webui()), study), clips)
    text = json.dumps(document, ensure_ascii=False, indent=1)
    if output is None:
        print_text(text)
        return
    write_whole(output.absolute(), text + "\n", private=False)
    name = document["study"]["id"]
    common.print_result("export", {"study": name, "file": str(output)},
                        _("study {name} is in {output}").format(name=name, output=output))
