"""How was the launch file edited since the newest apply? In autotune's own words only, or elsewhere too?

A file that its owner edited is not overwritten. But where nothing was touched except the very words that an apply
wrote, putting back what stood there before takes nothing from its owner; and after a start that failed with
those words, that is what the agent is for.
"""

from __future__ import annotations

from difflib import SequenceMatcher
from pathlib import Path

from autotune.launchfile.checkpoints import Checkpoints
from autotune.model.errors import AutotuneError
from autotune.store.places import Places

EDGES = frozenset({b" ", b"\t", b"\r", b"\n", b'"', b"'", b"=", b"^", b"\\"})
"""Bytes at which a word of a launch file ends."""
ALIKE = 0.6
"""Share of letters that two spellings of one word have in common, in order; two flags of different names have less,
but for the attention flags among each other, which are ours in any case."""


def only_our_words(root: Path, places: Places, launch_file: Path | None = None) -> bool:
    """Whether the edits since the newest apply (to ``launch_file``, if given) lie all within the words that it wrote.
    False when in doubt."""
    store = Checkpoints(places.checkpoints(root))
    try:
        (applied,) = store.to_undo(of=launch_file)
    except AutotuneError:
        return False
    for saved in applied.files:
        if saved.keys:
            continue  # options are undone one by one, whatever else changed in their file
        try:
            before, after = store.held(applied, saved.path, "before"), store.held(applied, saved.path, "after")
            now = saved.path.read_bytes()
        except (AutotuneError, OSError):
            return False
        if before is None or after is None or not within(before, after, now):
            return False
    return True


def within(before: bytes, after: bytes, now: bytes) -> bool:
    """Whether ``now`` differs from ``after`` only where ``after`` differs from ``before``, and only in how our words
    are spelled there: a word more or less, or quite another one, is its owner's."""
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
