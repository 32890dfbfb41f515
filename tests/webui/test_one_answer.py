"""One answer to one question: which install this is, where its config.json lies, which file's flags count."""

from __future__ import annotations

import json
import shlex
from itertools import combinations
from pathlib import Path

import pytest

from autotune.agent.effects import RealEffects
from autotune.config import config as configuration
from autotune.disk.tomlfile import TomlFile
from autotune.overview.status import status
from autotune.store.places import Places
from autotune.webui.a1111 import data_folder, install, layout
from autotune.webui.a1111.flags.known_flags import load
from autotune.webui.a1111.flavour import flavour
from tests.webui.installs import webui, write

BASE = {"launch.py": "", "webui.py": "", "modules/shared.py": "", "webui-user.sh": "", "webui-user.bat": ""}
VERSION = "modules_forge/forge_version.py"
OLD, NEW = {**BASE, "ldm_patched/x.py": ""}, {**BASE, "backend/args.py": ""}
REFORGE = {"README.md": "# Stable Diffusion WebUI Forge/reForge\n"}
INSTALLS: tuple[tuple[str, dict[str, str]], ...] = (
    ("a1111", BASE),
    ("a1111", {**BASE, "modules/cmd_args.py": ""}),
    ("unknown", {"launch.py": "", "modules/flags.py": "", "args_manager.py": ""}),  # Fooocus has a launch.py too
    ("reference", {**BASE, "reference-webui.json": "{}"}),
    ("amdgpu", {**BASE, "modules/zluda.py": ""}),
    ("amdgpu", {**BASE, "modules/zluda_installer.py": ""}),
    ("amdgpu", {**BASE, "modules/dml/__init__.py": ""}),
    ("forge", {**OLD, VERSION: "version = '0.0.17v1.8.0rc-latest'\n"}),
    ("reforge", {**OLD, VERSION: "version = '1.3.5-v1.10.1RC'\n"}),
    ("reforge", {**OLD, VERSION: "version = '2.0.0dev-v1.10.1RC'\n"}),
    ("reforge", {**OLD, VERSION: "version = '0.0.17v1.8.0rc'\n", **REFORGE}),
    ("reforge", {**OLD, VERSION: "version = '0.0.17v1.8.0rc'\n",
                 ".git/config": '[remote "origin"]\n url = https://github.com/x/stable-diffusion-webui-reForge\n'}),
    ("forge", {**OLD, VERSION: "version = '0.0.17v1.8.0rc'\n", "README.md": "# Forge\nSee also reForge.\n"}),
    ("forge2", {**NEW, VERSION: "version = 'f2.0.1v1.10.1-previous-659'\n"}),
    ("forge2", {**NEW, "ldm_patched/x.py": "", VERSION: "version = '1.0.2v1.10.1'\n"}),
    ("forge-neo", {**NEW, VERSION: 'version: str = "neo"\n'}),
    ("forge-neo", {**NEW, "ldm_patched/x.py": "", VERSION: 'version = "neo"\n'}),
    ("unknown", {**OLD, VERSION: 'version = "classic"\n'}),
    ("unknown", {**OLD, VERSION: "# nothing\n"}),
    ("sdnext", {**BASE, "installer.py": ""}),
    ("sdnext", {**BASE, "installer.py": "", "modules/zluda.py": "", "modules/dml/x.py": ""}),
    ("forge2", {**NEW, VERSION: "version = '2.0.1v1.10.1'\n", "modules/zluda.py": ""}),
    ("docker", {"docker-compose.yml": "services:\n  auto:\n    environment: [CLI_ARGS=--xformers]\n"}),
    ("unknown", {"README.md": "hello"}),
)


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("CLI_ARGS", "WEBUI_ARGS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def lay(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        write(root / name, text)
    return root


def same_for_all(root: Path) -> str:
    """What every face says this install is."""
    said = {flavour(root), install.identify(root)[0], layout.recognise(root).kind}
    assert len(said) == 1, said
    return said.pop()


@pytest.mark.parametrize(("kind", "files"), INSTALLS)
def test_every_face_says_the_same(tmp_path: Path, kind: str, files: dict[str, str]) -> None:
    root = lay(tmp_path / "w", files)
    assert same_for_all(root) == kind
    found = layout.recognise(root, "linux")
    if load(*install.identify(root)).tuned:
        assert found.manageable


def test_every_mixture_of_marks_has_one_answer(tmp_path: Path) -> None:
    pairs = list(combinations(range(len(INSTALLS)), 2))
    for number, (one, other) in enumerate(pairs):
        same_for_all(lay(tmp_path / str(number), {**INSTALLS[one][1], **INSTALLS[other][1]}))


@pytest.mark.parametrize("files", [BASE, {name: "" for name in BASE if "user" not in name}])
def test_in_a_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str]) -> None:
    monkeypatch.setenv("CLI_ARGS", "--xformers")
    root = lay(tmp_path / "w", files)
    assert same_for_all(root) == ("a1111" if "webui-user.sh" in files else "docker")
    assert not layout.recognise(root).manageable


