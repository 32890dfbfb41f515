"""In mid-tune the machine is the user's as soon as their web UI starts a job, and ours again when it is done."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from autotune.measure import clip_rules
from autotune.measure.observations import Observations
from autotune.tune.give_way import GiveWay, UserWebUIObserver
from tests.trial import sockets
from tests.trial.own_webui import install, up
from tests.waiting import wait_for

pytestmark = pytest.mark.slow

IDLE, WORKS, STARTING = '{"status": 404}', '{"status": 404, "burn": true}', '{"port": false}'
WITHIN = 5.0
"""Seconds that the promise gives."""


@contextmanager
def watching(root: Path, gpu: bool = False) -> Iterator[tuple[GiveWay, list[float]]]:
    """A watch with the times at which it handed back."""
    handed: list[float] = []
    way = GiveWay(root, gpu, lambda: handed.append(time.monotonic()))
    way.start()
    try:
        yield way, handed
    finally:
        way.stop()


@sockets.told
def test_a_job_takes_the_machine_and_its_end_gives_it_back(tmp_path: Path) -> None:
    root = install(tmp_path / "mine")
    with watching(root) as (way, handed), up(root, IDLE):
        for count in (1, 2):
            with up(root, WORKS):
                assert wait_for(way.taken.is_set, WITHIN)
                assert "has a job running" in way.why and len(handed) == count
                assert not way.wait_free(0.2)
            assert way.wait_free(20.0), way.why  # the idle one does not keep it
    assert len(handed) == 2


def test_one_that_starts_takes_it_until_it_is_up(tmp_path: Path) -> None:
    root = install(tmp_path / "mine")
    with watching(root) as (way, handed):
        with up(root, STARTING):
            assert wait_for(way.taken.is_set, WITHIN) and "starting" in way.why
        assert way.wait_free(20.0) and len(handed) == 1


def test_on_a_gpu_one_that_is_up_takes_it(tmp_path: Path) -> None:
    root = install(tmp_path / "mine")
    with watching(root, gpu=True) as (way, _), up(root, IDLE):
        assert wait_for(way.taken.is_set, WITHIN) and "holds GPU memory" in way.why


@sockets.told
def test_what_was_done_beside_a_clip_is_seen_afterwards(tmp_path: Path) -> None:
    """However short: nobody has to look at the right moment."""
    root = install(tmp_path / "mine")
    seen = UserWebUIObserver(root)

    def clip() -> str:
        """A clip's worth of work of our own, some tenths of a second."""
        seen.before()
        hashlib.pbkdf2_hmac("sha256", b"a clip", b"of ours", 1_000_000)
        seen.after()
        return seen.seen().disturbed

    assert clip() == ""
    with up(root, IDLE):
        assert clip() == ""
    with up(root, WORKS):
        assert "worked meanwhile" in clip()
        seen.before()
        with up(root, IDLE) as other:
            seen.after()
            assert str(other.pid) in seen.seen().disturbed or "worked" in seen.seen().disturbed
    seen.before()
    with up(root, IDLE):
        seen.after()
        assert "was started" in seen.seen().disturbed
    assert clip_rules.why_discarded(Observations(disturbed="why"), 1.0, 1.0) == "why"
    assert clip_rules.why_discarded(Observations(), 1.0, 1.0) is None
