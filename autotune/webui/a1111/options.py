"""The options of the owner's own web UI while it runs: read, changed and proven through its API.

A POST to /options answers 200 also when a change was not made, so each one is read back, and found in the file
that the web UI saves (docs/webuis.md, "The API").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from autotune.launchfile import config_json
from autotune.launchfile.options import FindOptions
from autotune.model.api import ApiProblem
from autotune.model.errors import Busy, Refused
from autotune.webui.a1111.client import Client
from autotune.webui.a1111.flags.space import OPTION_DEFAULTS
from autotune.webui.running import CLOSE_IT, Reached, reach


class Running:
    """One running web UI that answers: the ``Options`` of launchfile/options.py."""

    def __init__(self, found: Reached, client: Client) -> None:
        self.name, self.client = found.name, client
        self.config: Path | None = None

    def values(self) -> Mapping[str, Any]:
        """All options in force. Raises Busy."""
        found: Mapping[str, Any] = self.asked("does not tell its settings", self.client.options)
        return found

    def set(self, wanted: Mapping[str, Any]) -> None:
        """Changes options, and returns once they are in force and in its settings file. Raises Busy."""
        if self.asked("does not tell whether it is busy", self.client.job).busy:
            raise Busy(f"{self.name} has a job running", "Run again when it is done.")
        self.asked("did not take the settings", lambda: self.client.set_options(wanted))
        if self.config is not None and not _holds(self.config, wanted):
            raise Busy(f"{self.name} took the settings and did not save them in {self.config}", CLOSE_IT)

    def default(self, key: str) -> Any:  # noqa: ANN401 - any JSON value
        """What an option is that config.json does not name."""
        return OPTION_DEFAULTS.get(key)

    def asked(self, failing: str, ask: Callable[[], Any]) -> Any:  # noqa: ANN401 - what ``ask`` gives
        """The answer; a fault in words that begin with ``failing``. Raises Busy."""
        try:
            return ask()
        except ApiProblem as problem:
            raise Busy(f"{self.name} {failing}: {problem.message}", CLOSE_IT) from None


def _holds(config: Path, wanted: Mapping[str, Any]) -> bool:
    try:
        saved = config_json.values(config.read_bytes())
    except (OSError, Refused):
        return False
    return all(saved.get(key) == value for key, value in wanted.items())


def holder_of(root: Path) -> FindOptions:
    """Finds the owner's web UI of ``root`` that keeps its options in a given config.json.

    The result raises Busy when one runs and its options cannot be reached: still starting, without its API, with
    credentials that are not known, or more than one of them.
    """
    return lambda config: find(root, config)


def find(root: Path, config: Path) -> Running | None:
    """The owner's running web UI of this install that keeps its options in ``config``, None if none runs. Raises Busy
    when one runs and does not answer."""
    found = reach(root, lambda one: one.words is None or _keeps(root, one.words, config))
    if found is None:
        return None
    assert isinstance(found.client, Client), "a web UI of this kind is asked by its own client"
    running = Running(found, found.client)
    _require_same(running, root, config)
    running.config = config
    return running


def _keeps(root: Path, words: tuple[str, ...], config: Path) -> bool:
    from autotune.webui.a1111 import install

    return install.settings_files(root, words)[0].resolve() == config.resolve()


def _require_same(found: Running, root: Path, config: Path) -> None:
    """The web UI itself says where it keeps its options. Raises Busy when that is not ``config``."""
    said = found.asked("does not tell its command line", found.client.cmd_flags).get("ui_settings_file")
    if isinstance(said, str) and said and (root / said).resolve() != config.resolve():
        raise Busy(f"{found.name} keeps its settings in {said}, not in {config}", CLOSE_IT)
