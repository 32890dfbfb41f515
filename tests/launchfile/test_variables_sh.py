"""Every variable of a shell file: what is called certain is what bash gives, and no edit loses a kept word."""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path

import pytest

from autotune.launchfile.ask_bash import BashAnswer, ask
from autotune.launchfile.launch_file import LaunchFile
from autotune.launchfile.reader import parse
from autotune.model.errors import Refused
from autotune.webui.a1111 import layout
from tests.launchfile.grown_sh import GIVEN, NAMES, Grown, Judged, judge, many
from tests.launchfile.judges import TARGET, bash_words, edit, owns
from tests.system import need_bash
from tests.webui.test_layout import BASE, install

pytestmark = pytest.mark.slow

ENVIRON = {"PATH": "/usr/bin:/bin", **GIVEN}
FILES = 400
CASES = Path(__file__).parent / "cases"


def read(data: bytes, environ: dict[str, str] | None = None) -> LaunchFile:
    return parse(data, Path("webui-user.sh"), ENVIRON if environ is None else environ)


def words(judged: Judged) -> list[str] | None:
    """What launch.py receives; None where its quotes do not balance."""
    own = judged["COMMANDLINE_ARGS"]
    try:
        return shlex.split(own[0]) if own and own[1] else []
    except ValueError:
        return None


def readable(files: list[Grown], judged: list[Judged | None]) -> list[tuple[Grown, LaunchFile, Judged]]:
    """The files that bash reads to their end and that are not refused."""
    found = []
    for one, was in zip(files, judged, strict=True):
        if was is None:
            continue
        try:
            found.append((one, read(one.data), was))
        except Refused as error:
            assert error.hint
    return found


def wrong(file: LaunchFile, was: Judged) -> list[str]:
    """Names of variables that are called certain and are not what bash gives."""
    found = []
    for name in NAMES:
        mine = file.variable(name)
        if mine.certain and (None if mine.text is None else (mine.text, mine.exported)) != was[name]:
            found.append(name)
    if file.variable("COMMANDLINE_ARGS").certain and words(was) is not None and list(file.words) != words(was):
        found.append("words")
    return found


def test_no_file_that_is_called_certain_is_read_wrongly_and_no_edit_loses_a_word(quick_path: Path) -> None:
    files = many(2024, FILES)
    read_well = readable(files, judge([one.data for one in files], quick_path / "before"))
    for one, file, was in read_well:
        assert not wrong(file, was), one.data.decode()
    certain = Counter((one.ordinary, file.variable("COMMANDLINE_ARGS").certain) for one, file, _ in read_well)
    assert certain[True, True] > 0.9 * (certain[True, True] + certain[True, False]), certain
    assert min(certain[False, True], certain[False, False]) > 50, certain
    assert len(read_well) > 0.9 * FILES
    edits = []
    for one, file, was in read_well:
        try:
            edits.append((one, file, was, edit(file, TARGET, owns)))
        except Refused as error:
            assert error.hint
    assert len(edits) > 0.8 * FILES
    after = judge([data for *_, data in edits], quick_path / "after")
    for (one, file, was, data), now in zip(edits, after, strict=True):
        assert now is None or not wrong(read(data), now), data.decode()
        before, given = words(was), words(now) if now else None
        own = was["COMMANDLINE_ARGS"]
        differs = any(name in one.data for name in (b"RANDOM", b"SECONDS", b"PWD")) or (own is not None and not own[1])
        if before is None or differs:
            continue
        assert given is not None, one.data.decode()
        assert [w for w, m in zip(given, owns(given), strict=True) if not m] == [
            w for w, m in zip(before, owns(before), strict=True) if not m], one.data.decode()
        if file.static:
            assert sorted(w for w, m in zip(given, owns(given), strict=True) if m) == sorted(TARGET), one.data.decode()


