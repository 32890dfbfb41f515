"""Options that stand everywhere, before the verb or after it, and what they come to."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from autotune.store.places import Places, state_dir


@dataclass(frozen=True, slots=True)
class Settings:
    """What the options everywhere came to; verbs get it as their first argument."""

    webui: Path | None
    config: Path | None
    places: Places
    as_json: bool
    verbose: int
    quiet: bool

    def configured_webui(self) -> Path | None:
        """The web UI's folder of the configuration file, None without one. Raises UsageProblem."""
        from autotune.config.config import load

        return load(self.config).webui

    def find_webui(self) -> Path:
        """The web UI's folder: option, environment, configuration, usual places. Raises NothingToWorkOn."""
        from autotune.webui.a1111 import install

        # Only a web UI that is named nowhere else is looked up in the configuration: reading it takes time.
        named = self.webui is not None or os.environ.get(install.ENVIRONMENT)
        return install.find(self.webui, None if named else self.configured_webui())


def _option(*names: str, **more: Any) -> click.Option:  # noqa: ANN401 - click's own attributes
    return click.Option(list(names), **more)


GLOBAL_OPTIONS = (
    _option("--webui", type=click.Path(path_type=Path), help="Folder of the web UI."),
    _option("--config", type=click.Path(path_type=Path), help="Configuration file."),
    _option("--state-dir", type=click.Path(path_type=Path), help="Where autotune keeps its records."),
    _option("--json", "as_json", is_flag=True, help="One JSON document on stdout."),
    _option("-v", "--verbose", count=True, help="More on stderr."),
    _option("-q", "--quiet", is_flag=True, help="No progress on stderr."),
)


YES = click.option("--yes", is_flag=True, expose_value=False, help="Without a question; this verb asks none anyway.")
"""For the verbs that change something without asking: scripts may say it to all of them."""


def verb(name: str, **attributes: Any) -> Callable[[Callable[..., Any]], click.Command]:  # noqa: ANN401
    """Makes a command of a function whose first argument is Settings; adds the options everywhere."""

    def make(function: Callable[..., Any]) -> click.Command:
        @functools.wraps(function)
        def call(*args: object, **options: object) -> object:
            return function(settle(click.get_current_context(), options), *args, **options)

        make_command: Callable[..., click.Command] = click.command(name, **attributes)
        command = make_command(call)
        command.params.extend(GLOBAL_OPTIONS)
        return command

    return make


def settle(ctx: click.Context, options: dict[str, Any]) -> Settings:
    """Takes the options everywhere out of ``options``; the one nearer to the verb's end wins."""
    before: dict[str, Any] = ctx.obj or {}

    def take(name: str) -> Any:  # noqa: ANN401 - an option's value
        value = options.pop(name, None)
        return before.get(name) if value in (None, False, 0) else value

    webui, config, state = take("webui"), take("config"), take("state_dir")
    as_json, verbose, quiet = take("as_json"), take("verbose"), take("quiet")
    places = state_dir(state)
    clean_up(places)
    return Settings(webui, config, places, bool(as_json), int(verbose or 0), bool(quiet))


def clean_up(places: Places) -> None:
    """Ends and removes what a killed autotune and its guard left, whichever verb comes next. Nearly always nothing is
    there, and nothing is loaded for it. Nothing is waited for: what starts a web UI does that itself."""
    try:
        with os.scandir(places.runs) as entries:
            found = any(True for _ in entries)
    except OSError:
        return
    if found:
        from autotune.trial.sweep import sweep

        sweep(places.runs, patience=0.0)
