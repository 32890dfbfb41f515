"""Which web UI lies in a folder? Asked of each kind that there is: the folders here, and packages of others."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from pathlib import Path

from autotune.webui.face import WebUI

OURS = ("a1111",)
"""Folders beside this file."""
GROUP = "autotune.webuis"
"""Entry points by which another package offers a kind of web UI: each names an object that is a ``WebUI``."""


def kinds() -> Iterator[WebUI]:
    """Every kind of web UI: ours first, then those of installed packages."""
    for name in OURS:
        yield import_module(f"autotune.webui.{name}.webui").WEBUI
    yield from _of_others()


def face_of(root: Path) -> WebUI:
    """The kind of web UI that ``root`` holds. For a folder that none of them knows, the first one, which says so."""
    found = next((one for one in kinds() if one.holds(root)), None)
    return found or next(kinds())


@lru_cache(maxsize=1)
def _of_others() -> tuple[WebUI, ...]:
    from importlib.metadata import entry_points

    return made_known(tuple(one.load() for one in entry_points(group=GROUP)))


def made_known(found: tuple[WebUI, ...]) -> tuple[WebUI, ...]:
    """The same kinds, after the formats of their launch files were made known."""
    made = [one for kind in found for one in kind.formats]
    if made:
        from autotune.launchfile import formats

        formats.register(made)
    return found
