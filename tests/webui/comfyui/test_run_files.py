"""Batch files that start ComfyUI: what holds of every one that is read and edited, by grown files and a table."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from difflib import SequenceMatcher
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotune import launchfile
from autotune.launchfile import formats
from autotune.launchfile.blocks import BlockFlags
from autotune.launchfile.cmd_scan import BatchChar
from autotune.launchfile.launch_file import LaunchFile
from autotune.launchfile.reader import parse, read
from autotune.launchfile.values import Atom
from autotune.model.errors import Refused
from autotune.webui.comfyui.run_files import RunFile
from autotune.webui.comfyui.run_reader import split_argv
from tests.system import fewer
from tests.webui.comfyui.run_file_maker import owns, run_file, target
from tests.webui.installs import write

NAME = Path("run_nvidia_gpu.bat")
OWN = RunFile()


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    formats.register((OWN,))
    yield


def edit(file: LaunchFile, words: tuple[str, ...]) -> bytes:
    return launchfile.edit(file, words, owns, BlockFlags())


def chars(text: str) -> list[BatchChar]:
    return [BatchChar(Atom(c, i, i + 1, "plain"), False, False) for i, c in enumerate(text)]


@settings(max_examples=fewer(300), deadline=None)
@given(words=st.lists(st.text(alphabet="ab \t\"\\-=&%^'é", max_size=8), max_size=5))
def test_words_are_split_as_the_c_runtime_does(words: list[str]) -> None:
    """subprocess writes command lines by the same rules for every program of Windows."""
    assert [word.text for word in split_argv(chars(subprocess.list2cmdline(words)))] == words


@settings(max_examples=fewer(300), deadline=None)
@given(random=st.randoms(use_true_random=False))
def test_an_edit_changes_managed_words_and_nothing_else(random: Random) -> None:
    data, words = run_file(random, "python"), target(random)
    try:
        file = parse(data, NAME, {})
    except Refused as error:
        assert error.hint
        return
    try:
        once = edit(file, words)
    except Refused as error:
        assert error.hint and all(word in error.hint for word in words)
        return
    again = parse(once, NAME, {})
    assert edit(again, words) == once
    kept, mine = split(file)
    assert split(again)[0] == kept
    if once != data:
        assert split(again)[1] == list(words)
        managed = {word.encode() for word in (*mine, *words)}
        pieces = [[piece for piece in re.findall(rb'[^\s"=^<>&|)]+|["=<>&|)]', one) if piece not in managed]
                  for one in (data, once)]
        assert pieces[0] == pieces[1]
        lines, after = (re.sub(rb"\^\r?\n", b" ", one).splitlines(keepends=True) for one in (data, once))
        same = SequenceMatcher(None, lines, after, autojunk=False).get_opcodes()
        changed = [line for what, a, b, _, _ in same if what != "equal" for line in lines[a:b]]
        assert all(b"main.py" in line or any(word in line for word in managed) for line in changed), (data, once)
    if not mine:
        assert edit(again, ()) == data


def split(file: LaunchFile) -> tuple[list[str], list[str]]:
    return launchfile.launch_file.by_owner(file.words, owns)


@settings(max_examples=fewer(200), deadline=None)
@given(data=st.binary(max_size=200), begin=st.sampled_from((b"", b"python main.py ", b"set A=1\r\npython main.py %A%")))
def test_any_bytes_are_edited_or_refused(data: bytes, begin: bytes) -> None:
    try:
        file = parse(begin + data, NAME, {})
        once = edit(file, ("--lowvram",))
    except Refused as error:
        assert error.message and error.hint
    else:
        assert edit(parse(once, NAME, {}), ("--lowvram",)) == once


PIECES = (
    "python ", "ComfyUI\\main.py ", "main.py ", "call ", "CALL\n", "start ", "cmd /c ", "set ", "ARGS=", "%ARGS%", "%",
    "!", '"', "^", "\n", "\r\n", "(", ")", "if exist x ", "else ", "for %%i in (a) do ", "goto x\n", ":x\n",
    "call :x\n", "&", "&&", "|", ">", "2>&1", "<", "rem ", "echo ", "--lowvram ", "--fast ", "autotune ", "--x ", " ",
    "\t", "exit /b\n", "setlocal enabledelayedexpansion\n", "cd ComfyUI\n", "start /D ",
    "call venv\\Scripts\\activate\n", "%*", "%~dp0", "@",
)


@settings(max_examples=fewer(400), deadline=None)
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=25))
def test_broken_files_are_edited_soundly_or_refused(pieces: list[str]) -> None:
    data = "".join(pieces).encode()
    try:
        file = parse(data, NAME, {})
        once = edit(file, ("--lowvram",))
    except Refused as error:
        assert error.message and error.hint
        return
    again = parse(once, NAME, {})
    assert split(again) == (split(file)[0], ["--lowvram"]) and edit(again, ("--lowvram",)) == once


PAGES = {
    # in German and Japanese, as older editors save them; the second byte of ポ is a bar
    "de_DE.UTF-8": (b"echo Gr\xfc\xdfe & title \x81\r\npython main.py --output-directory D:\\M\x81ller --x\r\n",
                    ("--output-directory", "D:\\Müller", "--x")),
    "ja_JP.UTF-8": (b"echo \x83|\x95\\ \r\npython main.py --output-directory D:\\\x83|\x95\\ --x\r\n",
                    ("--output-directory", "D:\\ポ表", "--x")),
}


@pytest.mark.skipif(os.name == "nt", reason="Windows tells its code page itself")
@pytest.mark.parametrize("locale", PAGES)
def test_letters_are_read_in_the_page_that_cmd_reads_them_in(locale: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data, words = PAGES[locale]
    monkeypatch.setenv("LC_ALL", locale)
    file = parse(data, NAME, {})
    assert file.words == words and not file.uncertain
    assert edit(file, ("--lowvram",)) == data.replace(b"--x", b"--x --lowvram")
    # Where the page is not known, such words are no fact, and are not touched.
    monkeypatch.setenv("LC_ALL", "C")
    unknown = parse(data, NAME, {})
    assert unknown.uncertain
    with pytest.raises(Refused):
        edit(unknown, ("--lowvram",))


EDITS = (
    # as the package brings it
    (".\\python_embeded\\python.exe -s ComfyUI\\main.py --windows-standalone-build\r\npause\r\n", "--fast autotune",
     ".\\python_embeded\\python.exe -s ComfyUI\\main.py --windows-standalone-build --fast autotune\r\npause\r\n"),
    (".\\python_embeded\\python.exe -s ComfyUI\\main.py --windows-standalone-build --fast cublas_ops\r\npause\r\n", "",
     ".\\python_embeded\\python.exe -s ComfyUI\\main.py --windows-standalone-build\r\npause\r\n"),
    ("..\\python_embeded\\python.exe -s ..\\ComfyUI\\main.py --lowvram --x\npause", "--cache-none",
     "..\\python_embeded\\python.exe -s ..\\ComfyUI\\main.py --cache-none --x\npause"),
    # in a variable
    ("set ARGS=--lowvram --port 1\r\npython main.py %ARGS% %*\r\n", "--cache-none",
     "set ARGS=--cache-none --port 1\r\npython main.py %ARGS% %*\r\n"),
    ("set ARGS=--port 1\r\npython main.py %ARGS% %*\r\n", "--cache-none",
     "set ARGS=--port 1\r\npython main.py %ARGS% --cache-none %*\r\n"),
    ("set COMMANDLINE_ARGS=--auto-launch --lowvram\n.\\zluda\\zluda.exe -- %PYTHON% main.py %COMMANDLINE_ARGS%\n",
     "", "set COMMANDLINE_ARGS=--auto-launch\n.\\zluda\\zluda.exe -- %PYTHON% main.py %COMMANDLINE_ARGS%\n"),
    # before what follows the command
    ("python main.py --x>log.txt 2>&1", "--lowvram", "python main.py --x --lowvram>log.txt 2>&1"),
    ("python main.py --x & pause", "--lowvram", "python main.py --x --lowvram & pause"),
    ("if exist . (python main.py --x)", "--lowvram", "if exist . (python main.py --x --lowvram)"),
    ('start "C" /D "%X%" cmd /k ".\\python_embeded\\python.exe -s ComfyUI\\main.py --x & pause"', "--lowvram",
     'start "C" /D "%X%" cmd /k ".\\python_embeded\\python.exe -s ComfyUI\\main.py --x --lowvram & pause"'),
    ("python main.py ^\n  --lowvram ^\n  --x ^\n  --fast\npause", "", "python main.py ^\n  --x\npause"),
    ("\ufeff@echo off\r\npython main.py\r\n", "--lowvram", "\ufeff@echo off\r\npython main.py --lowvram\r\n"),
)


@pytest.mark.parametrize(("text", "words", "after"), EDITS)
def test_where_words_go(text: str, words: str, after: str) -> None:
    assert edit(parse(text.encode(), NAME, {}), tuple(words.split())).decode() == after


UNCERTAIN = (
    "for /f %%i in (flags.txt) do python main.py %%i",
    "call settings.bat\npython main.py %ARGS%",
    "set /p ARGS=Which? \npython main.py %ARGS%",
    "choice /c ab\nif errorlevel 2 goto b\npython main.py --x\ngoto end\n:b\npython main.py --lowvram\n:end",
    "start python main.py --port 1 --cuda-device 0\nstart python main.py --port 2 --cuda-device 1",
    "setlocal enabledelayedexpansion\npython main.py !ARGS!",
    "python main.py --port=%1",
    "call python main.py ^^x",
    'cmd /k "python main.py --x ^& echo"',
    "if errorlevel 3 set ARGS=--lowvram\npython main.py %ARGS%",
)


@pytest.mark.parametrize("text", UNCERTAIN)
def test_what_only_the_start_tells_is_no_fact_and_not_edited(text: str) -> None:
    file = parse(text.encode(), NAME, {})
    assert file.uncertain and not file.static
    with pytest.raises(Refused) as told:
        edit(file, ("--cache-none",))
    assert "--cache-none" in told.value.hint and NAME.name in told.value.hint


CLAIMED = {
    "run_nvidia_gpu.bat": (b"python main.py", True), "Start ComfyUI.CMD": (b"@python -s ComfyUI\\main.py", True),
    "webui-user.bat": (b"python main.py", False), "update_comfyui.bat": (b"python update.py ..\\ComfyUI\\", False),
    "mine.bat": (b"rem python main.py\r\necho main.py\r\n", False),
    "a1111.bat": (b"call webui.bat & rem main.py", False),
    "run.sh": (b"python main.py", False),
}


@pytest.mark.parametrize("name", CLAIMED)
def test_which_files_are_its(tmp_path: Path, name: str) -> None:
    data, its = CLAIMED[name]
    (tmp_path / name).write_bytes(data)
    assert OWN.claims(tmp_path / name) is its
    if its:
        assert read(tmp_path / name).kind == OWN.name


OTHERS = (
    "pause", "echo python main.py", "python mymain.py", "cd ..\\other\npython main.py",
    'start "x" cmd /k "cd /d ..\\other && python main.py"', 'start "x" /D ..\\other python main.py',
    'cmd /c "python other\\main.py"', "python ComfyUI\\main.py --help | findstr fast",
    "cd /d %NOWHERE%\npython main.py",
    "git clone x & python ..\\other\\main.py",
)
"""Files that start another program's main.py, or none."""
OURS = (
    "cd ComfyUI\npython main.py --x", 'start "x" /D ComfyUI cmd /k "python main.py --x & pause"',
    'cmd /c "cd ComfyUI && call venv\\Scripts\\activate.bat && python main.py --x"',
    "start /DComfyUI python main.py --x",
    "python ComfyUI\\main.py --help | findstr fast\npython ComfyUI\\main.py --x", "cd /d %ComfyUI%\npython main.py --x",
    "pushd .\\ComfyUI\n.\\zluda\\zluda.exe -- python main.py --x",
    "call conda activate comfy\npython comfyui/MAIN.PY --x",
    'set "R=%~dp0"\n"%R%python_embeded\\python.exe" -s "%R%ComfyUI\\main.py" --x',
    "set C=.\\python_embeded\\python.exe -s ComfyUI\\main.py\n%C% --x",
)


@pytest.mark.parametrize("text", OURS)
def test_the_install_is_recognised_in_what_a_file_starts(tmp_path: Path, text: str) -> None:
    write(tmp_path / "ComfyUI/main.py")
    file = OWN.parse(text.encode(), write(tmp_path / "mine.bat", text), tmp_path / "ComfyUI")
    assert file.words == ("--x",)
    assert edit(file, ("--lowvram",)) == text.replace("--x", "--x --lowvram").encode()


@pytest.mark.parametrize("text", OTHERS)
def test_a_file_that_starts_no_comfyui_is_refused(tmp_path: Path, text: str) -> None:
    root = tmp_path / "ComfyUI"
    root.mkdir()
    (tmp_path / "run_nvidia_gpu.bat").write_text(text)
    (root / "main.py").touch()
    write(tmp_path.parent / "other/main.py")
    with pytest.raises(Refused, match=r"starts no main\.py"):
        OWN.parse(text.encode(), tmp_path / "run_nvidia_gpu.bat", root)
