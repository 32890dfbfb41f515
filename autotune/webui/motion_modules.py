"""Chooses the motion module of AnimateDiff that clips are rendered with."""

from __future__ import annotations

from collections.abc import Iterable

PREFERRED_MODULES = ("v3", "v15_v2", "v2", "v15", "v14")
"""Motion modules in the order of preference: newer ones first (the extension's own default is the v3 one)."""
CONTEXT = {"lcm": 64, "v1": 24}
"""Longest clip of a motion module, frames (docs/webuis.md): 64 for LCM, 24 for V1, 32 for the others."""
USUAL_CONTEXT = 32


def preferred_module(names: Iterable[str], frames: int) -> str | None:
    """Of these motion modules the best whose context holds ``frames``; None: there is none."""
    ordered = sorted(names)
    fitting = [name for name in ordered if _context(name) >= frames] or ordered
    for word in PREFERRED_MODULES:
        for name in fitting:
            if word in _own_name(name):
                return name
    return fitting[0] if fitting else None


def _own_name(name: str) -> str:
    """The file's name: a folder called v3 says nothing of the module in it."""
    return name.rpartition("/")[2].lower()


def _context(name: str) -> int:
    text = _own_name(name)
    for word, frames in CONTEXT.items():
        if word in text or (word == "v1" and ("v14" in text or text.endswith(("v15.ckpt", "v15.safetensors")))):
            return frames
    return USUAL_CONTEXT


def in_use(modules: str, frames: int) -> str:
    """Of a fingerprint's motion modules ("NAME SIZE, NAME SIZE") the one that a tune would render with.

    So a module that is merely added is no change; one that takes the place of the one in use is, and so are its
    removal and its replacement by a file of another size.
    """
    sizes = dict(one.rpartition(" ")[::2] for one in modules.split(", ") if one)
    name = preferred_module(sizes, frames)
    return f"{name} {sizes[name]}" if name is not None else ""
