"""Was the launch file edited since the newest apply, and only within the words that autotune wrote?

A file that its owner edited is never overwritten. But where only the words that an apply wrote were touched, a
rollback takes nothing from the owner, and the agent may do it after a start that failed with these words.
"""

from __future__ import annotations

from difflib import SequenceMatcher
from functools import partial
from pathlib import Path

from autotune.launchfile import formats
from autotune.launchfile.checkpoints import Checkpoints
from autotune.model.errors import AutotuneError
from autotune.store.places import Places

EDGES = frozenset({b" ", b"\t", b"\r", b"\n", b'"', b"'", b"=", b"^", b"\\"})
"""Bytes at which a word of a launch file ends."""
ALIKE = 0.6
"""Least similarity (difflib's ratio) of two spellings of one word. Flags with different names are less alike, except
for the attention flags among each other, and those are ours in any case."""


def only_our_words(root: Path, places: Places, launch_file: Path | None = None) -> bool:
    """Whether all edits since the newest apply (of ``launch_file``, if given) are within the words that it wrote.

    False when in doubt.
    """
    store = Checkpoints(places.checkpoints(root))
    try:
        (applied,) = store.to_undo(of=launch_file)
    except AutotuneError:
        return False
    for saved in applied.files:
        if saved.keys:
            continue  # options are undone one by one, whatever else changed in their file
        try:
            before = store.saved_bytes(applied, saved.path, "before")
            after = store.saved_bytes(applied, saved.path, "after")
            now = saved.path.read_bytes()
        except (AutotuneError, OSError):
            return False
        if before is None or after is None or not (
                within(before, after, now) or formats.rewritten(saved.path, now, before, partial(bytes, after))):
            return False
    return True


def within(before: bytes, after: bytes, now: bytes) -> bool:
    """Whether ``now`` differs from ``after`` only in the spelling of words in which ``after`` differs from ``before``.

    A word more or less, or quite another one, counts as the owner's.
    """
    start = _shared(before, after)
    while start and after[start - 1 : start] not in EDGES:
        start -= 1
    most = min(len(before), len(after)) - start
    end = min(most, _shared(before[::-1], after[::-1]))
    while end and after[len(after) - end : len(after) - end + 1] not in EDGES:
        end -= 1
    head, tail = after[:start], after[len(after) - end :] if end else b""
    if len(now) < len(head) + len(tail) or not now.startswith(head) or not now.endswith(tail):
        return False
    ours, theirs = after[len(head) : len(after) - len(tail)].split(), now[len(head) : len(now) - len(tail)].split()
    return len(ours) == len(theirs) and all(_alike(*pair) for pair in zip(ours, theirs, strict=True))


def _alike(one: bytes, other: bytes) -> bool:
    return SequenceMatcher(None, one, other, autojunk=False).ratio() >= ALIKE


def _shared(one: bytes, other: bytes) -> int:
    """Length of the common beginning."""
    for at, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return at
    return min(len(one), len(other))
