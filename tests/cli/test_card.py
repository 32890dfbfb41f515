"""`autotune card` as it is called: what is written where, and what it refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from autotune.cli.main import run
from tests.cli.test_output import webui

RECORDED = Path(__file__).parents[2] / "benchmarks" / "data" / "reference-sd15-h200-tune.json"


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    return Path(shutil.copy(RECORDED, tmp_path / "mine.json"))


def ask(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    code = run(["card", *words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_picture_is_written_beside_an_exported_file(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = ask(capsys, str(exported))
    assert (code, said["file"]) == (0, str(exported.with_name("mine-card.png")))
    with Image.open(said["file"]) as image:
        assert image.size == (1280, 640)


def test_markdown_writes_a_file_only_where_one_is_named(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["card", str(exported), "--markdown"]) == 0
    assert capsys.readouterr().out.startswith("| | |\n|---|---|\n| Result | **")
    assert ask(capsys, str(exported), "--markdown")[1]["file"] is None
    assert sorted(exported.parent.iterdir()) == [exported]
    named = exported.with_name("named.png")
    assert ask(capsys, str(exported), "--markdown", "-o", str(named))[1]["file"] == str(named) and named.is_file()


def test_the_newest_study_has_its_card_beside_it(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state, root = exported.with_name("state"), webui(exported.with_name("webui"))
    where = ("--webui", str(root), "--state-dir", str(state))
    assert run([*where, "import", str(exported), "--json"]) == 0
    study = json.loads(capsys.readouterr().out)["study"]
    code, said = ask(capsys, *where)
    assert code == 0 and Path(said["file"]).parts[-2:] == (study, "card.png") and Path(said["file"]).is_file()
    beside = {key: value for key, value in said.items() if key != "file"}
    assert beside == {key: value for key, value in ask(capsys, str(exported))[1].items() if key != "file"}
    assert said["stand_in"] and str(root) not in json.dumps(beside) and study not in json.dumps(beside)


def test_a_study_without_a_verdict_has_no_card(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(exported.read_text(encoding="utf-8"))
    exported.write_text(json.dumps({**document, "result": None}), encoding="utf-8")
    code, said = ask(capsys, str(exported))
    assert code == 3 and "has no verdict yet" in said["message"]


def test_a_place_that_cannot_be_written_is_told(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = ask(capsys, str(exported), "-o", str(exported / "in-a-file" / "card.png"))
    assert code == 8 and str(exported) in said["message"]


def test_each_key_is_told(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    contract = (Path(__file__).parents[2] / "docs" / "contract.md").read_text(encoding="utf-8")
    told = contract.split("**`card`:**", 1)[1].split("\n\n", 1)[0]
    keys = ask(capsys, str(exported))[1].keys() - {"schema", "kind"}
    assert keys and {key for key in keys if f"`{key}`" not in told} == set()
