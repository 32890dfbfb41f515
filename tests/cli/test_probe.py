"""`probe` in a pipe: whole lines, folded; `--all` lists every set; the document is the same either way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from autotune.cli.main import run
from tests import reference

pytestmark = pytest.mark.slow


def test_probe_folds_and_lists_and_the_document_is_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = reference.copy(tmp_path / "画像 webui")

    def said(*words: str) -> str:
        assert run(["probe", *words, "--webui", str(root), "--state-dir", str(tmp_path / "state")]) == 0
        return capsys.readouterr().out

    document, same = json.loads(said("--json")), json.loads(said("--json", "--all"))
    assert document == same and list(document) == list(same)
    tried = [one for one in document["candidates"] if one["excluded"] is None]
    out = [one for one in document["candidates"] if one["excluded"] is not None]
    lines = said().splitlines()
    assert any(line.startswith("Web UI: ") and line.endswith(str(root)) for line in lines)
    assert f"Sets: That makes {len(tried)} sets, the current one among them; {len(out)} left out." in lines
    attention = next(line for line in lines if line.startswith("attention: "))
    assert attention.count("(now)") == 1 and "sdp-no-mem" in attention
    every = said("--all")
    assert f"Candidates ({len(tried)})" in every and f"Left out ({len(out)})" in every
    assert len(lines) < len(every.splitlines()) / 2 and "\x1b" not in every + "".join(lines)
