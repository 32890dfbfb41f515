"""What code decides by the words of a web UI's faults, it decides the same in every language."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from autotune.language.translate import use_language
from autotune.webui.a1111.flags.known_flags import flavours, load
from autotune.webui.running import JobAnswer, OwnWebUI, activity_of
from tests.webui.test_checks import HARMS, MODELS, install, rows

JAPANESE = re.compile(r"[ぁ-んァ-ヶ一-龠]")


@pytest.fixture(autouse=True)
def english_again() -> Iterator[None]:
    yield
    use_language("en")


@pytest.mark.parametrize("name", HARMS)
@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_harm_has_the_same_rows(tmp_path: Path, name: str) -> None:
    harm, row, _, ok = HARMS[name]
    root = install(tmp_path)
    harm(root)
    english = rows(root)
    use_language("ja")
    japanese = rows(root)
    assert {key: (one.ok, bool(one.hint), one.prevents) for key, one in japanese.items()} == {
        key: (one.ok, bool(one.hint), one.prevents) for key, one in english.items()}
    assert japanese[row].ok == ok
    assert not japanese[row].hint or JAPANESE.search(japanese[row].hint)


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_circle_of_links_is_no_harm(tmp_path: Path) -> None:
    root = install(tmp_path)
    (root / MODELS / "round").symlink_to(root / MODELS)
    use_language("ja")
    found = rows(root)["linked models"]
    assert found.ok and JAPANESE.search(found.detail)


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_each_fault_of_the_settings_has_its_own_advice(tmp_path: Path) -> None:
    """A list ends a start; what cannot be read is moved aside by the web UI."""
    for language in ("en", "ja"):
        use_language(language)
        hints = []
        for number, text in enumerate(("[]", '{"a": 1')):
            root = install(tmp_path / f"{language}{number}", text)
            hints.append(rows(root)["saved settings"].hint)
        assert "tmp/config.json" in hints[1] and "tmp/config.json" not in hints[0]


def test_the_catalogue_is_kept_in_each_language() -> None:
    untuned = [name for name in flavours() if not load(name).tuned]
    english = {name: load(name).why_not or "" for name in untuned}
    use_language("ja")
    assert all(JAPANESE.search(load(name).why_not or "") for name in untuned)
    assert JAPANESE.search(load("a1111", "1.3").note or "")
    use_language("en")
    assert {name: load(name).why_not for name in untuned} == english


def test_a_web_ui_is_named_whole() -> None:
    one = OwnWebUI(12, (("127.0.0.1", 7860),), ())
    assert str(activity_of(one, JobAnswer("none", "no job"), None)) == "the web UI (pid 12, port 7860) is idle: no job"
    hidden = OwnWebUI(12, None, None, certain=False, user="ada")
    assert hidden.name == "a web UI of user ada (pid 12)"
    use_language("ja")
    assert one.name == "Web UI（pid 12、ポート7860）"
    assert hidden.name == "ユーザー ada のWeb UI（pid 12）"
