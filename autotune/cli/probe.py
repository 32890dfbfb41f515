"""`autotune probe`: looks at everything, changes nothing."""

from __future__ import annotations

import sys

from autotune.cli.common_options import LAUNCH_FILE, CommonOptions, verb
from autotune.cli.output import print_json


@verb("probe")
@LAUNCH_FILE
def probe_command(common: CommonOptions) -> None:
    """Looks at the GPU, the web UI, its Python, AnimateDiff, the models and the flags; changes nothing."""
    from autotune.overview.probe import probe_json

    document = probe_json(common.inspect_install())
    if common.as_json:
        print_json("probe", document)
        return
    from autotune.report import tables

    tables.show(tables.probe_table(document), sys.stdout)
