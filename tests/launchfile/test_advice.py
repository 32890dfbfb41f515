"""What is advised is followed to the letter on a copy; bash and wine say whether it gives the right words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from autotune.launchfile import advice
from autotune.launchfile.launch_file import LaunchFile
from autotune.launchfile.reader import parse
from autotune.launchfile.writer import paste_hint
from autotune.model.errors import Refused
from tests.launchfile.judges import NO_CMD, TARGET, bash_words, cmd, cmd_words, edit, owns
from tests.launchfile.test_corpus import split, wanted

pytestmark = pytest.mark.slow

SECRET = "someone:hunter2"
BATCH = {
    "start in a block": "@echo off\nif exist webui.bat (\n"
                        "    set COMMANDLINE_ARGS=--listen --api-auth {s} --xformers --medvram\n"
                        "    call webui.bat\n) else (\n    echo webui.bat is missing\n)\n",
    "set before a block": "set COMMANDLINE_ARGS=--listen --api-auth {s}\nif exist webui.bat (\n  call webui.bat\n)\n",
    "in one line": "set COMMANDLINE_ARGS=--api --xformers %NOPE%& call webui.bat\n",
    "behind &&": "cd . && set COMMANDLINE_ARGS=--api --xformers && call webui.bat\n",
    "quoted title": 'set COMMANDLINE_ARGS=--title "use --xformers now" --api\nif 1==1 set COMMANDLINE_ARGS='
                    "%COMMANDLINE_ARGS% --no-half-vae --listen\ncall webui.bat\n",
    "two in a block": "if exist webui.bat (\n set COMMANDLINE_ARGS=--api\n set COMMANDLINE_ARGS=--listen --xformers\n"
                      " call webui.bat\n)\n",
    "special signs": 'set "COMMANDLINE_ARGS=--api --title "a & b""\nif exist webui.bat (\n call webui.bat\n)\n',
}
SHELL = {
    "never exported": 'COMMANDLINE_ARGS="--xformers --api"\n',
    "in one line": 'export COMMANDLINE_ARGS="--xformers --api-auth {s} $NOPE"; exec ./webui.sh\n',
    "start in a block": 'if [ -n "$HOME" ]; then export COMMANDLINE_ARGS="--xformers --listen"; exec ./webui.sh; fi\n',
    "an array": "COMMANDLINE_ARGS=(--api --listen)\nexport COMMANDLINE_ARGS\n",
}


def refused(text: str, kind: str, folder: Path) -> tuple[LaunchFile, Refused]:
    folder.mkdir()
    (folder / "webui.bat").write_bytes(b"")
    data = text.format(s=SECRET).replace("\n", "\r\n" if kind == "bat" else "\n").encode()
    file = parse(data, folder / f"webui-user.{kind}", {"HOME": "/home/someone"})
    with pytest.raises(Refused) as caught:
        edit(file, TARGET, owns)
    return file, caught.value


def followed(file: LaunchFile, hint: str) -> bytes:
    """The file after somebody did what the hint says, with the secret where it shows ``***``."""
    lines = file.data.split(b"\n")
    found = re.fullmatch(r"(?:Change line (\d+) of \S+ to|Paste (?:as the last line of|right before the command in "
                         r"line (\d+) of) [^:(]*(?:\(and take out ([^)]*)\)|\(and take tuning[^)]*\))?): (.*)", hint)
    assert found, hint
    text = found.group(4).replace("***", SECRET).encode()
    if found.group(1):
        number = int(found.group(1)) - 1
        lines[number] = text + (b"\r" if lines[number].endswith(b"\r") else b"")
        return b"\n".join(lines)
    for word in (found.group(3) or "").encode().split():
        lines = [line if b'"use ' in line else line.replace(b" " + word, b"").replace(word + b" ", b"")
                 for line in lines]
    eol = b"\r\n" if b"\r\n" in file.data else b"\n"
    if found.group(2):
        at = int(found.group(2)) - 1
        return b"\n".join([*lines[:at], text + eol[:-1], *lines[at:]])
    return b"\n".join(lines) + text + eol


@pytest.mark.skipif(cmd() is None, reason=NO_CMD)
def test_advice_for_batch_files(tmp_path: Path, cmd_home: Path) -> None:
    files, after = [], []
    for number, text in enumerate(BATCH.values()):
        file, error = refused(text, "bat", tmp_path / f"file{number}")
        assert SECRET not in error.hint and SECRET not in error.message
        if "&&" in text:  # whether the set runs only the start tells: no line of ours is sure
            assert error.hint.startswith("No single line") and "line 1" in error.hint
            continue
        files.append(file.data)
        after.append(followed(file, error.hint))
    before = cmd_words(files, tmp_path / "before", cmd_home)
    judged = [name for name, text in BATCH.items() if "&&" not in text]
    for name, was, now in zip(judged, before, cmd_words(after, tmp_path / "after", cmd_home), strict=True):
        assert was is not None and now is not None and split(now) == wanted(was), name


@pytest.mark.parametrize("name", SHELL)
def test_advice_for_shell_files(name: str, tmp_path: Path) -> None:
    file, error = refused(SHELL[name], "sh", tmp_path / "file")
    assert SECRET not in error.hint and SECRET not in error.message
    if name == "start in a block":
        assert error.hint.startswith("No single line") and "line 1" in error.hint
        return
    if name == "never exported":  # done as told, it can be edited
        assert error.hint.startswith("Write export before COMMANDLINE_ARGS in line 1")
        (now,) = bash_words([edit(parse(b"export " + file.data, file.path, {}), TARGET, owns)], tmp_path / "after")
        assert split(now) == (["--api"], sorted(TARGET))
        return
    (now,) = bash_words([followed(file, error.hint)], tmp_path / "after")
    if name == "an array":
        assert now == ["--api", "--listen", *TARGET]
    else:
        assert split(now) == wanted(list(file.words))


def test_no_line_is_given_that_does_not_prove_itself(tmp_path: Path) -> None:
    """Pasted before the start, such a line would be expanded before the block runs: every flag would be gone."""
    file, error = refused(BATCH["start in a block"], "bat", tmp_path / "file")
    assert error.hint == ("Change line 3 of webui-user.bat to: set COMMANDLINE_ARGS=--listen --api-auth *** "
                          "--opt-sdp-attention --opt-channelslast")
    pasted = file.data.replace(b"    call", b"set COMMANDLINE_ARGS=%COMMANDLINE_ARGS% --opt-channelslast\r\n    call")
    assert not advice.proves(file, pasted, ("--opt-channelslast",), owns)


def test_where_no_line_will_do_it_is_said_plainly() -> None:
    data = b"if exist x call webui.bat\r\ngoto end\r\nif exist y call webui.bat --a\r\n:end\r\n"
    file = parse(data, Path("nowhere/webui-user.bat"), {})
    hint = paste_hint(file, TARGET, owns)
    assert "By hand" in hint or "Paste" in hint
    assert "UTF-8" not in hint
