"""Options of a web UI that runs: it holds them itself and writes config.json anew whenever it saves.

What is changed in its file meanwhile is not in effect and is soon overwritten, so options are changed through
the web UI as long as it runs, and in the file when it does not. A change is undone by its options, old value for
new, wherever they are held by then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

from autotune.launchfile.config_json import ABSENT, Keys

Version = Literal["before", "after"]
"""Which of the two versions of a file or of options that a change knows."""


class RunningOptions(Protocol):
    """The options of one running web UI. Every method raises Busy when it does not answer as it should."""

    def values(self) -> Mapping[str, Any]:
        """All options in force."""

    def set(self, wanted: Mapping[str, Any]) -> None:
        """Change options; returns only when they are in force and saved."""

    def default(self, key: str) -> Any:  # noqa: ANN401  # any JSON value
        """What an option is that config.json does not name."""


FindOptions = Callable[[Path], RunningOptions | None]
"""The running web UI that keeps its options in this config.json, None if none runs. Raises Busy when one runs
whose options cannot be reached."""


def none_runs(path: Path) -> RunningOptions | None:  # noqa: ARG001  # a FindOptions
    """For callers that have no web UI to ask."""
    return None


def goals(keys: Keys, version: Version) -> Keys:
    """Option -> (the value it shall have in that version, its value in the other one)."""
    return keys if version == "before" else {key: (new, old) for key, (old, new) in keys.items()}


def with_defaults(server: RunningOptions, keys: Keys) -> Keys:
    """The pairs with an option's default in place of ABSENT, which a running web UI does not know."""
    def known(key: str, value: Any) -> Any:  # noqa: ANN401  # any JSON value
        return server.default(key) if value == ABSENT else value

    return {key: (known(key, old), known(key, new)) for key, (old, new) in keys.items()}


def set_running(server: RunningOptions, saved: Mapping[str, Any], keys: Keys, version: Version) -> tuple[str, ...]:
    """Set a running web UI's options to one version; names those that stay, for someone changed them meanwhile.

    ``saved``: what config.json holds. An option that is right in the web UI and not in its file is set all the
    same, because setting saves. Raises Busy.
    """
    now = server.values()
    wanted: dict[str, Any] = {}
    kept: list[str] = []
    for key, (goal, other) in goals(with_defaults(server, keys), version).items():
        current = now.get(key, ABSENT)
        if current not in (goal, other):
            kept.append(key)
        elif current != goal or (saved.get(key, goal) == other and goal != other):
            wanted[key] = goal
    if wanted:
        server.set(wanted)
    return tuple(kept)
