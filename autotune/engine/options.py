"""The options of config.json: A1111's keys and defaults, live callbacks, saving as A1111 saves them."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from autotune.engine.values import Json

DEFAULTS = Path(__file__).parent / "options.json"
UNCHANGING = ("profiling_explanation", "sd_vae_explanation", "infotext_explanation", "settings_in_ui")
"""Texts of the settings page that A1111 lists among its options; they are not saved."""


class Options:
    """Defaults overlaid with what config.json holds; unknown keys of the file are kept when it is saved."""

    def __init__(self, path: Path, frozen: tuple[str, ...] | None = ()) -> None:
        """``frozen``: keys that cannot change, None for all of them. Raises ValueError on a broken file."""
        self.path, self.frozen = path, frozen
        self.defaults: dict[str, Json] = json.loads(DEFAULTS.read_text(encoding="utf-8"))
        self.data: dict[str, Json] = {}
        self.callbacks: dict[str, Callable[[], None]] = {}
        with suppress(FileNotFoundError):
            self.data = json.loads(path.read_text(encoding="utf-8"))

    def get(self, key: str) -> Json:
        """The value in force."""
        return self.data[key] if key in self.data else self.defaults[key]

    def set(self, key: str, value: Json) -> bool:
        """Set one option, calling what listens to it. Returns whether anything changed.

        As in A1111: a value equal to the one held is no change; an unknown key raises KeyError, a frozen one is
        left alone; a callback that fails is logged and the old value comes back.
        """
        old = self.data.get(key, self.defaults.get(key))
        if old == value:
            return False
        if key not in self.defaults:
            raise KeyError(key)
        if self.frozen is None or key in self.frozen:
            return False
        self.data[key] = value
        callback = self.callbacks.get(key)
        if callback is None:
            return True
        try:
            callback()
        except (RuntimeError, ValueError, TypeError, OSError, ImportError, AttributeError):
            traceback.print_exc(file=sys.stderr)
            self.data[key] = old
            return False
        return True

    def save(self) -> None:
        """Write config.json: every option that is saved, A1111's order, then keys of others."""
        merged = {k: self.get(k) for k in self.defaults if k not in UNCHANGING}
        merged.update({k: v for k, v in self.data.items() if k not in merged and k not in UNCHANGING})
        self.path.write_text(json.dumps(merged, indent=4, ensure_ascii=False), encoding="utf-8")

    def everything(self) -> dict[str, Json]:
        """What GET /options answers. Raises TypeError when an option holds a value of the wrong type."""
        for key, default in self.defaults.items():
            value = self.get(key)
            if not fits(value, default):
                raise TypeError(f"option {key} holds {type(value).__name__}, not {type(default).__name__}")
        return {key: self.get(key) for key in self.defaults}

    def overridden(self, changes: Mapping[str, Json]) -> dict[str, Json]:
        """Apply `override_settings` without callbacks; returns what to put back (only keys that were held).

        Raises KeyError for an unknown key, after the ones before it were set.
        """
        before = {key: self.data[key] for key in changes if key in self.data}
        for key, value in changes.items():
            if key not in self.defaults:
                raise KeyError(key)
            if self.frozen is not None and key not in self.frozen:
                self.data[key] = value
        return before


def fits(value: Json, default: Json) -> bool:
    """Whether a value has the type of an option's default (whole numbers do for fractions)."""
    if value is None or default is None:
        return True
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    if isinstance(default, float):
        return isinstance(value, (int, float))
    return isinstance(value, type(default))