def test_what_bash_answers_in_the_sandbox_is_what_it_gives(quick_path: Path) -> None:
    files = [one for one in many(77, 500) if not one.ordinary]
    judged = judge([one.data for one in files], quick_path / "files")
    answers = 0
    for number, (one, was) in enumerate(zip(files, judged, strict=True)):
        if was is None:
            continue
        try:
            file = read(one.data)
        except Refused:
            continue
        if all(file.variable(name).certain for name in NAMES):
            continue
        answer = ask(file, quick_path / "files" / str(number), ENVIRON)
        if isinstance(answer, str):
            assert answer
            continue
        answers += 1
        for name, mine in answer.variables.items():
            if name in NAMES and mine.certain:
                assert (None if mine.text is None else (mine.text, mine.exported)) == was[name], one.data.decode()
    assert answers > 50


HOSTILE = (CASES / "hostile.sh").read_bytes().split(b"\n#%%\n")


def test_files_written_by_hand_to_trip_the_reader(quick_path: Path) -> None:
    files = [Grown(data, False) for data in HOSTILE]
    read_well = readable(files, judge([one.data for one in files], quick_path))
    assert len(files) >= 100 and len(read_well) > 80
    for one, file, was in read_well:
        assert not wrong(file, was), one.data.decode()


@pytest.mark.parametrize(("name", "environ", "gives"), [
    ("if.sh", {}, "--no-half-vae --opt-split-attention-v1 --theme dark"),
    ("by-function.sh", {"COMMANDLINE_ARGS": "--theme dark"}, "--opt-split-attention-v1 --no-half-vae --theme dark"),
])
def test_flags_that_depend_on_a_condition_are_asked_of_bash(
        tmp_path: Path, name: str, environ: dict[str, str], gives: str) -> None:
    need_bash()
    (tmp_path / "launch.py").write_text("")
    (tmp_path / "venv").mkdir()
    file = read((CASES / name).read_bytes(), environ)
    assert not file.static and not file.variable("COMMANDLINE_ARGS").certain and file.depends
    answer = ask(file, tmp_path, environ)
    assert isinstance(answer, BashAnswer) and list(answer.words) == gives.split()
    other = ask(file, tmp_path / "venv", environ)
    assert isinstance(other, BashAnswer) and other.words != answer.words


@pytest.mark.parametrize(("data", "followed"), [
    (b"COMMANDLINE_ARGS='--api --xformers'\n", b"export COMMANDLINE_ARGS='--api --xformers'\n"),
    (b"[ -n x ] && COMMANDLINE_ARGS='--api --xformers'\n", b"[ -n x ] && export COMMANDLINE_ARGS='--api --xformers'\n"),
    (b"readonly COMMANDLINE_ARGS='--api --xformers'; export COMMANDLINE_ARGS\n",
     b"COMMANDLINE_ARGS='--api --xformers'; export COMMANDLINE_ARGS\n"),
])
def test_advice_for_a_file_that_is_refused_leads_to_the_flags(tmp_path: Path, data: bytes, followed: bytes) -> None:
    with pytest.raises(Refused) as caught:
        edit(read(data), TARGET, owns)
    assert ("Write export" in caught.value.hint) == (b"readonly" not in data) and "run this again" in caught.value.hint
    (found,) = bash_words([edit(read(followed), TARGET, owns)], tmp_path)
    assert found[0] == "--api" and sorted(found[1:]) == sorted(TARGET)


def test_the_value_that_a_block_makes_is_told_to_the_character(quick_path: Path) -> None:
    values = ("--api  --xformers", "--theme 'a  b' --precision full --x",
              '--n "q \\" --xformers" --precision=half', " ",
              "", "--precision --api", "--xformers\t--listen\n --medvram", "a\\ b --no-half", "--é ü")
    data = b'export COMMANDLINE_ARGS="$A"\n'
    made = edit(read(data), TARGET, owns).replace(data, b"export COMMANDLINE_ARGS=%s\n") + b'B="<$COMMANDLINE_ARGS>"\n'
    edited = [read(made.replace(b"%s", shlex.quote(value).encode())) for value in values]
    assert all(one.block is not None for one in edited)
    for one, now in zip(edited, judge([one.data for one in edited], quick_path), strict=True):
        assert now is not None and one.variable("COMMANDLINE_ARGS").certain and not wrong(one, now), one.data.decode()


