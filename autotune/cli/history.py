"""`autotune history`: all that happened to a web UI, and why."""

from __future__ import annotations

import sys

from autotune.cli.common_options import CommonOptions, verb
from autotune.cli.output import print_json, print_text
from autotune.language.translate import _


@verb("history")
def history_command(common: CommonOptions) -> None:
    """Every tune, apply, check and rollback of this web UI, with its cause."""
    from autotune.store import events

    rows, unread = events.read_all(common.places.history(common.find_webui()))
    for line in unread:
        text = _("not a record of the history: {line}").format(line=line)
        sys.stderr.write(f"autotune: {text}\n")
    if common.as_json:
        print_json("history", {"events": rows, "unread": unread})
    elif not rows:
        print_text(_("Nothing has happened yet."))
    else:
        from autotune.report import tables

        tables.show(tables.history_table(rows), sys.stdout)
