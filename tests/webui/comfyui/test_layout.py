"""Where the flags of a ComfyUI are written, by who starts it, and which of several batch files counts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from autotune.install.inspection import Inspection
from autotune.install.launch_flags import LaunchFlags, flags_of
from autotune.launchfile import edit
from autotune.launchfile.blocks import BlockFlags
from autotune.launchfile.checkpoints import Checkpoints
from autotune.launchfile.records import FileChange
from autotune.model.errors import NothingToWorkOn, Refused
from autotune.store.places import Places
from autotune.webui.comfyui import layout
from autotune.webui.comfyui.run_files import RunFile
from autotune.webui.comfyui.webui import ComfyUI
from autotune.webui.face import Layout
from autotune.webui.recognise import face_of
from autotune.webui.running import web_uis
from tests.waiting import wait_for
from tests.webui.comfyui.installs import HOSTS, clone, comfyui, portable
from tests.webui.comfyui.machines import machine
from tests.webui.comfyui.run_file_maker import owns
from tests.webui.installs import write

START = ".\\python_embeded\\python.exe -s ComfyUI\\main.py --windows-standalone-build"


@pytest.fixture
def on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Installs are looked at as on Windows with an NVIDIA GPU, whatever this system is."""
    monkeypatch.setattr(layout, "has_nvidia", lambda: True)
    monkeypatch.setattr(ComfyUI, "layout", lambda _, root: layout.recognise(root, "win32", {}))


def several(folder: Path, **files: str) -> Path:
    """A portable with more batch files: name -> words behind the usual ones."""
    root = portable(folder).root
    for name, words in files.items():
        write(root.parent / f"{name}.bat", f"@echo off\r\n{START} {words}\r\npause\r\n")
    return root


@pytest.mark.parametrize("host", [
    "", "portable", "stability-matrix",
    pytest.param("comfy-cli", marks=pytest.mark.skipif(os.name == "nt", reason="laid out in a home of Linux"))])
def test_who_starts_it_has_its_flags(tmp_path: Path, host: str) -> None:
    made = HOSTS[host](tmp_path)
    found = layout.recognise(made.root, made.platform, made.environ)
    assert (found.host, found.kind) == (host, "comfyui")
    windows_only = host == "portable" and made.platform != "win32"
    assert found.manageable is (host != "" and not windows_only)
    assert found.where_flags_go and (found.manageable or found.why_not)
    assert all(path.is_file() for path in found.launch_files)


def test_the_portable_is_managed_on_windows_alone(tmp_path: Path) -> None:
    root = portable(tmp_path).root
    there, here = (layout.recognise(root, name, {}) for name in ("win32", "linux"))
    assert [path.name for path in there.launch_files] == ["run_nvidia_gpu.bat", "run_cpu.bat"]
    assert there.manageable and there.one_of and here.launch_files == there.launch_files and not here.manageable
    assert "for Windows" in str(here.why_not)
    with pytest.raises(NothingToWorkOn, match="for Windows"):
        layout.in_effect(root, here)
    # The one for the CPU does not count beside one for a GPU.
    file = layout.in_effect(root, there)
    assert file.path.name == "run_nvidia_gpu.bat" and not file.uncertain
    assert file.words == ("--windows-standalone-build", "--preview-method", "auto")


@pytest.mark.parametrize("place", ["", "..", "../advanced"])
def test_batch_files_of_its_owner_count_wherever_they_lie(tmp_path: Path, place: str) -> None:
    root = clone(tmp_path).root
    up = {"": "", "..": "ComfyUI\\", "../advanced": "..\\ComfyUI\\"}[place]
    mine = write((root / place).resolve() / "my start.cmd", f"@python {up}main.py --port 8190 %*\n")
    write(root.parent / "other.bat", "python other\\main.py\n")
    write(root.parent / "update.bat", "git -C ComfyUI pull\n")
    found = layout.recognise(root, "win32", {})
    assert found.manageable and found.launch_files == (mine,) and found.host == ""
    assert layout.in_effect(root, found).words == ("--port", "8190")


def test_a_named_batch_file_counts_wherever_it_lies(tmp_path: Path) -> None:
    root = clone(tmp_path).root
    mine = write(tmp_path / "elsewhere/comfy.bat", f"@python {root}\\main.py --port 8190\n")
    assert not layout.recognise(root, "win32", {}).manageable
    assert not layout.recognise(root, "linux", {}, mine).manageable
    found = layout.recognise(root, "win32", {}, mine)
    assert found.manageable and found.launch_files == (mine,)


