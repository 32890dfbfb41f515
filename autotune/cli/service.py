"""`autotune daemon | service | config`: the agent, its installation, its configuration."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autotune.cli.common_options import YES, Settings, verb
from autotune.cli.output import has_screen, print_json, print_text
from autotune.model.errors import NothingToWorkOn

if TYPE_CHECKING:
    from autotune.agent.service import Report


@verb("daemon")
@click.option("--once", is_flag=True, help="One pass, then the end: for a timer or a scheduled task.")
@YES
def daemon_command(settings: Settings, once: bool) -> int:
    """Watches for changes; tunes again when it is due and the machine is free. Applies only if configured."""
    from autotune.agent import daemon

    quiet = settings.quiet or settings.as_json or not has_screen()
    webui = _agents_webui(settings)
    code = daemon.run(webui, settings.places.root, settings.config, once=once, quiet=quiet)
    if settings.as_json:
        published = settings.places.daemon / "status.json"
        status = json.loads(published.read_text(encoding="utf-8")) if published.exists() else {}
        print_json("daemon", {"status": status})
    return code


def _agents_webui(settings: Settings) -> Path:
    """The web UI to watch; from here on (or where there is none) a file has what no screen can show."""
    try:
        webui = settings.find_webui()
        settings.places.require_outside(webui)
    except NothingToWorkOn:
        _without_screen(settings)
        raise
    _without_screen(settings)
    return webui


def _without_screen(settings: Settings) -> None:
    from autotune.agent import logs

    if not has_screen():
        with contextlib.suppress(OSError):  # then it is lost, and the agent says itself what is amiss with the folder
            sys.stderr = logs.without_screen(settings.places.daemon)


@click.group("service")
def service_command() -> None:
    """The agent as a service of this user: systemd, Windows Task Scheduler or launchd. Needs no admin."""


UNMANAGED = 3
"""Exit code: the service manager refused, or is not there and reads no file by itself (the Windows Task Scheduler);
the rest is done, and what to give by hand is printed."""


def _say(settings: Settings, what: str, report: Report) -> int:
    """Prints what was done; the exit code of it."""
    if settings.as_json:
        body = {"ok": report.ok, "files": [str(path) for path in report.files]}
        print_json("service", {"action": what, **body, "lines": report.lines, "commands": report.commands})
    else:
        print_text("\n".join([*report.lines, *(f"  {command}" for command in report.commands)]))
    return UNMANAGED if report.failed else 0


@verb("install")
@click.option("--timer", is_flag=True, help="A timer that runs one pass now and then, instead of a service.")
@click.option("--replace", "--yes", is_flag=True, help="In place of a service for another web UI.")
def _install(settings: Settings, timer: bool, replace: bool) -> int:
    """Writes, enables and starts the service; doing it twice is doing it once.

    Exit code 3 when the service manager refuses, or on Windows is not there: what to give it by hand is printed. On
    Linux and macOS the files are written for a manager that cannot be reached from here, which is no failure.
    """
    from autotune.agent import service

    webui = settings.find_webui()
    settings.places.require_outside(webui)
    found = service.install(webui, settings.places.root, settings.config, timer=timer, replace=replace)
    return _say(settings, "install", found)


@verb("uninstall")
@YES
def _uninstall(settings: Settings) -> int:
    """Ends the service and removes its files; the agent's records stay. Exit code 3 as for install."""
    from autotune.agent import service

    return _say(settings, "uninstall", service.uninstall())


@verb("status")
def _status(settings: Settings) -> None:
    """What is installed, and what the platform's manager says of it."""
    from autotune.agent import service

    _say(settings, "status", service.status())


for _command in (_install, _uninstall, _status):
    service_command.add_command(_command)


@click.group("config")
def config_command() -> None:
    """The configuration file: where it lies, what is in force, whether it is sound."""


@verb("path")
def _path(settings: Settings) -> None:
    """Where the configuration file is looked for."""
    from autotune.config import config

    place = settings.config or config.default_path()
    if settings.as_json:
        print_json("config", {"file": str(place), "exists": place.exists()})
    else:
        print_text(str(place))


@verb("show")
def _show(settings: Settings) -> None:
    """Everything in force, as a configuration file with every key explained."""
    from autotune.config import config

    found = config.load(settings.config)
    if settings.as_json:
        print_json("config", {"file": str(found.file) if found.file else None, "text": config.show(found)})
    else:
        print_text(config.show(found))


@verb("check")
def _check(settings: Settings) -> None:
    """Checks the configuration file; a mistake is named with file, line and key (exit 2)."""
    from autotune.config import config

    said = config.check(settings.config)
    if settings.as_json:
        print_json("config", {"ok": True, "message": said})
    else:
        print_text(said)


for _command in (_path, _show, _check):
    config_command.add_command(_command)