@pytest.mark.parametrize("data", [b"A=x\\", b"echo \\", b"cat <<E\nA=1", b"cat <<E\nA=1\n", b"# a \\",
                                  b"A=1 &&\\\n true \\"])
def test_lines_are_never_added_to_what_a_file_leaves_open(tmp_path: Path, data: bytes) -> None:
    try:
        edited = edit(read(data), TARGET, owns)
    except Refused as error:
        assert error.hint
        return
    assert bash_words([edited], tmp_path) == [list(TARGET)]


def test_an_exit_that_is_not_reached_is_no_start(tmp_path: Path) -> None:
    data = b'[ -n "$HOME" ] || exit 1; A=1\n'
    edited = edit(read(data), TARGET, owns)
    assert bash_words([edited], tmp_path) == [list(TARGET)]


CLEAN = "if [[ $OSTYPE == linux* ]]; then export COMMANDLINE_ARGS=--api; fi\n"


@pytest.mark.parametrize(("lines", "gives"), [
    ('cd "$(dirname "$0")" || exit 1\n' + CLEAN, ["--api"]),
    ("git pull\nchmod +x webui.sh\ntouch marker\n" + CLEAN + "./webui.sh --listen\n", ["--listen", "--api"]),
    ("exec > log.txt 2>&1\necho hello >&2\n" + CLEAN, ["--api"]),
    ("sleep 9 && xdg-open http://127.0.0.1:7860 &\n" + CLEAN + 'python launch.py "$@"\n', ["--api"]),
    ("trap 'kill 0' EXIT\nset -eu\n" + CLEAN, ["--api"]),
    ('export PATH="$HOME/bin:$PATH"\n' + CLEAN.replace("--api", '"--x $PATH"'),
     ["--x", "/home/someone/bin:/usr/bin:/bin"]),
    ("git pull\n" + CLEAN.replace("$OSTYPE == linux*", "-f launch.py"), None),
    (CLEAN.replace("[[ $OSTYPE == linux* ]]", "nvidia-smi | grep -q 4090"), None),
    (CLEAN.replace("$OSTYPE == linux*", "$RANDOM -gt 5"), None),
    (CLEAN.replace("--api", '"$(cat flags.txt)"'), None),
    ("read -p 'which? ' A\n" + CLEAN, None),
])
def test_a_program_matters_only_where_its_outcome_does(tmp_path: Path, lines: str, gives: list[str] | None) -> None:
    need_bash()
    answer = ask(read(lines.encode()), tmp_path, ENVIRON)
    assert (list(answer.words) if isinstance(answer, BashAnswer) else None) == gives, answer
    assert list(tmp_path.iterdir()) == []


def test_quotes_inside_a_default_in_quotes_are_no_part_of_the_value(tmp_path: Path) -> None:
    file = read((CASES / "nested-quotes.sh").read_bytes())
    assert file.words == ("--api", "--listen", "--xformers", "--port", "3000")
    assert file.variable("COMMANDLINE_ARGS").certain
    edited = edit(file, ("--opt-sdp-attention",), owns)
    assert bash_words([edited], tmp_path) == [["--api", "--listen", "--port", "3000", "--opt-sdp-attention"]]


INHERITED = (
    (CASES / "inherited.sh").read_bytes(),
    b'export COMMANDLINE_ARGS="$COMMANDLINE_ARGS --listen"\nexport COMMANDLINE_ARGS="$COMMANDLINE_ARGS --xformers"\n',
    b'if [ -f launch.py ]; then export COMMANDLINE_ARGS="$COMMANDLINE_ARGS --listen --xformers"; fi\n',
    b'export COMMANDLINE_ARGS="${COMMANDLINE_ARGS:+$COMMANDLINE_ARGS }--listen --xformers"\n',
)


@pytest.mark.parametrize("data", INHERITED)
def test_a_file_that_adds_to_inherited_flags_is_editable_as_the_one_in_effect(tmp_path: Path, data: bytes) -> None:
    root = install(tmp_path / "webui", {**BASE})
    (root / "webui-user.sh").write_bytes(data)
    file = layout.in_effect(root, layout.recognise(root, "linux", {}), {})
    assert file.environ == {}
    edited = edit(file, TARGET, owns)
    assert edit(parse(edited, file.path, {}), TARGET, owns) == edited
    assert edited.startswith(data.splitlines(keepends=True)[0])


