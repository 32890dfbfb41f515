"""Finding a web UI and saying what it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from autotune.model.errors import NothingToWorkOn
from autotune.webui import find
from autotune.webui.a1111 import install, layout
from tests.webui.installs import repository, webui, write


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No web UI of this machine is found by chance."""
    for name in ("AUTOTUNE_WEBUI", "CLI_ARGS", "WEBUI_ARGS"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))


class TestFind:
    def test_order_option_environment_config(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        a, b, c = (webui(tmp_path / name) for name in "abc")
        monkeypatch.setenv("AUTOTUNE_WEBUI", str(b))
        assert find.find(a, c) == a
        assert find.find(None, c) == b
        monkeypatch.delenv("AUTOTUNE_WEBUI")
        assert find.find(None, c) == c

    def test_the_current_folder_or_a_parent(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        root = webui(tmp_path / "somewhere")
        monkeypatch.chdir(root / "models")
        assert find.find(None, None) == root

    @pytest.mark.parametrize("place", ["stable-diffusion-webui", "AI/stable-diffusion-webui-reForge", "Desktop/webui"])
    def test_usual_places_in_the_home_folder(self, tmp_path: Path, place: str) -> None:
        root = webui(tmp_path / "home" / place)
        assert find.find(None, None) == root

    def test_none(self) -> None:
        with pytest.raises(NothingToWorkOn) as fault:
            find.find(None, None)
        assert fault.value.code == 3 and "--webui" in fault.value.hint

    def test_a_named_folder_is_never_replaced_by_another(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        webui(tmp_path / "home/stable-diffusion-webui")
        monkeypatch.setenv("AUTOTUNE_WEBUI", str(tmp_path / "gone"))
        with pytest.raises(NothingToWorkOn, match=r"gone \(AUTOTUNE_WEBUI\) is not a folder"):
            find.find(None, None)

    def test_a_folder_that_is_no_web_ui(self, tmp_path: Path) -> None:
        write(tmp_path / "x/launch.py")
        with pytest.raises(NothingToWorkOn, match="no web UI"):
            find.find(tmp_path / "x", None)
        write(tmp_path / "y/file")
        with pytest.raises(NothingToWorkOn, match="is not a folder"):
            find.find(tmp_path / "y/file", None)

    def test_the_folder_above_is_pointed_out(self, tmp_path: Path) -> None:
        inside = webui(tmp_path / "sd.webui/webui")
        with pytest.raises(NothingToWorkOn) as fault:
            find.find(tmp_path / "sd.webui", None)
        assert str(inside) in fault.value.hint


FORGE = "modules_forge/forge_version.py"


@pytest.mark.parametrize(
    ("files", "flavour", "version"),
    [
        ({}, "a1111", "1.10.1"),
        ({"CHANGELOG.md": "## 1.6.0\n"}, "a1111", "1.6.0"),
        ({"CHANGELOG.md": "nothing\n"}, "a1111", None),
        ({"modules/dml/__init__.py": ""}, "amdgpu", "1.10.1"),
        ({"modules/zluda.py": ""}, "amdgpu", "1.10.1"),
        ({FORGE: "version = '0.0.17v1.8.0rc'", "ldm_patched/x.py": ""}, "forge", "0.0.17v1.8.0rc"),
        ({FORGE: "version = '1.3.5-v1.10.1RC'", "ldm_patched/x.py": ""}, "reforge", "1.3.5-v1.10.1RC"),
        ({FORGE: 'version = "classic"', "ldm_patched/x.py": ""}, "unknown", "classic"),
        ({FORGE: "version = '2.0.1v1.10.1'", "backend/args.py": ""}, "forge2", "2.0.1v1.10.1"),
        ({FORGE: 'version: str = "neo"', "backend/args.py": ""}, "forge-neo", "neo"),
        ({"installer.py": ""}, "sdnext", "1.10.1"),
        ({"reference-webui.json": "{}"}, "reference", "1.10.1"),
        ({"../pinokio.js": ""}, "a1111", "1.10.1"),
    ],
)
def test_flavours(tmp_path: Path, files: dict[str, str], flavour: str, version: str | None) -> None:
    root = webui(tmp_path / "w")
    for name, text in files.items():
        write(root / name, text)
    assert install.identify(root) == (flavour, version)


def test_a_package_of_stability_matrix_is_what_it_is(tmp_path: Path) -> None:
    root = webui(tmp_path / "Data/Packages/stable-diffusion-webui")
    write(tmp_path / "Data/settings.json")
    assert install.identify(root)[0] == "a1111"
    assert install.why_not_manageable(install.inspect(root)) is None


def test_docker_images_take_flags_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = webui(tmp_path / "w")
    monkeypatch.setenv("CLI_ARGS", "--xformers")
    assert install.identify(root)[0] == "a1111"
    (root / "webui-user.sh").unlink()
    (root / "webui-user.bat").unlink()
    assert install.identify(root)[0] == "docker"


def test_version_of_a_checkout_without_changelog_is_its_tag(tmp_path: Path) -> None:
    root = webui(tmp_path / "w")
    (root / "CHANGELOG.md").unlink()
    here = repository(root)
    from tests.webui.installs import git

    git(root, "tag", "v1.9.4")
    found = install.inspect(root)
    assert (found.version, found.commit) == ("v1.9.4", here)


def test_manageable(tmp_path: Path) -> None:
    root = webui(tmp_path / "w")
    assert install.why_not_manageable(install.inspect(root)) is None
    (root / "webui-user.sh").unlink()
    (root / "webui-user.bat").unlink()
    assert "webui-user" in (install.why_not_manageable(install.inspect(root)) or "")


def test_launch_file_of_each_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = webui(tmp_path / "w")
    for platform, name in (("linux", "webui-user.sh"), ("darwin", "webui-user.sh"), ("win32", "webui-user.bat")):
        monkeypatch.setattr("sys.platform", platform)
        assert layout.user_file(root) == root / name


@pytest.mark.parametrize(
    "words", [("--data-dir", "/d/x"), ("--data-dir=/d/x",), ("--data-dir", "/no", "--data-dir=/d/x")]
)
def test_data_dir(tmp_path: Path, words: tuple[str, ...]) -> None:
    assert install.data_folder(tmp_path, words) == Path(tmp_path.anchor, "d/x")
    assert install.data_folder(tmp_path, ("--data-dir",)) == tmp_path
