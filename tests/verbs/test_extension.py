"""The tab's folder: installed whole or not at all, removed without a trace, and never anything of others touched."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from autotune.cli.main import run
from autotune.install import extension
from autotune.model.errors import NothingToWorkOn, Refused
from autotune.store.places import Places
from autotune.webui.a1111 import fingerprint
from autotune.webui.a1111.own_extension import SWITCHES
from autotune.webui.face import OwnExtension
from autotune.webui.recognise import face_of
from tests.webui.installs import webui, write

NAME = "sd-webui-autotune"
Tree = dict[str, str]


def tree(folder: Path) -> Tree:
    """Every name below a folder with what it holds: bytes, links, folders."""
    found = {}
    for path in sorted(folder.rglob("*")):
        kind = "folder" if path.is_dir() and not path.is_symlink() else "link" if path.is_symlink() else "file"
        held = hashlib.sha256(path.read_bytes()).hexdigest() if kind == "file" else ""
        found[path.relative_to(folder).as_posix()] = f"{kind} {held}"
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return webui(tmp_path / "webui", {"sd_vae": "é", "hidden_tabs": ["train"]})


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path / "state")


def install(root: Path, places: Places, switches: bool = False, force: bool = False) -> list[str]:
    return extension.install(root, places, None, switches=switches, force=force)


def load_as_python_does(folder: Path) -> None:
    """Every module of ours is compiled where Python leaves bytecode of what it imports."""
    done = subprocess.run([sys.executable, "-m", "compileall", "-q", str(folder)], check=False)
    assert done.returncode == 0
    assert list(folder.rglob("*.pyc")), "Python left no bytecode, so that this test looks at nothing"


def test_uninstalling_leaves_the_folder_as_it_was(root: Path, places: Places) -> None:
    write(root / "extensions/other/scripts/other.py", "x")
    before = tree(root)
    install(root, places)
    added = {name for name in tree(root) if name not in before}
    assert added and all(name.split("/")[:2] == ["extensions", NAME] for name in added)
    assert {name: what for name, what in tree(root).items() if name not in added} == before
    load_as_python_does(root / "extensions" / NAME)
    extension.uninstall(root, force=False)
    assert tree(root) == before


@pytest.mark.parametrize("switches", [False, True])
def test_what_is_installed_is_what_was_asked_for(root: Path, places: Places, switches: bool) -> None:
    install(root, places, switches=not switches)
    install(root, places, switches=switches)
    found = extension.look(extension.extension_of(root))
    assert found.ours and found.switches is switches and not found.outdated and not found.changed and not found.foreign
    ours = face_of(root).own_extension(root, ())
    assert ours is not None
    there = {name for name, what in tree(found.folder).items() if what.startswith("file")}
    assert there == {*ours.files, *(ours.switches if switches else {}), extension.NOTE}
    note = json.loads((found.folder / extension.NOTE).read_text())
    told = subprocess.run([note["python"], "-m", "autotune", "--version"], capture_output=True, text=True, check=True)
    assert note["version"] in told.stdout


def test_the_data_folder_of_its_flags_is_where_it_goes(root: Path, places: Places, tmp_path: Path) -> None:
    data = tmp_path / "data of mine"
    write(root / "webui-user.sh", "export COMMANDLINE_ARGS=\"--data-dir '../data of mine'\"\n")
    write(root / "webui-user.bat", 'set COMMANDLINE_ARGS=--data-dir "../data of mine"\r\n')
    write(data / "config.json", "{}")
    before = tree(tmp_path)
    install(root, places)
    assert (data / "extensions" / NAME / extension.NOTE).is_file()
    extension.uninstall(root, force=False)
    assert {name: what for name, what in tree(tmp_path).items() if not name.startswith("state")} == before


@pytest.mark.parametrize("make", [
    lambda folder: write(folder / "scripts/mine.py", "x"),
    lambda folder: write(folder / extension.NOTE, "{}"),
    lambda folder: write(folder / extension.NOTE, '{"made_by": "somebody", "files": {}}'),
    lambda folder: folder.mkdir(parents=True),
    lambda folder: write(folder, "a file"),
], ids=["files", "a note of nobody", "a note of somebody", "an empty folder", "a file"])
def test_a_folder_of_somebody_else_is_left_alone(root: Path, places: Places, make: object) -> None:
    assert callable(make)
    make(root / "extensions" / NAME)
    before = tree(root)
    with pytest.raises(Refused):
        install(root, places)
    with pytest.raises(Refused):
        extension.uninstall(root, force=True)
    assert tree(root) == before


@pytest.mark.skipif(os.name == "nt", reason="needs a link")
def test_a_link_is_not_followed(root: Path, places: Places, tmp_path: Path) -> None:
    install(root, places)
    own = root / "extensions" / NAME
    own.rename(tmp_path / "elsewhere")
    own.symlink_to(tmp_path / "elsewhere")
    before = tree(tmp_path / "elsewhere")
    with pytest.raises(Refused):
        extension.uninstall(root, force=True)
    assert tree(tmp_path / "elsewhere") == before and own.is_symlink()


@pytest.mark.parametrize("name", [
    "mine.txt", "scripts/mine.py", "scripts/__pycache__/mine.cpython-310.pyc", ".git/config"])
def test_files_of_others_in_it_are_never_removed(root: Path, places: Places, name: str) -> None:
    install(root, places)
    write(root / "extensions" / NAME / name, "mine")
    before = tree(root)
    with pytest.raises(Refused, match=Path(name).name):
        extension.uninstall(root, force=True)
    with pytest.raises(Refused, match=Path(name).name):
        install(root, places, force=True)
    assert tree(root) == before


def test_a_changed_file_of_ours_is_told_and_kept_until_forced(root: Path, places: Places) -> None:
    install(root, places)
    folder = root / "extensions" / NAME
    changed = write(folder / "scripts/autotune_tab.py", "print('mine')")
    assert extension.look(extension.extension_of(root)).changed == ("scripts/autotune_tab.py",)
    with pytest.raises(Refused, match=r"autotune_tab\.py"):
        extension.uninstall(root, force=False)
    with pytest.raises(Refused, match=r"autotune_tab\.py"):
        install(root, places)
    assert changed.read_text() == "print('mine')"
    install(root, places, force=True)
    assert not extension.look(extension.extension_of(root)).changed


def test_it_makes_no_result_stale(root: Path, places: Places) -> None:
    before = fingerprint.from_files(root, ())
    install(root, places, switches=True)
    assert fingerprint.from_files(root, ()) == before
    write(root / "extensions/another/scripts/x.py")
    assert fingerprint.from_files(root, ()) != before


def test_saved_options_forget_it_and_keep_every_other_byte(root: Path, places: Places) -> None:
    install(root, places)
    text = ('{\n    "sd_vae": "é",\n    "hidden_tabs": ["train", "autotune"],\n    "disabled_extensions": '
            f'["{NAME}"],\n    "ui_tab_order": []\n}}')
    (root / "config.json").write_bytes(text.encode())
    said = extension.uninstall(root, force=False)
    assert any("config.json" in line for line in said)
    left = text.replace(', "autotune"', "").replace(f'["{NAME}"]', "[]")
    assert (root / "config.json").read_bytes() == left.encode()


def test_a_kind_without_extensions_is_told(tmp_path: Path) -> None:
    other = webui(tmp_path / "sdnext")
    write(other / "installer.py")
    with pytest.raises(NothingToWorkOn):
        extension.extension_of(other)


KILLER = """
import os, sys
from pathlib import Path
from autotune.install import extension
from autotune.store.places import Places
action, root, state, step = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
extension.extension_of(root)
count = 0
def hook(event, arguments):
    global count
    if event in ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree", "os.scandir"):
        count += 1
        if count > step:
            os._exit(77)
