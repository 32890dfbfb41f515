"""`autotune explain`: since when clips are slower, what changed then, and what gives the speed back."""

from __future__ import annotations

from autotune.cli.common_options import CommonOptions, verb


@verb("explain")
def explain_command(common: CommonOptions) -> None:
    """Since when clips of your own web UI are slower, what changed then, and which flag gives the speed back.

    From what the agent recorded of your web UI's starts and clips. Starts nothing.
    """
    from autotune.overview.slower_since import explain
    from autotune.report.plain import explain_lines

    document = explain(common.find_webui(), common.places)
    common.print_result("explain", document, "\n".join(explain_lines(document)))
