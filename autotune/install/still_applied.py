"""Does the launch file still hold what was applied? Cheap enough for `status`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from autotune.flags.catalogue import Catalogue
from autotune.flags.words import canonical, split
from autotune.webui.a1111.flags.known_flags import load


def file_drift(
    words: Sequence[str], applied: Sequence[str], catalogue: Catalogue, dimensions: Sequence[str] = ()
) -> str | None:
    """One sentence when the launch file no longer holds the applied set, None when it does.

    ``dimensions``: what the study behind the set searched.
    """
    present = canonical(split(words, catalogue, dimensions).tuned, catalogue)
    missing = [word for word in applied if word not in present]
    extra = [word for word in present if word not in applied]
    if not missing and not extra:
        return None
    parts = [f"missing: {' '.join(missing)}"] if missing else []
    parts += [f"added: {' '.join(extra)}"] if extra else []
    return f"the launch file no longer holds what was applied ({'; '.join(parts)})"


def catalogue_of(root: Path) -> Catalogue:
    """The flag catalogue of the install at ``root``."""
    from autotune.webui.a1111 import install

    return load(*install.identify(root))
