"""Installs of every kind, told from their own files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from autotune.model.errors import NothingToWorkOn
from autotune.webui.a1111 import layout

BASE = {"launch.py": "", "webui.py": "", "modules/shared.py": "", "webui-user.sh": "", "webui-user.bat": ""}
FORGE = {**BASE, "modules_forge/forge_version.py": "version = '0.0.17v1.8.0rc'\n", "ldm_patched/x.py": ""}
KINDS: tuple[tuple[str, dict[str, str]], ...] = (
    ("a1111", BASE),
    ("reference", {**BASE, "reference-webui.json": "{}"}),
    ("amdgpu", {**BASE, "modules/zluda.py": ""}),
    ("forge", FORGE),
    ("reforge", {**FORGE, "README.md": "# Stable Diffusion WebUI reForge\n"}),
    ("forge2", {**FORGE, "backend/args.py": "", "modules_forge/forge_version.py": "version = 'f2.0.1v1.10.1'\n"}),
    ("forge-neo", {**FORGE, "backend/args.py": "", "modules_forge/forge_version.py": 'version = "neo"\n'}),
)


def install(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(("kind", "files"), KINDS)
def test_managed_kinds(tmp_path: Path, kind: str, files: dict[str, str]) -> None:
    root = install(tmp_path / "webui", files)
    found = layout.recognise(root, "linux", {})
    assert (found.kind, found.host, found.manageable, found.why_not) == (kind, "", True, None)
    assert found.launch_files == (root / "webui-user.sh",) and "COMMANDLINE_ARGS" in found.where_flags_go
    assert layout.recognise(root, "win32", {}).launch_files == (root / "webui-user.bat",)


@pytest.mark.parametrize(("kind", "files", "says"), [
    ("sdnext", {"launch.py": "", "installer.py": "", "webui.py": "", "modules/x.py": ""}, "settings"),
    ("docker", {"docker-compose.yml": "services:\n  auto:\n    environment: [CLI_ARGS=--xformers]\n"}, "CLI_ARGS"),
    ("unknown", {"README.md": "hello"}, "no web UI"),
])
def test_unmanaged_kinds_say_what_they_are(tmp_path: Path, kind: str, files: dict[str, str], says: str) -> None:
    found = layout.recognise(install(tmp_path / "webui", files), "linux", {})
    assert found.kind == kind and not found.manageable and found.launch_files == ()
    assert found.why_not and says in found.why_not and found.where_flags_go
    with pytest.raises(NothingToWorkOn):
        layout.in_effect(tmp_path / "webui", found)


def test_inside_a_container_with_its_own_variable(tmp_path: Path) -> None:
    found = layout.recognise(install(tmp_path / "webui", BASE), "linux", {"WEBUI_ARGS": "--listen"})
    assert found.host == "docker" and not found.manageable and "WEBUI_ARGS" in found.where_flags_go


def test_no_launch_file(tmp_path: Path) -> None:
    files = {name: text for name, text in BASE.items() if not name.startswith("webui-user")}
    found = layout.recognise(install(tmp_path / "webui", files), "linux", {})
    assert not found.manageable and found.why_not and "has no webui-user.sh" in found.why_not


CHAINS: tuple[dict[str, str], ...] = (
    {}, {"webui.settings.bat": "set COMMANDLINE_ARGS=--api\r\n"}, {"webui.settings.bat": ""},
    {"webui-user.bat": "set COMMANDLINE_ARGS=--api\r\ncall webui.bat\r\n", "webui.settings.bat": "rem\r\n"},
    {"../run.bat": "", "../environment.bat": "set SKIP_VENV=1\r\n"},
    {"../run.bat": "", "../environment.bat": "set SKIP_VENV=1\r\n", "webui.settings.bat": "set A=1\r\n"},
)


@pytest.mark.parametrize("mark", ["pinokio.js", "pinokio.json", None])
@pytest.mark.parametrize("files", CHAINS)
@pytest.mark.parametrize("system", ["win32", "linux"])
def test_what_pinokio_rewrites_is_known_of_each_file_of_a_start(
    tmp_path: Path, mark: str | None, files: dict[str, str], system: str
) -> None:
    root = install(tmp_path / "top" / "app", {**BASE, **files, **({f"../{mark}": "{}"} if mark else {})})
    assert layout.in_effect(root, layout.recognise(root, system, {}), {}).rewritten is (mark is not None)


def test_pinokio(tmp_path: Path) -> None:
    install(tmp_path, {"pinokio.js": "", "start.js": ""})
    found = layout.recognise(install(tmp_path / "app", BASE), "linux", {})
    assert found.host == "pinokio" and found.manageable


def test_stability_matrix(tmp_path: Path) -> None:
    root = install(tmp_path / "Data" / "Packages" / "webui", BASE)
    args = [{"Name": "--medvram", "Type": "Bool", "OptionValue": True}]
    packages = [{"PackageName": "stable-diffusion-webui", "LibraryPath": "Packages\\webui", "LaunchArgs": args}]
    place = tmp_path / "Data" / "settings.json"
    place.write_text(json.dumps({"InstalledPackages": packages}))
    found = layout.recognise(root, "linux", {})
    assert (found.kind, found.host, found.launch_files) == ("a1111", "stability-matrix", (place,))
    assert layout.in_effect(root, found, {}).words == ("--medvram",)
    other = install(tmp_path / "Data" / "Packages" / "other", BASE)
    found = layout.recognise(other, "linux", {})
    assert found.host == "stability-matrix" and not found.manageable and "does not list it" in (found.why_not or "")
    assert layout.recognise(install(tmp_path / "Data" / "mine" / "other", BASE), "linux", {}).host == ""


def test_settings_bat_wins(tmp_path: Path) -> None:
    root = install(tmp_path, {**BASE, "webui-user.bat": "set COMMANDLINE_ARGS=--medvram --api\n",
                              "webui.settings.bat": "set COMMANDLINE_ARGS=--xformers\n"})
    found = layout.recognise(root, "win32", {})
    assert [p.name for p in found.launch_files] == ["webui-user.bat", "webui.settings.bat"]
    file = layout.in_effect(root, found, {})
    assert file.path.name == "webui.settings.bat" and file.words == ("--xformers",)
    (root / "webui.settings.bat").write_text("set COMMANDLINE_ARGS=%COMMANDLINE_ARGS% --xformers\n")
    file = layout.in_effect(root, found, {})
    assert file.words == ("--medvram", "--api", "--xformers") and not file.static
    (root / "webui-user.bat").write_text("set SPEED=--xformers\nset COMMANDLINE_ARGS=--medvram --api\n")
    (root / "webui.settings.bat").write_text("set COMMANDLINE_ARGS=%COMMANDLINE_ARGS% %SPEED%\n")
    file = layout.in_effect(root, found, {})
    assert file.words == ("--medvram", "--api", "--xformers") and file.uncertain == ()
    (root / "webui.settings.bat").write_text("set PYTORCH_CUDA_ALLOC_CONF=max_split_size_mb:64\n")
    assert layout.in_effect(root, found, {}).path.name == "webui-user.bat"


def test_macos_defaults_count_until_the_owner_sets_flags(tmp_path: Path) -> None:
    mac = 'export COMMANDLINE_ARGS="--no-half --use-cpu interrogate"\n'
    root = install(tmp_path, {**BASE, "webui-macos-env.sh": mac})
    found = layout.recognise(root, "darwin", {})
    file = layout.in_effect(root, found, {})
    assert file.path.name == "webui-macos-env.sh" and file.words == ("--no-half", "--use-cpu", "interrogate")
    (root / "webui-user.sh").write_text('export COMMANDLINE_ARGS="--medvram"\n')
    assert layout.in_effect(root, found, {}).path.name == "webui-user.sh"
