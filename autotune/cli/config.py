"""`autotune config path | show | check`: the configuration file."""

from __future__ import annotations

import click

from autotune.cli.common_options import CommonOptions, verb


@click.group("config")
def config_command() -> None:
    """The configuration file: where it lies, what is in force, whether it is sound."""


@verb("path", config_command)
def _path(common: CommonOptions) -> None:
    """Where the configuration file is looked for."""
    from autotune.config import config

    place = common.config or config.default_path()
    common.print_result("config", {"file": str(place), "exists": place.exists()}, str(place))


@verb("show", config_command)
def _show(common: CommonOptions) -> None:
    """Everything in force, as a configuration file with every key explained."""
    from autotune.config import config

    found = config.load(common.config)
    text = config.show(found)
    common.print_result("config", {"file": str(found.file) if found.file else None, "text": text}, text)


@verb("check", config_command)
def _check(common: CommonOptions) -> None:
    """Checks the configuration file; a mistake is named with file, line and key (exit 2)."""
    from autotune.config import config

    message = config.check(common.config)
    common.print_result("config", {"ok": True, "message": message}, message)
