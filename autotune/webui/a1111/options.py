"""Reads and changes the options of the user's web UI while it runs, through its API.

A POST to /options answers 200 also when a change was not made, so each one is read back, and found in the file
that the web UI saves (docs/webuis.md, "The API").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from autotune.language.translate import _
from autotune.launchfile import config_json
from autotune.launchfile.options import FindOptions
from autotune.model.api import ApiProblem
from autotune.model.errors import Busy, Refused
from autotune.webui.a1111.client import Client
from autotune.webui.a1111.flags.space import OPTION_DEFAULTS
from autotune.webui.running import CLOSE_IT, ReachedWebUI, reach


class A1111Options:
    """The options of one running web UI whose API answers: the ``RunningOptions`` of launchfile/options.py."""

    def __init__(self, found: ReachedWebUI, client: Client) -> None:
        self.name, self.client = found.name, client
        self.config: Path | None = None

    def values(self) -> Mapping[str, Any]:
        """All options in force. Raises Busy."""
        found: Mapping[str, Any] = self.asked(_("{name} does not tell its settings: {reason}"), self.client.options)
        return found

    def set(self, wanted: Mapping[str, Any]) -> None:
        """Changes options, and returns once they are in force and in its settings file. Raises Busy."""
        if self.asked(_("{name} does not tell whether it is busy: {reason}"), self.client.job).busy:
            raise Busy(_("{name} has a job running").format(name=self.name), _("Run again when it is done."))
        self.asked(_("{name} did not take the settings: {reason}"), lambda: self.client.set_options(wanted))
        if self.config is not None and not _holds(self.config, wanted):
            raise Busy(_("{name} took the settings and did not save them in {file}").format(
                name=self.name, file=self.config), _(CLOSE_IT))

    def default(self, key: str) -> Any:  # noqa: ANN401 - any JSON value
        """The value of an option that config.json does not name."""
        return OPTION_DEFAULTS.get(key)

    def asked(self, text: str, ask: Callable[[], Any]) -> Any:  # noqa: ANN401 - what ``ask`` gives
        """What ``ask`` gives. Raises Busy when its API does not answer; ``text``: in which words, with ``{name}``
        and ``{reason}`` to fill in."""
        try:
            return ask()
        except ApiProblem as problem:
            raise Busy(text.format(name=self.name, reason=problem.message), _(CLOSE_IT)) from None


def _holds(config: Path, wanted: Mapping[str, Any]) -> bool:
    try:
        saved = config_json.values(config.read_bytes())
    except (OSError, Refused):
        return False
    return all(saved.get(key) == value for key, value in wanted.items())


def holder_of(root: Path) -> FindOptions:
    """A function that finds the options of the user's running web UI of ``root`` for a given config.json.

    The result raises Busy when one runs and its options cannot be reached: still starting, without its API, with
    credentials that are not known, or more than one of them.
    """
    return lambda config: find(root, config)


def find(root: Path, config: Path) -> A1111Options | None:
    """The options of the user's running web UI of this install that saves them in ``config``; None if none runs.

    Raises Busy when one runs and does not answer.
    """
    found = reach(root, lambda one: one.words is None or _keeps(root, one.words, config))
    if found is None:
        return None
    assert isinstance(found.client, Client), "a web UI of this kind is asked by its own client"
    running = A1111Options(found, found.client)
    _require_same(running, root, config)
    running.config = config
    return running


def _keeps(root: Path, words: tuple[str, ...], config: Path) -> bool:
    from autotune.webui.a1111 import install

    return install.settings_files(root, words)[0].resolve() == config.resolve()


def _require_same(found: A1111Options, root: Path, config: Path) -> None:
    """Raises Busy when the web UI itself says that it saves its options elsewhere than in ``config``."""
    flags = found.asked(_("{name} does not tell its command line: {reason}"), found.client.cmd_flags)
    said = flags.get("ui_settings_file")
    if isinstance(said, str) and said and (root / said).resolve() != config.resolve():
        raise Busy(_("{name} keeps its settings in {other}, not in {file}").format(
            name=found.name, other=said, file=config), _(CLOSE_IT))
