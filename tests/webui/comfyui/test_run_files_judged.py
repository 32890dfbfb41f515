"""What a batch file gives ComfyUI, as cmd.exe and a Python say that it starts: before an edit, and after it.

On Windows that Python is a genuine one, which tells its sys.argv. Elsewhere wine's cmd runs a batch file in its place,
which writes down what it was given.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from autotune.launchfile.launch_file import by_owner
from autotune.model.errors import Refused
from autotune.webui.comfyui.run_files import RunFile
from tests.launchfile.judges import NO_CMD, WRITTEN_IN, cmd, run_cmd
from tests.system import fewer
from tests.webui.comfyui.run_file_maker import owns, run_file, target

pytestmark = [pytest.mark.slow, pytest.mark.skipif(cmd() is None, reason=NO_CMD)]

OWN = RunFile()
OUTSIDE = "--preview-method taesd --cache-none"
PYTHON = "python" if sys.platform != "win32" else '"%PYTHON_HERE%"'
TELLS = "import json, os, sys\nopen(os.environ['TOLD'], 'a').write(json.dumps(sys.argv[1:]) + '\\n')\n"
WRITES = b'@echo off\r\n>>"%TOLD%" echo.%*\r\n'
ACTIVATE = b"@echo off\r\nset VIRTUAL_ENV=x\r\nset PATH=%PATH%;x\r\n"


def told(files: Sequence[bytes], folder: Path, cmd_home: Path) -> list[list[list[str]]]:
    """Of each file: the words of every start of ComfyUI in it, in order."""
    driver = ["@echo off"]
    folder.mkdir()
    for number, data in enumerate(files):
        lay_out(folder / str(number), data)
        driver += ["setlocal", f"set TOLD=%JUDGED%\\{number}\\told.txt", f"cd {number}", "call run.bat >nul 2>nul <nul",
                   'cd /d "%JUDGED%"', "endlocal"]
    (folder / "driver.bat").write_bytes("\r\n".join([*driver, ""]).encode())
    run_cmd(folder, cmd_home, {"OUTSIDE": OUTSIDE, "PYTHON_HERE": sys.executable, "JUDGED": windows(folder)})
    return [lines_of(folder / str(number) / "told.txt") for number in range(len(files))]


def lay_out(home: Path, data: bytes) -> None:
    (home / "ComfyUI").mkdir(parents=True)
    (home / "ComfyUI/main.py").write_text(TELLS)
    (home / "venv/Scripts").mkdir(parents=True)
    (home / "venv/Scripts/activate.bat").write_bytes(ACTIVATE)
    if sys.platform != "win32":
        for place in (home, home / "ComfyUI"):
            (place / "python.bat").write_bytes(WRITES)
    (home / "run.bat").write_bytes(data)


def lines_of(file: Path) -> list[list[str]]:
    if not file.exists():
        return []
    text = file.read_bytes().decode(WRITTEN_IN if sys.platform != "win32" else "ascii").splitlines()
    if sys.platform == "win32":
        return [json.loads(line) for line in text]
    behind = [line.partition("main.py")[2].lstrip('"') for line in text if "main.py" in line]
    return [[word.replace('"', "") for word in re.findall(r'(?:[^\s"]|"[^"]*")+', line)] for line in behind]


def windows(folder: Path) -> str:
    return str(folder) if sys.platform == "win32" else "Z:" + str(folder).replace("/", "\\")


@pytest.mark.parametrize("seed", [1, 2])
def test_cmd_and_python_agree_before_and_after(
    seed: int, quick_path: Path, cmd_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUTSIDE", OUTSIDE)
    monkeypatch.setenv("PYTHON_HERE", sys.executable)
    for name in ("ARGS", "EXTRA", "COMMANDLINE_ARGS"):
        monkeypatch.delenv(name, raising=False)
    random = Random(seed)
    files = [run_file(random, PYTHON) for _ in range(fewer(300))]
    judged = told(files, quick_path / "before", cmd_home)
    edits: list[tuple[bytes, bytes, list[str], tuple[str, ...]]] = []
    certain = 0
    for number, (data, starts) in enumerate(zip(files, judged, strict=True)):
        home = quick_path / "before" / str(number)
        try:
            file = OWN.parse(data, home / "run.bat", home / "ComfyUI")
        except Refused:
            assert not starts, data.decode()
            continue
        if file.uncertain or not starts:
            continue
        certain += 1
        assert list(file.words) == starts[0], f"{number}: {data.decode()}"
        words = target(random)
        try:
            edits.append((data, OWN.edit(file, words, owns), starts[0], words))
        except Refused as error:
            assert error.hint
    assert certain > len(files) * 0.7 and len(edits) > len(files) * 0.55, (certain, len(edits))
    again = told([after for _, after, _, _ in edits], quick_path / "after", cmd_home)
    for (data, after, was, words), starts in zip(edits, again, strict=True):
        assert starts, after.decode()
        kept, mine = by_owner(starts[0], owns)
        assert kept == by_owner(was, owns)[0] and mine == list(words), f"{data.decode()}\n=====\n{after.decode()}"


@pytest.mark.skipif(sys.platform != "win32", reason="the C runtime's own rules for quotes")
def test_quotes_and_backslashes_as_the_c_runtime_has_them(
    quick_path: Path, cmd_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces = ('"', "\\", '\\"', '""', " ", "a", "b", "--x", "=", "\t", "'", "\\\\")
    random = Random(5)
    files: list[bytes] = []
    while len(files) < 60:
        text = "".join(random.choice(pieces) for _ in range(random.randint(1, 12)))
        if text.count('"') % 2 == 0:  # an odd one would make a sign of cmd's own of what follows
            files.append(f"@echo off\r\n{PYTHON} ComfyUI\\main.py {text}\r\n".encode())
    monkeypatch.setenv("PYTHON_HERE", sys.executable)
    for number, (data, starts) in enumerate(zip(files, told(files, quick_path / "quotes", cmd_home), strict=True)):
        home = quick_path / "quotes" / str(number)
        assert list(OWN.parse(data, home / "run.bat", home / "ComfyUI").words) == starts[0], data.decode()
