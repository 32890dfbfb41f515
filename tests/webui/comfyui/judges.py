"""A catalogue in small for tests of ComfyUI's launch files."""

from __future__ import annotations

from collections.abc import Sequence

MEMBERS = ("fp16_accumulation", "autotune", "cublas_ops")
OWNED = ("--use-pytorch-cross-attention", "--use-sage-attention", "--use-split-cross-attention",
         "--force-channels-last", "--highvram", "--lowvram", "--disable-cuda-malloc", "--cache-classic")
"""Managed flags without a value."""


def owns(words: Sequence[str]) -> tuple[bool, ...]:
    """Of each word whether it is managed: OWNED, ``--fast`` and its members, ``--cache-lru`` with its number."""
    found: list[bool] = []
    last = ""
    for word in words:
        if word.startswith("--"):
            last = word
            found.append(word in OWNED or word in ("--fast", "--cache-lru"))
        else:
            found.append((last == "--fast" and word in MEMBERS) or (last == "--cache-lru" and word.isdigit()))
            last = last if last == "--fast" else ""
    return tuple(found)
