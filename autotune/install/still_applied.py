"""Does the launch file still hold the flags that were applied? Cheap enough for `status`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autotune.flags.catalogue import Catalogue
from autotune.flags.words import canonical, split
from autotune.language.translate import _


def file_drift(words: Sequence[str], applied: Mapping[str, Any], catalogue: Catalogue) -> str | None:
    """One sentence on what differs when the launch file no longer holds the applied set; None when it holds it.

    ``words``: the flags in the file; ``applied``: the ``meta`` of the apply's checkpoint: its ``flags``, and the
    ``dimensions`` that it was allowed to edit.
    """
    present = canonical(split(words, catalogue, applied.get("dimensions", ())).tuned, catalogue)
    wanted = applied.get("flags", ())
    missing = [word for word in wanted if word not in present]
    extra = [word for word in present if word not in wanted]
    if not missing and not extra:
        return None
    text = _("the launch file no longer holds what was applied (missing: {missing}; added: {added})")
    if not extra:
        text = _("the launch file no longer holds what was applied (missing: {missing})")
    elif not missing:
        text = _("the launch file no longer holds what was applied (added: {added})")
    return text.format(missing=" ".join(missing), added=" ".join(extra))
