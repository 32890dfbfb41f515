"""What extensions register, and what is called at which step of a start, as in A1111's modules/script_callbacks.py."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any

Callback = Callable[..., Any]
_registered: dict[str, list[Callback]] = {}


def _register(kind: str) -> Callable[..., None]:
    def register(callback: Callback, *, name: str | None = None) -> None:  # noqa: ARG001 - A1111 takes it
        _registered.setdefault(kind, []).append(callback)

    return register


on_ui_tabs = _register("ui_tabs")
on_ui_settings = _register("ui_settings")
on_app_started = _register("app_started")
on_before_ui = _register("before_ui")
on_model_loaded = _register("model_loaded")
on_script_unloaded = _register("script_unloaded")


def _call(kind: str, *arguments: object) -> Iterator[Any]:
    for callback in _registered.get(kind, ()):
        try:
            yield callback(*arguments)
        except Exception:  # noqa: BLE001 - as A1111: an extension's fault does not end the start
            print(f"*** Error executing callback {kind}", file=sys.stderr)
            traceback.print_exc(file=sys.stderr)


def ui_tabs_callback() -> list[tuple[Any, str, str]]:
    """(blocks, title, id) of every tab."""
    return [tab for tabs in _call("ui_tabs") for tab in tabs or ()]


def ui_settings_callback() -> None:
    """Extensions add their options."""
    list(_call("ui_settings"))


def before_ui_callback() -> None:
    """Before the page is put together."""
    list(_call("before_ui"))


def model_loaded_callback(model: object) -> None:
    """A model was loaded."""
    list(_call("model_loaded", model))


def app_started_callback(demo: object, app: object) -> None:
    """The server has its application; ``demo``: the page, None with --nowebui."""
    list(_call("app_started", demo, app))
