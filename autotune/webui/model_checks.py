"""Checks of ``doctor`` on the files of models, for every kind of web UI: damage, and links that lead nowhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from autotune.language.translate import N_, _
from autotune.machine import model_files
from autotune.machine.weights import damage
from autotune.model.machine import AnimateDiff
from autotune.webui.face import Check, Classes

NO_CLIP: Classes = ("not_animated", "invalid_output")
MOST_NAMED = 5
"""Files or links that a check names at most."""


def links(folders: Iterable[Path]) -> Iterator[Check]:
    """Checks links in the model folders, which the web UI follows; one that leads nowhere holds no model."""
    name = N_("linked models")
    found = list(dict.fromkeys(link for folder in folders for link in model_files.links(folder)))
    bad = [link for link in found if link.trouble]
    if bad:
        # A circle is left at its first turn; what leads nowhere is a model that somebody counts on.
        whole = all(link.circles for link in bad)
        told = "; ".join(f"{link.path} -> {link.target}: {link.trouble}" for link in bad[:MOST_NAMED])
        yield Check(name, whole, told, _("Mount the drive it leads to, or remove the link."), ("startup", *NO_CLIP))
    elif found:
        yield Check(name, True, "; ".join(f"{one.path.name} -> {one.target}" for one in found[:MOST_NAMED]))


def modules(extension: AnimateDiff | None) -> Iterator[Check]:
    """Checks that no motion module is damaged."""
    if extension is None:
        return
    name = N_("motion module")
    broken = [(module.path, why) for module in extension.motion_modules if (why := damage(module.path)) is not None]
    for path, why in broken:
        yield Check(name, False, f"{path}: {why}", _("Download it again, or remove it."), NO_CLIP)
    if extension.motion_modules and not broken:
        yield Check(name, True, ", ".join(module.name for module in extension.motion_modules[:MOST_NAMED]), "", NO_CLIP)
