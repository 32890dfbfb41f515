"""`autotune service install | uninstall | status`: the agent as a service of this user."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from autotune.cli.common_options import YES, CommonOptions, verb

if TYPE_CHECKING:
    from autotune.agent.service import ServiceReport

UNMANAGED = 3
"""Exit code: the service manager refused, or is not there and reads no file by itself (the Windows Task Scheduler);
the rest is done, and what to give by hand is printed."""


@click.group("service")
def service_command() -> None:
    """The agent as a service of this user: systemd, Windows Task Scheduler or launchd. Needs no admin."""


def _print(common: CommonOptions, action: str, report: ServiceReport) -> int:
    """Prints what was done; the exit code of it."""
    document = {"action": action, "ok": report.ok, "files": [str(path) for path in report.files],
                "lines": report.lines, "commands": report.commands}
    text = "\n".join([*report.lines, *(f"  {command}" for command in report.commands)])
    common.print_result("service", document, text)
    return UNMANAGED if report.failed else 0


@verb("install", service_command)
@click.option("--timer", is_flag=True, help="A timer that runs one pass now and then, instead of a service.")
@click.option("--replace", "--yes", is_flag=True, help="In place of a service for another web UI.")
def _install(common: CommonOptions, timer: bool, replace: bool) -> int:
    """Writes, enables and starts the service; doing it twice is doing it once.

    Exit code 3 when the service manager refuses, or on Windows is not there: what to give it by hand is printed. On
    Linux and macOS the files are written for a manager that cannot be reached from here, which is no failure.
    """
    from autotune.agent import service

    webui = common.find_webui()
    common.places.require_outside(webui)
    report = service.install(service.manager(timer), webui, common.places.root, common.config, replace=replace)
    return _print(common, "install", report)


@verb("uninstall", service_command)
@YES
def _uninstall(common: CommonOptions) -> int:
    """Ends the service and removes its files; the agent's records stay. Exit code 3 as for install."""
    from autotune.agent import service

    return _print(common, "uninstall", service.uninstall(service.manager()))


@verb("status", service_command)
def _status(common: CommonOptions) -> None:
    """What is installed, and what the platform's manager says of it."""
    from autotune.agent import service

    _print(common, "status", service.status(service.manager()))
