"""Edits since an apply: within the words that it wrote, or elsewhere in the owner's file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.apply.owner_edits import only_our_words, within
from autotune.launchfile.checkpoints import Checkpoints
from autotune.launchfile.records import FileChange
from autotune.store.places import Places

BEFORE = b'#!/bin/bash\nexport COMMANDLINE_ARGS="--api --opt-sub-quad-attention --theme dark"\n# end\n'
AFTER = BEFORE.replace(b"sub-quad", b"sdp")


@pytest.mark.parametrize(
    ("now", "ours"),
    [
        (AFTER, True),
        (BEFORE, True),
        (AFTER.replace(b"sdp-attention", b"sdp-attentoin"), True),
        (AFTER.replace(b"sdp-attention", b"sdp-attention --medvram"), False),
        (AFTER.replace(b"--opt-sdp-attention", b"--listen"), False),
        (AFTER.replace(b"--opt-sdp-attention ", b""), False),  # the blank before the next word went, too
        (AFTER.replace(b"--api", b"--api --listen"), False),
        (AFTER.replace(b"dark", b"light"), False),
        (AFTER.replace(b"# end", b"# the end"), False),
        (b"", False),
    ],
)
def test_where_it_was_edited(now: bytes, ours: bool) -> None:
    assert within(BEFORE, AFTER, now) is ours


def test_words_that_were_added_where_none_stood() -> None:
    before, after = b'X=""\n', b'X="--opt-sdp-attention"\n'
    assert within(before, after, b'X="--opt-sdpa"\n')
    assert not within(before, after, b'Y="--opt-sdp-attention"\n')


@given(st.text("abc -=\"'\n", min_size=1, max_size=8).map(str.encode), st.integers(0, len(AFTER)))
def test_what_is_written_elsewhere_is_never_ours(text: bytes, at: int) -> None:
    """Anything put in anywhere: called ours only inside or at the edge of the one word that was written."""
    now = AFTER[:at] + text + AFTER[at:]
    start = AFTER.index(b"--opt-sdp")
    if within(BEFORE, AFTER, now) and now != AFTER:
        assert start <= at <= start + len(b"--opt-sdp-attention")
        assert len(now.split()) == len(AFTER.split())


def test_of_an_apply(tmp_path: Path) -> None:
    root, places = tmp_path / "webui", Places(tmp_path / "state")
    root.mkdir()
    file = root / "webui-user.sh"
    file.write_bytes(BEFORE)
    assert not only_our_words(root, places)
    Checkpoints(places.checkpoints(root)).apply([FileChange(file, BEFORE, AFTER)])
    file.write_bytes(AFTER.replace(b"sdp-attention", b"sdp-attentoin"))
    assert only_our_words(root, places)
    file.write_bytes(AFTER.replace(b"--api", b"--api --listen"))
    assert not only_our_words(root, places)
    file.unlink()
    assert not only_our_words(root, places)
