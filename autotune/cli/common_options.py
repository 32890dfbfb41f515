"""Options that every verb takes, before the verb's name or after it, and what they come to."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from autotune.cli.output import print_json, print_text
from autotune.language.choice import OPTION
from autotune.language.translate import LANGUAGES
from autotune.store.places import Places, state_dir

if TYPE_CHECKING:
    from autotune.install.inspection import Inspection


@dataclass(frozen=True, slots=True)
class CommonOptions:
    """What the options came to; each verb gets it as its first argument.

    ``launch_file`` and ``cause`` can be given to some verbs only (``LAUNCH_FILE``, ``CAUSE``) and have their defaults
    for all others.
    """

    webui: Path | None
    config: Path | None
    places: Places
    as_json: bool
    quiet: bool
    launch_file: Path | None = None
    cause: str = "asked"

    def configured_webui(self) -> Path | None:
        """The web UI's folder of the configuration file, None without one. Raises UsageProblem."""
        from autotune.config.config import load

        return load(self.config).webui

    def find_webui(self) -> Path:
        """The web UI's folder: option, environment, configuration, usual places. Raises NothingToWorkOn."""
        from autotune.webui import find

        # Only a web UI that is named nowhere else is looked up in the configuration: reading it takes time.
        named = self.webui is not None or os.environ.get(find.ENVIRONMENT)
        return find.find(self.webui, None if named else self.configured_webui())

    def inspect_install(self) -> Inspection:
        """Looks at the machine and the web UI, as most verbs begin (see install/inspection.py for what it raises)."""
        from autotune.install.inspection import inspect_install

        return inspect_install(self.webui, self.configured_webui(), self.launch_file, self.places)

    def say(self, text: str) -> None:
        """Prints a line of progress on stderr, unless --quiet was given."""
        if not self.quiet:
            sys.stderr.write(text + "\n")

    def print_result(self, kind: str, document: Mapping[str, Any], text: str, *, wraps: bool = False) -> None:
        """Prints a verb's result on stdout: the document with --json, else the text for people (``wraps``: see
        print_text)."""
        if self.as_json:
            print_json(kind, document)
        else:
            print_text(text, wraps=wraps)


def _option(*names: str, **more: Any) -> click.Option:  # noqa: ANN401 - click's own attributes
    return click.Option(list(names), **more)


GLOBAL_OPTIONS = (
    _option("--webui", type=click.Path(path_type=Path), help="Folder of the web UI."),
    _option("--config", type=click.Path(path_type=Path), help="Configuration file."),
    _option("--state-dir", type=click.Path(path_type=Path), help="Where autotune keeps its records."),
    _option("--json", "as_json", is_flag=True, help="One JSON document on stdout."),
    _option(OPTION, type=click.Choice(LANGUAGES), help="In this language, whatever the system speaks."),
    _option("-v", "--verbose", count=True, help="More on stderr."),
    _option("-q", "--quiet", is_flag=True, help="No progress on stderr."),
)
YES = click.option("--yes", is_flag=True, expose_value=False, help="Without a question; this verb asks none anyway.")
"""For the verbs that change something without asking: scripts may say it to all of them."""
LAUNCH_FILE = click.option(
    "--launch-file", type=click.Path(path_type=Path), help="The launch file, if not the usual one.")
WORKFLOW = click.option(
    "--workflow", type=click.Path(path_type=Path), metavar="FILE",
    help="A workflow of yours to render in place of the profile's clips (ComfyUI: exported in the API format).")
CAUSE = click.option("--cause", default="asked", hidden=True, help="Who asked; for the history.")


def verb(name: str, group: click.Group | None = None) -> Callable[[Callable[..., Any]], click.Command]:
    """Makes a command of a function whose first argument is CommonOptions, and puts it into the group, if any."""

    def make(function: Callable[..., Any]) -> click.Command:
        @functools.wraps(function)
        def call(*args: object, **options: object) -> object:
            return function(_take_common(click.get_current_context(), options), *args, **options)

        make_command: Callable[..., click.Command] = click.command(name)
        command = make_command(call)
        command.params.extend(GLOBAL_OPTIONS)
        if group is not None:
            group.add_command(command)
        return command

    return make


def _take_common(ctx: click.Context, options: dict[str, Any]) -> CommonOptions:
    """Takes the common options out of ``options``; one that stands after the verb wins over one before it."""
    before: dict[str, Any] = ctx.obj or {}
    given = {name: options.pop(name) for name in ("launch_file", "cause") if name in options}

    def take(name: str) -> Any:  # noqa: ANN401 - an option's value
        value = options.pop(name, None)
        return before.get(name) if value in (None, False, 0) else value

    take("verbose")  # accepted, and nothing more is said yet
    take("lang")  # in force long since (cli/spoken.py)
    places = state_dir(take("state_dir"))
    clean_up(places)
    return CommonOptions(take("webui"), take("config"), places, bool(take("as_json")), bool(take("quiet")), **given)


def clean_up(places: Places) -> None:
    """Ends and removes what a killed autotune left behind, whichever verb comes next; waits for nothing.

    Nearly always there is nothing, and then nothing is loaded for it. What starts a web UI waits by itself.
    """
    try:
        with os.scandir(places.runs) as entries:
            found = any(True for _ in entries)
    except OSError:
        return
    if found:
        from autotune.trial.sweep import sweep

        sweep(places.runs, patience=0.0)
