"""Values made to break out: words in = words out, and nothing else ever runs."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from random import Random

import pytest

from autotune.launchfile.reader import parse
from autotune.model.errors import Refused, UsageProblem
from tests.launchfile.grammar import hostile
from tests.launchfile.judges import NO_CMD, cmd, edit, owns, run_cmd
from tests.system import bash, fewer

pytestmark = pytest.mark.slow

FLAG = "--sub-quad-q-chunk-size"
NUMBER = fewer(1_000)
SHELL = (
    b'export COMMANDLINE_ARGS="--xformers --api"\n', b"export COMMANDLINE_ARGS='--api --xformers'\n",
    b"export COMMANDLINE_ARGS=--xformers\n", b"export COMMANDLINE_ARGS=$'--xformers --api'\n",
    b'#export COMMANDLINE_ARGS=""\n', b'export COMMANDLINE_ARGS="--api $NOPE --xformers"\n',
    b'export COMMANDLINE_ARGS="--api \\\n --listen"\n',
)
BATCH = (
    b"set COMMANDLINE_ARGS=--xformers --api\r\n", b'set "COMMANDLINE_ARGS=--xformers --api" x\r\n',
    b"set COMMANDLINE_ARGS=\r\n", b"rem set COMMANDLINE_ARGS=\r\n", b"set COMMANDLINE_ARGS=--api %NOPE% --xformers\r\n",
    b'set "COMMANDLINE_ARGS=--api %NOPE% --xformers"\r\n',
    b'set COMMANDLINE_ARGS=--n "a & b" --xformers ^\r\n --api\r\n',
)
_SHELL_DRIVER = """
cd "$1"
for ((i = 0; i < $2; i++)); do
  [ -f $i.sh ] || continue
  unset COMMANDLINE_ARGS
  . ./$i.sh
  printf '%s\\0%s\\0' $i "$COMMANDLINE_ARGS"
done > "$3"
"""


def write(folder: Path, name: str, table: tuple[bytes, ...], number: int, seed: int) -> tuple[dict[int, str], int]:
    """Edit ``number`` files to hold a hostile value each. The values by number, and how many were refused."""
    random = Random(seed)
    folder.mkdir()
    wanted: dict[int, str] = {}
    refused = 0
    for i in range(number):
        value = hostile(random)
        file = parse(table[i % len(table)], Path(f"webui-user.{name}"), {})
        try:
            data = edit(file, (FLAG, value), owns)
        except Refused:
            refused += 1
            continue
        (folder / f"{i}.{name}").write_bytes(data)
        wanted[i] = value
    return wanted, refused


@bash
def test_shell_words_in_words_out(quick_path: Path) -> None:
    wanted, refused = write(quick_path / "files", "sh", SHELL, NUMBER, 5)
    out = quick_path / "out"
    subprocess.run(["bash", "-c", _SHELL_DRIVER, "judge", str(quick_path / "files"), str(NUMBER), str(out)],
                   env={"PATH": os.environ["PATH"], "HOME": str(quick_path)}, check=True, timeout=120)
    parts = out.read_bytes().decode().split("\0")[:-1]
    got = {int(number): shlex.split(value) for number, value in zip(parts[::2], parts[1::2], strict=True)}
    assert got.keys() == wanted.keys()
    for number, value in wanted.items():
        words = got[number]
        assert words[words.index(FLAG) + 1] == value
        assert [w for w in words if w not in (FLAG, value)] in (["--api"], [], ["--api", "--listen"])
    assert all(p.suffix == ".sh" for p in (quick_path / "files").iterdir()), "nothing else ran"
    assert refused < NUMBER // 10, "only NUL bytes are refused"


@pytest.mark.skipif(cmd() is None, reason=NO_CMD)
def test_batch_words_in_words_out(quick_path: Path, cmd_home: Path) -> None:
    home = quick_path / "files"
    wanted, _ = write(home, "bat", BATCH, 1500, 6)
    assert len(wanted) > 800
    step = b"set COMMANDLINE_ARGS=\r\ncall %d.bat\r\n>>..\\out.txt echo N%d\r\n>>..\\out.txt set COMMANDLINE_ARGS\r\n"
    steps = b"".join(step % (i, i) for i in wanted)
    (home / "driver.bat").write_bytes(b"@echo off\r\n" + steps)
    run_cmd(home, cmd_home)
    got: dict[int, list[str]] = {}
    number = -1
    for line in (quick_path / "out.txt").read_bytes().decode("latin-1").split("\r\n"):
        if line[:1] == "N" and line[1:].isdigit():
            number = int(line[1:])
        elif line.startswith("COMMANDLINE_ARGS="):
            got[number] = shlex.split(line.partition("=")[2])
    for i, value in wanted.items():
        assert got[i][got[i].index(FLAG) + 1] == value
        assert [w for w in got[i] if w not in (FLAG, value)] in (["--api"], [], ["--n", "a & b", "--api"])
    assert all(p.suffix == ".bat" for p in home.iterdir()), "nothing else ran"


@pytest.mark.parametrize("name", ["sh", "bat"])
def test_read_back(name: str) -> None:
    """Without a judge: our own reader finds each value again, and a second edit changes nothing."""
    random = Random(9)
    table = SHELL if name == "sh" else BATCH
    for i in range(NUMBER):
        value = hostile(random)
        file = parse(table[i % len(table)], Path(f"x.{name}"), {})
        try:
            data = edit(file, (FLAG, value), owns)
        except Refused as error:
            assert "\0" in value or name == "bat"
            assert error.hint
            continue
        again = parse(data, Path(f"x.{name}"), {})
        assert again.words[again.words.index(FLAG) + 1] == value
        assert edit(again, (FLAG, value), owns) == data


def test_words_that_are_not_managed_are_a_usage_fault() -> None:
    file = parse(SHELL[0], Path("x.sh"), {})
    with pytest.raises(UsageProblem):
        edit(file, ("--share",), owns)