@pytest.mark.parametrize("name", ["CLI_ARGS", "COMFY_CMDLINE_EXTRA", "COMFYUI_FLAGS"])
def test_a_containers_variable_is_named(tmp_path: Path, name: str) -> None:
    root = clone(tmp_path).root
    by_variable = layout.recognise(root, "linux", {name: "--lowvram"})
    write(root / "docker-compose.yml", f"services:\n  ui:\n    environment:\n      - {name}=--lowvram\n")
    for found in (by_variable, layout.recognise(root, "linux", {})):
        assert found.host == "docker" and not found.manageable and name in found.where_flags_go


def test_pinokio_and_swarmui_are_named(tmp_path: Path) -> None:
    root = clone(tmp_path / "pinokio").root
    write(root.parent / "start.json", json.dumps({"run": [{"method": "shell.run"}]}))
    found = layout.recognise(root, "linux", {})
    assert found.host == "pinokio" and not found.manageable and str(root.parent / "start.json") in found.where_flags_go
    swarm = tmp_path / "SwarmUI"
    root = comfyui(swarm / "dlbackend/ComfyUI")
    write(swarm / "Data/Backends.fds", "0:\n\ttype: comfyui_selfstart\n")
    found = layout.recognise(root, "linux", {})
    assert found.host == "swarmui" and "ExtraArgs" in found.where_flags_go and not found.manageable


MACHINES = {
    # files of a machine, and whether it has an NVIDIA GPU -> the one that counts, '' where its owner has to say
    ("run_nvidia_gpu", "run_cpu", True): "run_nvidia_gpu",
    ("run_nvidia_gpu", "run_amd_gpu", True): "run_nvidia_gpu",
    ("run_nvidia_gpu", "run_amd_gpu", False): "run_amd_gpu",
    ("run_nvidia_gpu", "run_nvidia_gpu_fast", True): "",
    ("run_cpu", "run_cpu", False): "run_cpu",
    ("run_intel_gpu", "run_nvidia_gpu", True): "run_nvidia_gpu",
    ("run_xpu", "run_nvidia_gpu", False): "run_xpu",
    ("mine", "run_nvidia_gpu", False): "",
    ("mine", "run_nvidia_gpu", True): "",
    ("mine", "run_amd_gpu", True): "mine",
    ("mine", "run_cpu", True): "mine",
}


@pytest.mark.parametrize("case", MACHINES)
def test_which_files_fit_the_machine(tmp_path: Path, case: tuple[str, str, bool]) -> None:
    root = portable(tmp_path).root
    names = dict.fromkeys(case[:2])
    files = [RunFile().parse(f"{START}{' --cpu' * (name == 'run_cpu')}".encode(), root.parent / f"{name}.bat", root)
             for name in names]
    fitting = [file.path.stem for file in layout.fit_machine(files, case[2])]
    assert fitting == ([MACHINES[case]] if MACHINES[case] else list(names))


@pytest.mark.usefixtures("on_windows")
def test_of_several_files_none_is_a_fact_and_none_is_edited(tmp_path: Path) -> None:
    root = several(tmp_path, run_fast="--fast fp16_accumulation", run_mine="--lowvram")
    found = flags_of(root)
    assert found.undecided and not found.known and found.file is not None
    assert all(name in str(found.doubt) for name in ("run_nvidia_gpu.bat", "run_fast.bat", "run_mine.bat"))
    with pytest.raises(Refused, match=r"run_fast\.bat.*--launch-file"):
        edit(found.file, ("--cache-none",), owns, BlockFlags())
    for name in ("run_fast.bat", "run_mine.bat"):
        named = flags_of(root, root.parent / name)
        assert named.known and named.path == root.parent / name and named.file is not None
        assert b"--cache-none" in edit(named.file, ("--cache-none",), owns, BlockFlags())


@pytest.mark.usefixtures("on_windows")
def test_nothing_is_measured_while_it_is_not_known_which(tmp_path: Path) -> None:
    root = several(tmp_path, run_fast="--fast fp16_accumulation")
    with pytest.raises(Refused) as told:
        require_certain(flags_of(root))
    assert "--launch-file" in told.value.hint and "run_fast.bat" in told.value.message
    require_certain(flags_of(root, root.parent / "run_fast.bat"))
    write(root.parent / "wrong.bat", "python other\\main.py\r\n")
    with pytest.raises(Refused, match=r"wrong\.bat starts no main\.py"):
        require_certain(flags_of(root, root.parent / "wrong.bat"))


def require_certain(found: LaunchFlags) -> None:
    """What every verb that measures asks first."""
    seen = Inspection.__new__(Inspection)
    object.__setattr__(seen, "launch", found)
    seen.require_certain()


