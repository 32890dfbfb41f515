"""`autotune status | history`: what is applied, since when, how good; and all that happened. Starts nothing."""

from __future__ import annotations

import sys

from autotune.cli.common_options import Settings, verb
from autotune.cli.output import print_json, print_text


@verb("status")
def status_command(settings: Settings) -> None:
    """What is applied, since when, how good, what has changed since, and what the agent is doing."""
    from autotune.overview.status import status

    document = status(settings.find_webui(), settings.places)
    if settings.as_json:
        print_json("status", document)
        return
    from autotune.report.plain import status_lines

    print_text("\n".join(status_lines(document)))


@verb("history")
def history_command(settings: Settings) -> None:
    """Every tune, apply, check and rollback of this web UI, with its cause."""
    from autotune.store import events

    rows, unread = events.read_all(settings.places.history(settings.find_webui()))
    for line in unread:
        sys.stderr.write(f"autotune: not a record of the history: {line}\n")
    if settings.as_json:
        print_json("history", {"events": rows, "unread": unread})
        return
    if not rows:
        print_text("Nothing has happened yet.")
        return
    from autotune.report import tables

    tables.show(tables.history_table(rows), sys.stdout)
