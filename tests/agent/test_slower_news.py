"""Clips became slower: the user is told once, what gives the speed back is measured, and no kill changes that."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from autotune.model.use import Slowdown
from tests.agent.test_agent import BUSY, DAY, FREE, events, settled
from tests.agent.world import BETTER

NEWS = Slowdown("2026-11-24T10:00:00Z", "Clips are 18 % slower [12, 24] since 14 Nov (start 12)",
                "2026-11-14T09:00:00Z", measured=False)
TITLE = "Clips have become slower"


@pytest.mark.parametrize(("policy", "kinds"), [("apply", ["tune", "apply"]), ("notify", ["tune"])])
def test_the_user_is_told_once_and_the_cure_is_measured_anew(tmp_path: Path, policy: str, kinds: list[str]) -> None:
    life = settled(tmp_path, policy=policy)
    life.world.results["tune"] = (0, BETTER)
    life.world.slowdown = NEWS
    life.run(3 * DAY)
    assert life.kinds() == kinds
    words = life.world.children[0].words
    assert words[words.index("--newer-than") + 1] == NEWS.since
    assert words[words.index("--cause") + 1] == f"agent: {NEWS.text}"
    told = [text for title, text in life.world.told if title == TITLE]
    assert told == [f"{NEWS.text}. `autotune explain` says more."]


def test_who_does_not_want_it_is_left_alone(tmp_path: Path) -> None:
    life = settled(tmp_path, watch_use=False)
    life.world.slowdown = NEWS
    life.run(DAY)
    assert life.kinds() == [] and life.world.told == []


def test_what_was_measured_since_is_not_measured_again(tmp_path: Path) -> None:
    life = settled(tmp_path)
    life.world.slowdown = Slowdown(NEWS.id, NEWS.text, NEWS.since, measured=True)
    life.run(DAY)
    assert life.kinds() == []
    assert [title for title, _ in life.world.told] == [TITLE]


def test_it_waits_as_any_other_session_and_a_second_slowdown_is_news_again(tmp_path: Path) -> None:
    life = settled(tmp_path)
    life.world.scene = BUSY
    life.world.slowdown = NEWS
    life.run(DAY)
    assert life.kinds() == [] and life.state.due is not None
    life.restart()
    life.run(DAY)
    assert [title for title, _ in life.world.told] == [TITLE]
    life.world.scene = FREE
    life.run(DAY)
    assert life.kinds() == ["tune"]
    life.world.slowdown = Slowdown("later", "Clips are 9 % slower", "2026-11-25T09:00:00Z", measured=False)
    life.run(DAY)
    assert life.kinds() == ["tune", "tune"]
    assert [title for title, _ in life.world.told] == [TITLE, TITLE]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_random_kills_neither_lose_nor_repeat_it(seed: int, tmp_path: Path) -> None:
    random = Random(seed)
    life = settled(tmp_path, sessions_a_week=1000, minutes_a_day=1440.0, quiet_minutes=0.0)
    for number in range(12):
        life.world.slowdown = Slowdown(f"{number}", f"slower {number}", "2026-11-25T09:00:00Z", measured=False)
        life.world.fuse = random.randrange(1, 40)
        life.run(DAY)
    news = [row["id"] for row in events(tmp_path) if row["event"] == "slower"]
    assert news == [str(number) for number in range(12)]
    assert life.state.due is None
    causes = [child.words[-1] for child in life.world.children if child.name in life.world.finished]
    assert [cause for cause in causes if "slower" in cause] == [f"agent: slower {number}" for number in range(12)]
