"""`autotune status`: what is applied, since when, how good, and what the agent does. Starts nothing."""

from __future__ import annotations

from autotune.cli.common_options import CommonOptions, verb
from autotune.cli.output import print_json, print_text


@verb("status")
def status_command(common: CommonOptions) -> None:
    """What is applied, since when, how good, what has changed since, and what the agent is doing."""
    from autotune.overview.status import status

    document = status(common.find_webui(), common.places)
    if common.as_json:
        print_json("status", document)
        return
    from autotune.report.plain import status_lines

    print_text("\n".join(status_lines(document)), wraps=True)
