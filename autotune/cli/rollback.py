"""`autotune rollback`: puts the launch file back, byte for byte."""

from __future__ import annotations

from pathlib import Path

import click

from autotune.cli.apply import change_text
from autotune.cli.common_options import CAUSE, LAUNCH_FILE, YES, CommonOptions, verb
from autotune.model.errors import NothingToWorkOn
from autotune.model.home_folder import expand_home


@verb("rollback")
@click.option("--to", metavar="ID", help="Back to the state before this checkpoint (else before the newest apply).")
@click.option("--force", is_flag=True, help="Also when the file was changed by someone else since.")
@click.option("--broken-words", is_flag=True, hidden=True,
              help="Also when it was changed, if only in the words that the newest apply wrote. For the agent.")
@YES
@LAUNCH_FILE
@CAUSE
def rollback_command(common: CommonOptions, to: str | None, force: bool, broken_words: bool) -> None:
    """Puts the launch file back, byte for byte. Needs neither the web UI's Python nor any study.

    With --launch-file, what was written to that file last. While your web UI runs it counts from the next start on; a
    batch file that cmd is running is not replaced.
    """
    from autotune.apply.rollback import RollbackRequest, rollback

    root = _webui_or_folder_with_checkpoints(common)
    if broken_words and to is None:
        from autotune.apply.owner_edits import only_our_words

        force = force or only_our_words(root, common.places, common.launch_file)
    document = rollback(root, common.places, RollbackRequest(to, common.launch_file, force, common.cause), common.say)
    common.print_result("rollback", document, change_text(document))


def _webui_or_folder_with_checkpoints(common: CommonOptions) -> Path:
    """The web UI's folder; one that was named may be broken, as long as something was applied to it."""
    try:
        return common.find_webui()
    except NothingToWorkOn:
        named = expand_home(common.webui).absolute() if common.webui is not None else None
        if named is None or not common.places.checkpoints(named).is_dir():
            raise
        return named
