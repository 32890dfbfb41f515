"""The command by which a package is added is that of the installer. Judged by pipx and uv: tests/packaging."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from autotune.disk.own_install import how_to_add

WHEEL = "/home/a b/autotune_webui-0.1.0-py3-none-any.whl"
ADD = ["torch", "psycopg[binary]"]
FIRST = f'{{ name = "autotune-webui", path = "{WHEEL}" }}'


def words(text: str) -> list[str]:
    return shlex.split(text)


@pytest.mark.skipif(sys.platform == "win32", reason="words are taken apart as a POSIX shell does")
@pytest.mark.parametrize(("requirements", "said"), [
    (f"[{FIRST}]", [WHEEL]),
    ('[{ name = "autotune-webui" }]', ["autotune-webui"]),
    ('[{ name = "autotune-webui", specifier = ">=0.1,<1" }]', ["autotune-webui>=0.1,<1"]),
    ('[{ name = "autotune-webui", extras = ["engine", "storage"], path = "/x.whl" }]', ["/x.whl[engine,storage]"]),
    ('[{ name = "autotune-webui", directory = "/tree" }]', ["/tree"]),
    ('[{ name = "autotune-webui", editable = "/tree" }]', ["/tree"]),
    ('[{ name = "autotune-webui", url = "https://a/x.whl" }]', ["autotune-webui @ https://a/x.whl"]),
    ('[{ name = "autotune-webui", git = "https://a/x" }]', ["autotune-webui @ git+https://a/x"]),
    (f'[{FIRST}, {{ name = "optuna-dashboard" }}]', ["--with", "optuna-dashboard", WHEEL]),
    (f'[{FIRST}, {{ name = "torch" }}]', [WHEEL]),  # asked for again: said once
    ("[]", ["autotune-webui"]), ("[1]", ["autotune-webui"]), ("not toml", ["autotune-webui"]),
])
def test_uv_is_told_the_whole_of_what_the_tool_is_made_from(tmp_path: Path, requirements: str, said: list[str]) -> None:
    (tmp_path / "uv-receipt.toml").write_text(f"[tool]\nrequirements = {requirements}\n", encoding="utf-8")
    found = words(how_to_add(ADD, tmp_path, has_pip=False))
    assert found[:3] == ["uv", "tool", "install"] and found[-1] == said[-1]
    added = {found[at + 1] for at, word in enumerate(found) if word == "--with"}
    assert added == {*ADD, *said[1:-1]} and len(found) == 3 + 2 * len(added) + 1


@pytest.mark.skipif(sys.platform == "win32", reason="words are taken apart as a POSIX shell does")
@pytest.mark.parametrize(("has_pip", "said"), [
    (True, [sys.executable, "-m", "pip", "install"]), (False, ["uv", "pip", "install", "--python", sys.executable])])
def test_without_an_installer_of_its_own(tmp_path: Path, has_pip: bool, said: list[str]) -> None:
    assert words(how_to_add(ADD, tmp_path, has_pip)) == [*said, *ADD]


def test_pipx(tmp_path: Path) -> None:
    (tmp_path / "pipx_metadata.json").write_text("{}", encoding="utf-8")
    assert how_to_add(["torch"], tmp_path, has_pip=True) == "pipx inject autotune-webui torch"
