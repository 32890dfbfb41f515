"""`autotune daemon`: the agent that watches for changes, in this process."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

import click

from autotune.cli.common_options import YES, CommonOptions, verb
from autotune.cli.output import has_screen, print_json
from autotune.model.errors import NothingToWorkOn


@verb("daemon")
@click.option("--once", is_flag=True, help="One pass, then the end: for a timer or a scheduled task.")
@click.option("--asked", is_flag=True, hidden=True, help="Does what `autotune ask` asked for, then ends.")
@YES
def daemon_command(common: CommonOptions, once: bool, asked: bool) -> int:
    """Watches for changes; tunes again when it is due and the machine is free. Applies only if configured."""
    from autotune.agent import daemon

    quiet = common.quiet or common.as_json or not has_screen()
    webui = _find_webui(common)
    code = daemon.run(webui, common.places.root, common.config, once=once, asked=asked, quiet=quiet)
    if common.as_json:
        published = common.places.daemon / "status.json"
        status = json.loads(published.read_text(encoding="utf-8")) if published.exists() else {}
        print_json("daemon", {"status": status})
    return code


def _find_webui(common: CommonOptions) -> Path:
    """The web UI to watch. What no screen can show goes to a file from here on, also why there is no web UI.

    Not before: a state folder inside of the web UI is refused, and nothing must be written there.
    """
    try:
        webui = common.find_webui()
        common.places.require_outside(webui)
    except NothingToWorkOn:
        _write_to_file_without_screen(common)
        raise
    _write_to_file_without_screen(common)
    return webui


def _write_to_file_without_screen(common: CommonOptions) -> None:
    from autotune.agent import logs

    if not has_screen():
        with contextlib.suppress(OSError):  # then it is lost, and the agent says itself what is amiss with the folder
            sys.stderr = logs.open_output_file(common.places.daemon)
