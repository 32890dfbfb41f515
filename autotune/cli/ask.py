"""`autotune ask tune | cancel`: a tune that begins later, when it is in nobody's way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from autotune.cli.common_options import YES, CommonOptions, verb

if TYPE_CHECKING:
    from autotune.store.asked_tune import When


@click.group("ask")
def ask_command() -> None:
    """Asks for a tune that begins later: when you are away, or when you have closed your web UI."""


@verb("tune", ask_command)
@click.option("--when", type=click.Choice(["away", "closed"]), default="closed", show_default=True,
              help="Nobody uses this machine (the agent must run), or your web UI is closed.")
@YES
def _tune(common: CommonOptions, when: When) -> None:
    """Asks for one tune. The agent does it; without one, a process waits until your web UI is closed."""
    from autotune.agent import ask

    document = ask.tune(common.find_webui(), common.places, common.config, when)
    common.print_result("ask", document, document["message"])


@verb("cancel", ask_command)
@YES
def _cancel(common: CommonOptions) -> None:
    """Takes it back; a tune that has begun is ended, and what it measured is kept."""
    from autotune.agent import ask

    document = ask.cancel(common.find_webui(), common.places)
    common.print_result("ask", document, document["message"])
