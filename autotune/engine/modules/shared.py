"""Flags and options, as extensions find them in A1111's modules/shared.py; ``begin`` fills them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autotune.engine.options import Options
    from autotune.engine.state import JobState

cmd_opts = argparse.Namespace()
state: JobState
"""The job that runs now."""


class OptionInfo:
    """An option of an extension: its default, the text beside it, and its section of the settings page."""

    def __init__(self, default: Any = None, label: str = "", *more: Any, **named: Any) -> None:  # noqa: ANN401
        """``onchange``, ``section``, ``component`` and the rest: as A1111's, which also takes them by place."""
        self.default, self.label, self.more, self.named = default, label, more, named
        self.onchange: Callable[[], None] | None = named.get("onchange")
        self.section: tuple[str, ...] | None = named.get("section")

    def info(self, _text: str) -> OptionInfo:
        """A text beside the option; there is no page to show it on."""
        return self


class _Opts:
    """``shared.opts``: options as attributes."""

    def __init__(self) -> None:
        self._options: Options | None = None
        self.data_labels: dict[str, OptionInfo] = {}

    def begin(self, options: Options) -> None:
        """From here on they are those of the running web UI."""
        self._options = options

    def add_option(self, key: str, info: OptionInfo) -> None:
        """An option of an extension's: known from now on, with what config.json holds or its default."""
        assert self._options is not None
        self.data_labels[key] = info
        self._options.defaults[key] = info.default
        if info.onchange is not None:
            self._options.callbacks[key] = info.onchange

    def onchange(self, key: str, func: Callable[[], None], call: bool = True) -> None:
        """Calls ``func`` when the option changes, and at once unless ``call`` is false."""
        assert self._options is not None
        self._options.callbacks[key] = func
        if call:
            func()

    def __getattr__(self, key: str) -> Any:  # noqa: ANN401 - an option's value
        options = self.__dict__.get("_options")
        if options is not None and (key in options.data or key in options.defaults):
            return options.get(key)
        raise AttributeError(key)


opts = _Opts()


def begin(flags: argparse.Namespace, options: Options, job: JobState) -> None:
    """Gives extensions the flags, the options and the job of this web UI."""
    global state  # noqa: PLW0603 - as in A1111
    state = job
    vars(cmd_opts).update(vars(flags))
    opts.begin(options)
