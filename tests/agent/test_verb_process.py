"""Children of the agent as real processes: they end within seconds, die with it, and lose no result."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import pytest

from autotune.agent.verb_process import VerbProcess, read_document, remove_old_output
from autotune.language.translate import use_language
from tests.waiting import wait_for

pytestmark = pytest.mark.slow

WINE = hasattr(getattr(getattr(ctypes, "windll", None), "ntdll", None), "wine_get_version")


def tune(webui: Path, state: Path) -> list[str]:
    return ["--webui", str(webui), "--state-dir", str(state), "tune", "--json", "--profile", "tiny"]


def test_a_command_that_ends_leaves_code_and_document(tmp_path: Path) -> None:
    words = ["--webui", str(tmp_path / "none"), "--state-dir", str(tmp_path / "state"), "tune", "--json"]
    session = VerbProcess(tmp_path / "out", "a", words)
    assert wait_for(lambda: session.poll() is not None, 30)
    result = session.result()
    assert result.code == 3
    assert result.document is not None
    assert (result.document["kind"], result.document["code"]) == ("error", 3)
    assert read_document(tmp_path / "out", "a") == result.document


def test_a_verb_speaks_as_the_agent_does(tmp_path: Path) -> None:
    use_language("ja")
    try:
        session = VerbProcess(tmp_path / "out", "a", ["status", "--nonsense", "--json"])
    finally:
        use_language("en")
    assert wait_for(lambda: session.poll() is not None, 30)
    document = session.result().document
    assert document is not None and "--nonsense" in document["message"]
    assert any("ぁ" <= letter <= "ん" for letter in document["message"]), document


def test_a_torn_document_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"schema": 1, "kind": "tu')
    (tmp_path / "b.json").write_text("[1]")
    assert read_document(tmp_path, "a") is None
    assert read_document(tmp_path, "b") is None
    assert read_document(tmp_path, "c") is None


def test_old_output_is_pruned(tmp_path: Path) -> None:
    for number in range(12):
        path = tmp_path / f"{number}.json"
        path.write_text("{}")
        os.utime(path, (number, number))
    remove_old_output(tmp_path, keep=5)
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["10", "11", "7", "8", "9"]


def test_a_command_is_asked_to_stop_before_it_is_killed(webui: Path, tmp_path: Path) -> None:
    """An agent of its own stands for a command that lasts: asked, it says that it ends, and ends with 0."""
    (tmp_path / "config.toml").write_text("[agent]\nfirst_tune = false\n")
    words = ["--webui", str(webui), "--state-dir", str(tmp_path / "state"), "--config", str(tmp_path / "config.toml")]
    session = VerbProcess(tmp_path / "Sitzung ü", "a", [*words, "daemon"])
    log = tmp_path / "state" / "daemon" / "agent.log"
    try:
        assert wait_for(lambda: log.exists() and "the agent begins" in log.read_text(encoding="utf-8"), 60)
        assert wait_for(lambda: (tmp_path / "state" / "daemon" / "status.json").exists(), 60)
    finally:
        result = session.stop()
    if WINE:
        pytest.skip("wine turns Ctrl-Break into the end of a single thread")
    assert result.code == 0
    assert log.read_text(encoding="utf-8").splitlines()[-1].endswith("the agent ends")
