"""Where ComfyUI looks for models and nodes: by its own folders, its flags, and files of extra folders."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.webui.comfyui import folders
from tests.webui.comfyui import installs
from tests.webui.installs import write

CASES: list[dict[str, Any]] = json.loads(Path(__file__).with_name("extra_paths.json").read_text(encoding="utf-8"))
"""Drawn files of extra folders with what ComfyUI 0.26's own loader made of them: the lists that changed, or a stop."""
posix = pytest.mark.skipif(sys.platform == "win32", reason="recorded paths are those of POSIX")


@posix
@pytest.mark.parametrize("number", range(len(CASES)))
def test_a_file_of_extra_folders_is_read_as_comfyui_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    case = CASES[number]
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    base, here = tmp_path / "base", tmp_path / "case"
    found = folders.of(base, base, ("--output-directory", str(tmp_path / "out"))).paths
    before = {kind: list(paths) for kind, paths in found.items()}
    # An "~" in quotes is a path, too; a variable that is not set stays as it is written.
    fault = folders.add_extra(found, write(here / "extra.yaml", case["text"]))
    assert (fault is not None) == case["stops"]
    if fault is None:
        places = {"{here}": here, "{base}": base, "{home}": tmp_path / "home", "{above}": tmp_path}
        own_last = {kind: [one for one in paths if not one.is_relative_to(tmp_path / "out")]
                    for kind, paths in found.items() if paths != before.get(kind)}
        assert {kind: [_known(str(path), places) for path in paths] for kind, paths in own_last.items()} == \
            {kind: [_wide(path) for path in paths] for kind, paths in case["paths"].items() if kind != "none"}


def _known(path: str, places: dict[str, Path]) -> str:
    for name, place in places.items():
        path = path.replace(str(place), name)
    return _wide(path)


def _wide(path: str) -> str:
    """$HOME is set where the table was made, and here."""
    return path.replace("{here}/$HOME", "{home}")


@pytest.mark.parametrize(("text", "said"), [
    ("# only a comment\n", "holds no entry"),
    ("a: [1\n", "expected"),
    ("- a\n- b\n", "no list of names"),
    ("a: b\n", '"a" holds no names'),
    ("a:\n  checkpoints:\n", '"checkpoints" has no folder'),
    ("a:\n  checkpoints: [x, y]\n", '"checkpoints" has no folder'),
    ("a:\n  base_path: 5\n  checkpoints: x\n", "base_path is no text"),
])
def test_what_stops_a_start_is_said(tmp_path: Path, text: str, said: str) -> None:
    fault = folders.add_extra({}, write(tmp_path / "x.yaml", text))
    assert fault is not None and said in fault and str(tmp_path / "x.yaml") in fault


def test_other_faults_of_such_a_file(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"a:\n  checkpoints: /b\xe4r\n")
    assert "not UTF-8" in (folders.add_extra({}, tmp_path / "x.yaml") or "")
    assert "no such file" in (folders.add_extra({}, tmp_path / "gone.yaml") or "")


def test_flags_move_folders(tmp_path: Path) -> None:
    root, cwd = tmp_path / "ComfyUI", tmp_path
    words = ("--base-dir", "data", "--output-directory=out", "--user-directory", "/u", "--lowvram")
    found = folders.of(root, cwd, words)
    assert folders.base_of(root, cwd, words) == tmp_path / "data"
    assert found.output == tmp_path / "out" and found.input == tmp_path / "data/input"
    assert found.user == Path("/u") or sys.platform == "win32"
    assert found.of("checkpoints") == [tmp_path / "data/models/checkpoints", tmp_path / "out/checkpoints"]
    assert found.of("custom_nodes") == [tmp_path / "data/custom_nodes"]


def test_files_that_flags_name_come_after_the_installs_own(tmp_path: Path) -> None:
    root = installs.comfyui(tmp_path / "ComfyUI")
    write(root / "extra_model_paths.yaml", "a:\n  checkpoints: one\n")
    files = [write(tmp_path / name, f"a:\n  checkpoints: {name}\n") for name in ("two", "three", "four")]
    words = ("--extra-model-paths-config", "two", "three", "--lowvram", "--extra-model-paths-config", "four")
    found = folders.of(root, tmp_path, words)
    assert found.configs == (root / "extra_model_paths.yaml", *files) and found.faults == ()
    assert [path.name for path in found.of("checkpoints")][1:5] == ["one", "two", "three", "four"]


NAMES = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=8)


@given(NAMES, st.lists(st.booleans(), min_size=8, max_size=8))
def test_a_folder_is_looked_in_once(names: list[str], default: list[bool]) -> None:
    found: dict[str, list[Path]] = {}
    for name, first in zip(names, default, strict=False):
        folders.add(found, "clip" if first else "text_encoders", Path(name), first)
        paths = found["text_encoders"]
        assert len(paths) == len(set(paths)) and Path(name) in paths
        assert not first or paths[0] == Path(name)
