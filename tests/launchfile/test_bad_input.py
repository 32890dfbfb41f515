"""Bad files: one line of cause, a hint, the right exit code, and the file untouched."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from autotune.language.translate import use_language
from autotune.launchfile import read
from autotune.launchfile.reader import parse
from autotune.model.errors import AutotuneError, NothingToWorkOn, Refused
from tests.launchfile.judges import TARGET, edit, owns

CASES: tuple[tuple[str, bytes, str], ...] = (
    ("webui-user.sh", b'export COMMANDLINE_ARGS="--api\n', "line 1 .*without closing quote"),
    ("webui-user.sh", b'echo $(date\nexport COMMANDLINE_ARGS="--api"\n', "line 1 .*without matching"),
    ("webui-user.sh", b"export COMMANDLINE_ARGS=\"--theme 'dark\"\n", "never closed"),
    ("webui-user.sh", b'if true; then\nexport COMMANDLINE_ARGS="--api"\n', "line 1 .*must end with `fi`"),
    ("webui-user.bat", b"set COMMANDLINE_ARGS=--theme 'dark\r\n", "never closed"),
    ("webui-user.bat", b"if exist x (\r\nset COMMANDLINE_ARGS=--a\r\n", "block is not closed"),
    ("webui-user.bat", b"set COMMANDLINE_ARGS=" + b"-" * 9000 + b"\r\n", "longer than cmd.exe takes"),
    ("webui-user.sh", b'export COMMANDLINE_ARGS="--name \xff\xfe"\n', "not UTF-8"),
    ("webui-user.sh", b'export COMMANDLINE_ARGS="--a\0b"\n', "NUL"),
    ("webui-user.bat", "set COMMANDLINE_ARGS=--api\r\n".encode("utf-16"), "NUL"),
    ("webui-user.sh", b'export COMMANDLINE_ARGS="' + b"${X:-" * 5000 + b"--a" + b"}" * 5000 + b'"\n', "too deeply"),
    ("settings.json", b"{", "not JSON"),
    ("settings.json", b'{"InstalledPackages": []}', "which package"),
)


@pytest.mark.parametrize(("name", "data", "what"), CASES)
def test_unreadable_content(tmp_path: Path, name: str, data: bytes, what: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(Refused, match=what) as caught:
        read(path)
    assert caught.value.code == 5 and caught.value.hint and "\n" not in caught.value.message
    assert path.read_bytes() == data


BROKEN = (
    'a="x', "a='x", "x $(", "a=(1 2", "f() {", "[[ a", "x <<E\na", "if true; then x", "case x in", "if true", "while x",
    "for i in 1 2", "x &&", "if; then x; fi", "x >", "function", "a=$((1+", "| x", "do", "done", "fi", ";;", "}", ")",
    'export A="b" c)', "x ${a b}", "${}")
"""Scripts that the parser refuses, each for another reason."""


@pytest.fixture
def japanese() -> Iterator[None]:
    use_language("ja")
    yield
    use_language("en")


@pytest.mark.parametrize("script", BROKEN)
def test_what_the_parser_says_is_said_in_japanese(script: str, japanese: None) -> None:
    with pytest.raises(Refused) as caught:
        parse(script.encode(), Path("webui-user.sh"), {})
    said = re.sub("`[^`]*`|webui-user.sh|EOF", "", caught.value.message)
    assert re.search("[ぁ-ん]", said) and not re.search("[A-Za-z]{2,}", said), caught.value.message


def test_unreadable_files(tmp_path: Path) -> None:
    (tmp_path / "big.sh").write_bytes(b"#")
    os.truncate(tmp_path / "big.sh", 100 * 1024 * 1024)
    cases: list[tuple[str, type[AutotuneError], str]] = [
        ("gone.sh", NothingToWorkOn, "does not exist"), (".", NothingToWorkOn, "is a folder"),
        ("big.sh", Refused, "no launch file is that big"),
    ]
    if os.name == "posix":
        (tmp_path / "link").symlink_to(tmp_path / "nowhere")
        os.mkfifo(tmp_path / "pipe.sh")
        cases += [("link", NothingToWorkOn, "does not exist"), ("pipe.sh", NothingToWorkOn, "not an ordinary file")]
    for name, kind, what in cases:
        with pytest.raises(kind, match=what) as caught:
            read(tmp_path / name)
        assert caught.value.hint and "\n" not in caught.value.message


REFUSED: tuple[tuple[str, bytes, str], ...] = (
    ("webui-user.sh", b'COMMANDLINE_ARGS="--xformers"\n', "never exported"),
    ("webui-user.sh", b'export COMMANDLINE_ARGS="--xformers $X"; exec ./webui.sh\n', "variable X"),
    ("webui-user.sh", b'if [ -n "$A" ]; then export COMMANDLINE_ARGS="--xformers"; exec ./webui.sh; fi\n',
     "inside a block"),
    ("webui-user.sh", b"COMMANDLINE_ARGS=(--xformers --api)\nexport COMMANDLINE_ARGS; exec ./webui.sh\n", "an array"),
    ("webui-user.bat", b"if exist x call webui.bat %A%\r\ngoto end\r\nset COMMANDLINE_ARGS=--xformers\r\n:end\r\n",
     "inside a condition"),
    ("webui-user.bat", b"set COMMANDLINE_ARGS=--api %A% & call webui.bat --lowvram\r\n", "variable A"),
)


@pytest.mark.parametrize(("name", "data", "what"), REFUSED)
def test_refused_with_the_line_to_paste(name: str, data: bytes, what: str) -> None:
    with pytest.raises(Refused, match=what) as caught:
        edit(parse(data, Path(name), {}), TARGET, owns)
    hint = caught.value.hint
    if what == "never exported":
        assert hint.startswith("Write export before COMMANDLINE_ARGS in line 1")
        return
    assert "--opt-sdp-attention --opt-channelslast" in hint
    if what.startswith("variable"):  # a line put before the start would come before the words themselves
        assert hint.startswith(f"Change line 1 of {name} to: ") and "--xformers" not in hint and "--lowvram" not in hint
        return
    if what.startswith("inside"):  # in that line the words are set and the web UI is started: no other line will do
        assert hint.startswith("No single line") and "line 1" in hint
        return
    start = 'export COMMANDLINE_ARGS="$args ' if "array" in what else 'export COMMANDLINE_ARGS="$COMMANDLINE_ARGS '
    assert (start in hint) == name.endswith(".sh")
    assert ("set COMMANDLINE_ARGS=%COMMANDLINE_ARGS% " in hint) == name.endswith(".bat")


def test_a_block_changed_by_hand_is_refused() -> None:
    path = Path("webui-user.sh")
    data = edit(parse(b'export COMMANDLINE_ARGS="--xformers $EXTRA"\n', path, {}), TARGET, owns)
    file = parse(data.replace(b"_at_skip=n; ", b"_at_skip=y; "), path, {})
    assert file.why_not and "changed by hand" in file.why_not
    with pytest.raises(Refused, match="changed by hand"):
        edit(file, (), owns)


def test_an_expanded_secret_is_never_written() -> None:
    environ = {"EXTRA": "--api-auth me:hunter2 --xformers", "HOME": "/home/hunter2"}
    for name, data in (("a.sh", b'export COMMANDLINE_ARGS="--api $EXTRA --ckpt-dir $HOME/m"\n'),
                       ("a.bat", b"set COMMANDLINE_ARGS=--api %EXTRA% --ckpt-dir %HOME%/m\r\n")):
        file = parse(data, Path(name), environ)
        assert "me:hunter2" in file.words and not file.static
        assert b"hunter2" not in edit(file, TARGET, owns)