@pytest.mark.parametrize(("words", "config", "ui"), [
    ("", "config.json", "ui-config.json"),
    ("--ui-settings-file mine.json", "mine.json", "ui-config.json"),
    ("--ui-settings-file=sub/mine.json --ui-config-file=u.json", "sub/mine.json", "u.json"),
    ("--ui-settings mine.json --ui-conf u.json", "mine.json", "u.json"),
    ("--ui-se=one.json --ui-settings-file two.json", "two.json", "ui-config.json"),
    ("--data-dir data", "data/config.json", "data/ui-config.json"),
    ("--data data --ui-settings mine.json", "mine.json", "data/ui-config.json"),
    ("--data-dir=/d --ui-config=/e/u.json", "/d/config.json", "/e/u.json"),
    ("--theme --ui-settings-file", "config.json", "ui-config.json"),
    ("--medvram --ui-settings-file 'my settings.json' --xformers", "my settings.json", "ui-config.json"),
])
def test_where_config_json_is(tmp_path: Path, words: str, config: str, ui: str) -> None:
    assert install.settings_files(tmp_path, shlex.split(words)) == (tmp_path / config, tmp_path / ui)


def test_the_agent_and_status_read_the_file_that_counts(tmp_path: Path) -> None:
    """Stability Matrix ignores webui-user.sh, so nobody may take its flags for those in force."""
    root = webui(tmp_path / "Data/Packages/webui")
    (root / "webui-user.sh").write_text('export COMMANDLINE_ARGS="--lowvram --theme dark"\n')
    words = [{"Name": "--medvram", "Type": "Bool", "OptionValue": True}]
    package = {"PackageName": "stable-diffusion-webui", "LibraryPath": "Packages\\webui", "LaunchArgs": words}
    write(tmp_path / "Data/settings.json", json.dumps({"InstalledPackages": [package]}))
    settings = configuration.parse(TomlFile("", "test"), None)
    world = RealEffects(root, tmp_path / "state", lambda: settings, lambda _: None)
    try:
        parts = world.fingerprint_parts()
    finally:
        world.close()
    said = status(root, Places(tmp_path / "state"))
    assert said["flags_now"] == ["--medvram"] and parts["kept_flags"] == "--medvram"
    assert said["fingerprint_now"]["parts"] == {name: parts[name] for name in said["fingerprint_now"]["parts"]}


@pytest.mark.parametrize(("words", "found"), [
    ("--forge-ref-a1111-home {home} --xformers", True),
    ("--forge-ref-a1111-home={home}", True),
    ("--forge-ref-a {home}", True),
    ("--forge-ref-a1111-home ../home", True),
    ("--forge-ref-a1111-home {home} --ckpt-dir /nowhere", False),  # launch.py then leaves --ckpt-dir alone
    ("--forge-ref-a1111-home /nowhere", False),
    ("--xformers", False),
])
@pytest.mark.parametrize("version", ["1.3.5-v1.10.1RC", "0.0.17v1.8.0rc", "2.0.1v1.10.1"])
def test_checkpoints_of_another_web_ui(tmp_path: Path, words: str, found: bool, version: str) -> None:
    model = write(tmp_path / "home/models/Stable-diffusion/a.safetensors", "x")
    files = NEW if version.startswith("2") else OLD
    root = lay(tmp_path / "w", {**files, VERSION: f"version = '{version}'\n"})
    given = shlex.split(words.format(home=(tmp_path / "home").as_posix()))
    listed = [path.resolve() for path in data_folder.checkpoints(install.inspect(root, given), given)]
    assert listed == ([model.resolve()] if found else [])
