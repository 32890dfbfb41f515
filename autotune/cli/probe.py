"""`autotune probe`: looks at everything, changes nothing."""

from __future__ import annotations

import sys

import click

from autotune.cli.common_options import LAUNCH_FILE, CommonOptions, verb
from autotune.cli.output import print_json, print_text


@verb("probe")
@click.option("--all", "every_set", is_flag=True, help="Each set that is tried or left out, not what they differ in.")
@LAUNCH_FILE
def probe_command(common: CommonOptions, every_set: bool) -> None:
    """Looks at the GPU, the web UI, its Python, AnimateDiff, the models and the flags; changes nothing."""
    from autotune.overview.probe import default_space, probe_json

    install = common.inspect_install()
    document = probe_json(install)
    if common.as_json:
        print_json("probe", document)
        return
    from autotune.report import tables

    if every_set:
        tables.show(tables.probe_table(document), sys.stdout)
        return
    space = default_space(install)
    if sys.stdout.isatty():
        tables.show(tables.folded_table(document, space), sys.stdout)
    else:
        print_text("\n".join(tables.folded_lines(document, space)))