@pytest.mark.usefixtures("on_windows")
def test_the_file_that_was_written_last_counts(tmp_path: Path) -> None:
    root = several(tmp_path, run_fast="--fast fp16_accumulation", run_mine="--lowvram")
    places = Places(tmp_path / "state")
    assert flags_of(root, places=places).undecided
    mine = root.parent / "run_mine.bat"
    before = mine.read_bytes()
    store = Checkpoints(places.checkpoints(root))
    store.apply([FileChange(mine.resolve(), before, before.replace(b"--lowvram", b"--cache-none"))])
    found = flags_of(root, places=places)
    assert found.path == mine and found.known and not found.undecided and found.words[-1] == "--cache-none"
    assert found.layout is not None and found.layout.host == "portable"
    store.rollback()
    assert flags_of(root, places=places).undecided


@pytest.mark.usefixtures("on_windows")
@pytest.mark.parametrize("text", ["set COMMANDLINE_ARGS=--lowvram\r\ncall webui.bat\r\n", "pause\r\n"])
def test_a_named_file_that_starts_no_comfyui_is_refused(tmp_path: Path, text: str) -> None:
    root = portable(tmp_path).root
    for name in ("mine.bat", "mine.sh"):
        found = flags_of(root, write(root.parent / name, text))
        assert found.file is None and isinstance(found.fault, Refused) and found.words == ()


@contextmanager
def running(root: Path, *words: str) -> Iterator[None]:
    """ComfyUI as a process, with these words; it waits until its input ends."""
    write(root / "main.py", "import sys\nprint('up', flush=True)\nsys.stdin.read()\n")
    process = subprocess.Popen([sys.executable, "-s", str(root / "main.py"), *words], cwd=root.parent,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None and process.stdout.readline().startswith(b"up")
        yield
    finally:
        process.communicate(timeout=30)


@pytest.mark.usefixtures("on_windows")
def test_the_running_one_tells_by_its_words(tmp_path: Path) -> None:
    root = several(tmp_path, run_fast="--fast fp16_accumulation", run_mine="--lowvram", run_same="--lowvram")
    with running(root, "--windows-standalone-build", "--fast", "fp16_accumulation"):
        found = flags_of(root)
        assert found.path == root.parent / "run_fast.bat" and found.known and not found.undecided
    with running(root, "--windows-standalone-build", "--lowvram"):
        found = flags_of(root)  # two files give them: they are known, and which file to edit is not
        assert found.known and found.words[-1] == "--lowvram" and found.undecided
    with running(root, "--windows-standalone-build", "--changed-since"):
        assert not flags_of(root).known


@pytest.mark.skipif(sys.platform == "win32", reason="there a clone's batch files count")
def test_a_clones_flags_are_those_of_the_one_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    root = clone(tmp_path / "install").root
    none, seen = flags_of(root), machine()
    assert none.path is None and none.words == ()
    doubt = Inspection(seen, none, face_of(root).catalogue(root)).require_certain()
    assert doubt is not None and "compared with a start without any flag" in doubt
    with running(root, "--use-split-cross-attention", "--fast", "autotune"):
        found = flags_of(root)
        assert found.path is None and found.words == ("--use-split-cross-attention", "--fast", "autotune")
        seen = replace(seen, webui=replace(seen.webui, running=True))
        assert Inspection(seen, found, face_of(root).catalogue(root)).require_certain() is None
    assert flags_of(root).words == ()


@pytest.mark.skipif(sys.platform != "win32", reason="cmd.exe's command line names the file that it runs")
def test_the_running_one_tells_by_the_shell_above_it(tmp_path: Path) -> None:
    root = several(tmp_path)
    write(root / "main.py", "import sys\nopen('up.txt', 'w').close()\nsys.stdin.read()\n")
    for name in ("run_one", "run_two"):
        write(root.parent / f"{name}.bat", f'@"{sys.executable}" -s ComfyUI\\main.py --port 1\r\n')
    process = subprocess.Popen(["cmd.exe", "/d", "/c", "run_two.bat"], cwd=root.parent, stdin=subprocess.PIPE)
    try:
        assert wait_for(lambda: (root.parent / "up.txt").exists() or process.poll() is not None, 30)
        assert web_uis(root)
        found = flags_of(root)
        assert found.path == root.parent / "run_two.bat" and not found.undecided
    finally:
        process.communicate(timeout=30)


def test_one_kind_answers_for_it(tmp_path: Path) -> None:
    root = portable(tmp_path).root
    assert isinstance(face_of(root), ComfyUI)
    found = face_of(root).layout(root)
    assert replace(found, kind="") == replace(layout.recognise(root), kind="") and isinstance(found, Layout)