sys.addaudithook(hook)
if action == "install":
    extension.install(root, Places(state), None, switches=True, force=False)
else:
    extension.uninstall(root, force=False)
"""


def whole(found: extension.Installed) -> bool:
    return found.ours and not found.changed and not found.foreign


@pytest.mark.slow
@pytest.mark.parametrize("action", ["install", "renew", "uninstall"])
def test_killed_at_any_step_it_is_there_whole_or_not_at_all(root: Path, places: Places, action: str) -> None:
    before = tree(root)
    steps, step = 0, 0
    while True:
        if action != "install":
            install(root, places)
        words = ["install" if action == "renew" else action, str(root), str(places.root), str(step)]
        code = subprocess.run([sys.executable, "-c", KILLER, *words], check=False).returncode
        found = extension.look(extension.extension_of(root))
        assert whole(found) or not found.exists, f"killed at step {step}"
        loaded = [path.name for path in (root / "extensions").iterdir() if (path / "scripts").is_dir()]
        assert set(loaded) <= {NAME, "sd-webui-animatediff"}, "a half of it looks like an extension"
        install(root, places)
        assert whole(extension.look(extension.extension_of(root)))
        extension.uninstall(root, force=False)
        assert tree(root) == before, f"left something after a kill at step {step}"
        if code == 0:
            break
        assert code == 77
        steps, step = steps + 1, step + (1 if step < 40 else 7)
    assert steps > 10, "it was hardly ever killed"


def test_the_verb_says_what_it_did(root: Path, places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["--webui", str(root), "--state-dir", str(places.root), "--json"]
    seen = []
    for action in ("status", "install", "status", "uninstall", "status"):
        assert run(["extension", action, *common]) == 0
        document = json.loads(capsys.readouterr().out)
        assert document["kind"] == "extension" and document["action"] == action and document["lines"]
        seen.append(document["installed"])
    assert seen == [False, True, True, False, False]


def test_the_contract_tells_every_key(root: Path, places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    contract = (Path(__file__).parents[2] / "docs" / "contract.md").read_text(encoding="utf-8").split("## JSON", 1)[1]
    untold = set()
    for words in (("extension", "install"), ("extension", "show"), ("ask", "cancel")):
        assert run([*words, "--webui", str(root), "--state-dir", str(places.root), "--json"]) == 0
        document = json.loads(capsys.readouterr().out)
        untold |= {f"{words}: {key}" for key in document if key not in ("schema", "kind")
                   and not re.search(rf"`{key}(\[\])?`", contract)}
    assert untold == set()


def test_status_and_doctor_tell_of_it(root: Path, places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["--webui", str(root), "--state-dir", str(places.root)]

    def told(*words: str) -> str:
        run([*words, *common])
        lines = capsys.readouterr().out.splitlines()
        return "\n".join(line for line in lines if line.startswith("Tab:") or "tab in the web UI" in line)

    assert told("status") == "" and told("doctor") == ""
    install(root, places)
    assert "installed in the web UI's page" in told("status") and str(root / "extensions" / NAME) in told("doctor")
    write(root / "extensions" / NAME / "scripts/autotune_tab.py", "mine")
    assert "not as this version" in told("status") and "autotune_tab.py" in told("doctor")


def test_switches_are_no_part_of_the_plain_tab(root: Path) -> None:
    ours = face_of(root).own_extension(root, ())
    assert isinstance(ours, OwnExtension)
    assert not set(SWITCHES) & set(ours.files)
