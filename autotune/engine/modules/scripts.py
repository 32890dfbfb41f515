"""What an extension finds in A1111's modules/scripts.py: its own folder, and the class of scripts that see jobs."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from types import ModuleType
from typing import Any

AlwaysVisible = object()
_current = ""
_loaded: list[Script] = []


def basedir() -> str:
    """The folder of the extension that is being loaded."""
    return _current


def set_basedir(folder: str) -> None:
    """Says which extension is being loaded."""
    global _current  # noqa: PLW0603 - as in A1111
    _current = folder


class Script:
    """A script of an extension; those that are always visible are told of each job."""

    def title(self) -> str:
        """Its name in lists."""
        raise NotImplementedError

    def show(self, is_img2img: bool) -> object:  # noqa: ARG002
        """AlwaysVisible for one that takes part in every job."""
        return True

    def process(self, p: Any, *args: Any) -> None:  # noqa: ANN401
        """Before a job is rendered."""

    def postprocess(self, p: Any, processed: Any, *args: Any) -> None:  # noqa: ANN401
        """After its pictures are saved."""


def register(module: ModuleType) -> None:
    """Takes the scripts of a module that was loaded."""
    kinds = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, Script)]
    _loaded.extend(script for kind in kinds if kind is not Script for script in [kind()]
                   if script.show(False) is AlwaysVisible)


def process(p: object) -> None:
    """Tells every script that a job begins."""
    for _ in _each("process", p):
        pass


def postprocess(p: object, processed: object) -> None:
    """Tells every script that a job is done."""
    for _ in _each("postprocess", p, processed):
        pass


def _each(name: str, *arguments: object) -> Iterator[None]:
    for script in _loaded:
        try:
            yield getattr(script, name)(*arguments)
        except Exception:  # noqa: BLE001 - as A1111: an extension's fault does not end the job
            print(f"*** Error running {name}: {script.title()}", file=sys.stderr)
            traceback.print_exc(file=sys.stderr)
