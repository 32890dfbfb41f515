"""The help of each verb ends with examples that work, and shells complete verbs and options."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from autotune.cli.completion import COMPLETE, WHERE, script
from autotune.cli.duration import seconds_of
from autotune.cli.examples import EXAMPLES
from autotune.cli.main import VERBS, cli
from autotune.workload import profile
from tests.cli.test_damaged_state import commands
from tests.system import bash

PATHS = {*VERBS, *(path for path, _ in commands(cli))}
LINES = [(path, line) for path, examples in EXAMPLES.items() for line, _ in examples]


def parsed(words: list[str]) -> Iterator[click.Context]:
    """The contexts of a command line from the group down, parsed by click, nothing run. Raises UsageError."""
    context = cli.make_context("autotune", words)
    yield context
    while isinstance(context.command, click.Group):
        name, found, rest = context.command.resolve_command(context, [*context._protected_args, *context.args])
        assert found is not None
        context = found.make_context(name, rest, context)
        yield context


def test_every_verb_has_one_to_three_examples() -> None:
    assert set(EXAMPLES) == PATHS
    assert all(1 <= len(examples) <= 3 for examples in EXAMPLES.values())


@pytest.mark.parametrize(("path", "line"), LINES, ids=[f"{path}: {line}" for path, line in LINES])
def test_click_takes_every_example(path: str, line: str) -> None:
    contexts = list(parsed(shlex.split(line)[1:]))
    called = [str(one.info_name) for one in contexts[1:]]
    assert called[:len(path.split())] == path.split()
    given = {name: value for one in contexts for name, value in one.params.items() if value is not None}
    if given.get("budget"):
        assert seconds_of(given["budget"]) > 0
    if given.get("profile_name"):
        assert profile.load(given["profile_name"])


@pytest.mark.parametrize("words", [["tune", "--nonsense"], ["profiles", "show"], ["completion", "tcsh"]])
def test_what_is_no_command_line_would_be_noticed(words: list[str]) -> None:
    with pytest.raises(click.UsageError):
        list(parsed(words))


@pytest.mark.parametrize("path", sorted(PATHS))
def test_help_ends_with_the_examples_in_80_columns(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main([*path.split(), "-h"], "autotune", standalone_mode=False)
    said = capsys.readouterr().out.rstrip("\n").split("\n")
    shown = said[said.index("  Examples:") + 1:]
    assert [line.split() for line in shown] == [f"{line} {words}".split() for line, words in EXAMPLES[path]]
    assert max(map(len, shown)) <= 80


@pytest.fixture
def asking(tmp_path: Path) -> dict[str, str]:
    """An environment in which `autotune` is this one."""
    program = tmp_path / "bin" / "autotune"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m autotune "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return {**os.environ, "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)}


def ask(shell: str, program: str, env: dict[str, str]) -> list[str]:
    done = subprocess.run([shell, "-c", program], env=env, capture_output=True, encoding="utf-8", check=False,
                          stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout.split()


CASES = [("autotune tu", {"tune"}), ("autotune tune --bud", {"--budget"}), ("autotune service un", {"uninstall"}),
         ("autotune tune --objective v", {"vram"}), ("autotune completion ", set(WHERE)), ("autotune ", set(VERBS))]


@bash
@pytest.mark.parametrize(("line", "answers"), CASES, ids=[line for line, _ in CASES])
def test_bash_completes(line: str, answers: set[str], asking: dict[str, str]) -> None:
    words = [*line.split(), *([""] if line.endswith(" ") else [])]
    program = (f"source <(autotune completion bash)\nCOMP_WORDS=({shlex.join(words)}) COMP_CWORD={len(words) - 1}\n"
               "complete -p autotune >/dev/null && _autotune_completion autotune\nprintf '%s\\n' \"${COMPREPLY[@]}\"")
    assert set(ask("bash", program, asking)) == answers


@pytest.mark.skipif(not shutil.which("fish"), reason="fish is the judge")
@pytest.mark.parametrize(("line", "answers"), CASES, ids=[line for line, _ in CASES])
def test_fish_completes(line: str, answers: set[str], asking: dict[str, str]) -> None:
    program = f"autotune completion fish | source\ncomplete -C {shlex.quote(line)} | string split -f1 \\t; true"
    assert set(ask("fish", program, asking)) == answers


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is the judge")
@pytest.mark.parametrize(("line", "answers"), CASES, ids=[line for line, _ in CASES])
def test_zsh_completes(line: str, answers: set[str], asking: dict[str, str]) -> None:
    """What its completion system is handed: its own functions need a terminal and stand here only for their words."""
    words = [*line.split(), *([""] if line.endswith(" ") else [])]
    program = ("compdef() { :; }\n_describe() { print -l -- ${${(P)3}%%:*} }\n"
               "compadd() { print -l -- ${(P)5} }\n"
               f"source <(autotune completion zsh)\nwords=({shlex.join(words)}) CURRENT={len(words)}\n"
               "_autotune_completion")
    assert set(ask("zsh", program, asking)) == answers


@pytest.mark.parametrize("shell", list(WHERE))
def test_the_script_says_where_its_line_goes_and_is_plain_text(shell: str) -> None:
    text = script(shell)
    file, line = WHERE[shell]
    assert text.endswith(f"into {file}:\n#   {line}\n") and text.isascii()
    assert COMPLETE in text and "autotune" in text and "%(" not in text
    assert (text.split("\n")[0] == "#compdef autotune") == (shell == "zsh")
    done = subprocess.run([sys.executable, "-m", "autotune", "completion", shell], capture_output=True, check=True)
    assert done.stdout == text.encode(), "to the byte, on Windows too"


def test_words_quoted_as_powershell_sends_them_are_understood() -> None:
    words = ["autotune", "--webui", "C:\\My Müller's (絵)", "tune", "--objective", "v"]
    quoted = " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)
    env = {**os.environ, "COMP_WORDS": quoted, "COMP_CWORD": str(len(words) - 1), COMPLETE: "bash_complete"}
    done = subprocess.run([sys.executable, "-m", "autotune"], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["plain,vram"]
