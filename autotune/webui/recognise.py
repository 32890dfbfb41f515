"""Tells which kind of web UI lies in a folder: one of those here, or one that another package offers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.language.translate import _
from autotune.model.errors import UsageProblem
from autotune.webui.face import WebUI

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

OURS = ("a1111", "comfyui")
"""Kinds of web UI that have a folder beside this file."""
GROUP = "autotune.webuis"
"""Entry points by which another package offers a kind of web UI: each names an object that is a ``WebUI``."""


def kinds() -> Iterator[WebUI]:
    """Every kind of web UI: ours first, then those of installed packages."""
    for name in OURS:
        yield from registered((import_module(f"autotune.webui.{name}.webui").WEBUI,))
    yield from _from_packages()


def face_of(root: Path) -> WebUI:
    """The kind of web UI that ``root`` holds. For a folder that none of them knows, the first one, which says so."""
    found = next((one for one in kinds() if one.holds(root)), None)
    return found or next(kinds())


@lru_cache(maxsize=1)
def _from_packages() -> tuple[WebUI, ...]:
    from importlib.metadata import entry_points

    return registered(tuple(map(_loaded, entry_points(group=GROUP))))


def _loaded(offer: EntryPoint) -> WebUI:
    """The kind that a package offers. Raises UsageProblem where its code cannot be loaded."""
    try:
        kind: WebUI = offer.load()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - anybody's package may raise anything
        raise UsageProblem(
            _("the installed package {package} offers a kind of web UI that cannot be loaded: {reason}").format(
                package=offer.dist.name if offer.dist else "?", reason=f"{type(error).__name__}: {error}"),
            _("Mend {module}, or uninstall that package.").format(module=offer.value)) from None
    return kind


def registered(found: tuple[WebUI, ...]) -> tuple[WebUI, ...]:
    """Registers the launch file formats of these kinds, and returns the kinds."""
    made = [one for kind in found for one in kind.formats]
    if made:
        from autotune.launchfile import formats

        formats.register(made)
    return found
