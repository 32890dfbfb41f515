"""Chooses the motion module of AnimateDiff that clips are rendered with, for every kind of web UI."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

PREFERRED_MODULES = ("v3", "v15_v2", "v2", "v15", "v14")
"""Motion modules in the order of preference: newer ones first (the extension's own default is the v3 one)."""
_CONTEXT = ((r"lcm", 64), (r"v[23](?!\d)", 32), (r"v1[45]?(?!\d)", 24), (r"", 32))
"""Longest clip of a motion module in frames, by its name (docs/webuis.md): 64 for LCM, 24 for V1, 32 for the others."""


def preferred_module(names: Iterable[str] | Mapping[str, int], frames: int) -> str | None:
    """Of these motion modules the best whose context holds ``frames``; None: there is none.

    A mapping tells the longest clip of each, in frames, where that is known better than by its name.
    """
    ordered = sorted(names)
    known = names if isinstance(names, Mapping) else {name: frames_by_name(name) for name in ordered}
    fitting = [name for name in ordered if known[name] >= frames] or ordered
    for word in PREFERRED_MODULES:
        for name in fitting:
            if word in _own_name(name):
                return name
    return fitting[0] if fitting else None


def _own_name(name: str) -> str:
    """The file's name: a folder called v3 says nothing of the module in it."""
    return name.replace("\\", "/").rpartition("/")[2].lower()


def frames_by_name(name: str) -> int:
    """The longest clip of a motion module in frames, as far as its file's name tells."""
    text = _own_name(name)
    return next(frames for pattern, frames in _CONTEXT if re.search(pattern, text))


def in_use(modules: str, frames: int) -> str:
    """Of a fingerprint's motion modules ("NAME SIZE, NAME SIZE") the one that a tune would render with.

    So a module that is merely added is no change; one that takes the place of the one in use is, and so are its
    removal and its replacement by a file of another size.
    """
    sizes = dict(one.rpartition(" ")[::2] for one in modules.split(", ") if one)
    name = preferred_module(list(sizes), frames)
    return f"{name} {sizes[name]}" if name is not None else ""