TRIES = (
    "touch MARK", "/usr/bin/touch MARK", "echo x > MARK", ": > MARK", "x=$(touch MARK)", "x=`touch MARK`",
    "eval 'touch MARK'", "exec touch MARK", ". ./other.sh", "source other.sh", "command touch MARK",
    "builtin eval 'touch MARK'", "cat < /etc/passwd", "x=$(< other.sh)", "read -r x < other.sh",
    "mapfile x < other.sh", "exec 3<>/dev/tcp/127.0.0.1/9", "kill -9 $PPID", "a='n[$(touch MARK)0]'; ((a))",
    "a='n[$(echo x >MARK)0]'; [[ a -eq 0 ]]", "a='n[$(. ./other.sh)0]'; ((a))", "trap 'touch MARK' EXIT",
    "trap 'touch MARK' DEBUG", "f() { f | f & }; f", "f() { g; }; g() { f; }; f", "while :; do :; done",
    "x=a; while :; do x=$x$x; done", "bash -c 'touch MARK'", "./other.sh", "coproc touch MARK", "x=<(touch MARK)",
    "touch MARK &", "(touch MARK)", "echo x | touch MARK", "enable -n test; touch MARK",
    "PATH=/usr/bin:/bin; touch MARK", "hash -p /usr/bin/touch t; t MARK", "printf -v PATH /usr/bin; touch MARK",
    "alias t='touch MARK'; t", "bind -x '\"a\":touch MARK'", "exit 3", "logout", "suspend",
    "echo() { touch MARK; }; echo", "declare -n r=PATH; r=/usr/bin:/bin; touch MARK", "x=${y:-$(touch MARK)}",
    "cat <<E\n$(touch MARK)\nE", "[ -f launch.py ] || touch MARK", "set +r; touch MARK",
    "BASH_ENV=other.sh bash -c :", "export PS4='$(touch MARK)'; set -x; :", "PROMPT_COMMAND='touch MARK'",
    "x='$(touch MARK)'; echo \"${x@P}\"", "umask 0; touch MARK", "cd /; touch MARK",
)


@pytest.mark.parametrize("line", TRIES)
def test_nothing_in_a_file_can_act_while_bash_is_asked(
        tmp_path: Path, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autotune.launchfile.ask_bash.TIME_LIMIT", 1.0)
    (tmp_path / "other.sh").write_text("touch MARK\nexport COMMANDLINE_ARGS=--secret\n")
    (tmp_path / "other.sh").chmod(0o755)
    before = sorted(p.name for p in tmp_path.iterdir())
    file = read(f'{line}\nif [ -n "$EXTRA" ]; then export COMMANDLINE_ARGS="--api $x"; fi\n'.encode())
    answer = ask(file, tmp_path, ENVIRON)
    assert sorted(p.name for p in tmp_path.iterdir()) == before
    if isinstance(answer, BashAnswer):
        ends = line.startswith(("exec touch", "exit"))
        assert answer.words in ([()] if ends else [("--api",), ("--api", "$(touch", "MARK)")])


def test_a_file_that_the_parser_refuses_is_refused_and_without_a_parser_nothing_is_certain(
        monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refused):
        read(b"if true; then\nexport COMMANDLINE_ARGS=--api\n")
    monkeypatch.setattr("autotune.launchfile.sh_tree.find_shfmt", lambda: None)
    file = read(b"export COMMANDLINE_ARGS=--api # never read before\n")
    assert not file.static and not file.variable("COMMANDLINE_ARGS").certain and file.why_not
    assert isinstance(ask(file, Path(), ENVIRON), str)
    with pytest.raises(Refused) as caught:
        edit(file, TARGET, owns)
    assert "shfmt" in caught.value.message


def test_a_generator_gives_the_same_files_for_a_seed() -> None:
    assert many(5, 20) == many(5, 20) != many(6, 20)
    assert len({one.data for one in many(5, 200)}) > 150
