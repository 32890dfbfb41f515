"""What lies in a ComfyUI folder, however it was installed: who starts it, its Python, its folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from autotune.webui import recognise
from autotune.webui.comfyui import hosts, install
from autotune.webui.comfyui.webui import WEBUI
from tests.webui.comfyui import installs
from tests.webui.installs import python_of, repository, venv, write


def looked_at(made: installs.Made, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...] = ()) -> install.Install:
    """The install as autotune would see it on its own machine."""
    for name in ("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "VIRTUAL_ENV",
                 "CONDA_PREFIX"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": str(made.root / "nobody"), "PATH": "", **made.environ}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(hosts, "_in_container", lambda: False)
    return install.identify(made.root, words)


@pytest.mark.parametrize("name", sorted(installs.HOSTS))
@pytest.mark.parametrize("folder", ["plain", "mit Leerzeichen", "日本語の場所"])
def test_every_way_of_installing_it_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, folder: str
) -> None:
    made = installs.HOSTS[name](tmp_path / folder)
    seen = looked_at(made, monkeypatch)
    assert WEBUI.holds(made.root) and recognise.face_of(made.root) is WEBUI
    assert seen.host.name == name.partition(" ")[0]
    assert (seen.kind, seen.version, seen.base) == ("comfyui", installs.VERSION, made.base)
    assert seen.python is not None and seen.python.is_file()
    assert any((one / "sd15.safetensors").is_file() for one in seen.folders.of("checkpoints"))
    assert any((one / installs.NODES).is_dir() for one in seen.folders.of("custom_nodes"))
    assert seen.folders.faults == ()


@pytest.mark.parametrize("platform", ["win32", "darwin", "linux"])
def test_comfy_desktop_1_on_each_system(tmp_path: Path, platform: str) -> None:
    made = installs.desktop_1(tmp_path, platform)
    host = hosts.host_of(made.root, made.environ, platform)
    assert (host.name, host.base) == ("desktop", made.base)
    assert ("--base-directory", str(made.base)) == host.words[host.words.index("--base-directory"):][:2]


def test_an_adopted_install_keeps_its_first_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = installs.desktop_2(tmp_path, adopted=True, shared=False)
    seen = looked_at(made, monkeypatch)
    assert seen.base == made.base != seen.root and seen.python == python_of(made.base / ".venv")


@pytest.mark.parametrize(("files", "told"), [
    ({}, None),
    ({"pyproject.toml": '[build-system]\nversion = "9"\n\n[project]\nname = "x"\nversion = "0.3.64"\n'}, "0.3.64"),
    ({"pyproject.toml": '[project]\nname = "x"\n\n[tool.x]\nversion = "9"\n'}, None),
    ({"comfyui_version.py": "__version__ = '0.4.0'\n", "pyproject.toml": '[project]\nversion = "1"\n'}, "0.4.0"),
])
def test_the_version_is_the_stated_one(tmp_path: Path, files: dict[str, str], told: str | None) -> None:
    for name, text in files.items():
        write(tmp_path / name, text)
    assert install.version_of(tmp_path) == told


def test_an_old_one_tells_its_version_by_its_tag(tmp_path: Path) -> None:
    commit = repository(tmp_path)
    write(tmp_path / ".git/refs/tags/v0.2.3", commit + "\n")
    assert install.version_of(tmp_path) == "0.2.3"


@pytest.mark.parametrize(("places", "taken"), [
    (["ComfyUI/venv"], "ComfyUI/venv"),
    (["ComfyUI/.venv"], "ComfyUI/.venv"),
    (["venv"], "venv"),
    (["ComfyUI/venv", "venv"], "ComfyUI/venv"),
    ([], None),
])
def test_its_environment_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, places: list[str], taken: str | None
) -> None:
    root = installs.comfyui(tmp_path / "ComfyUI", environment=None)
    for place in places:
        venv(tmp_path / place, installs.PACKAGES)
    seen = looked_at(installs.Made(root, root), monkeypatch)
    assert seen.python == (python_of(tmp_path / taken) if taken else None)
    assert {root / "venv", root / ".venv"} <= set(seen.looked)


def test_somebody_elses_environment_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = installs.comfyui(tmp_path / "ComfyUI", environment=None)
    venv(tmp_path / "venv", {"torch": "2.1.2", "gradio": "3"})
    assert looked_at(installs.Made(root, root), monkeypatch).python is None
