"""The command itself: options before and after the verb, one JSON document, fast starts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune import __version__
from autotune.cli import main
from autotune.cli.duration import seconds_of
from autotune.model.errors import UsageProblem

HEAVY = {"optuna", "torch", "scipy", "numpy", "jinja2", "PIL", "requests", "rich", "psutil", "pynvml"}


def program(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "autotune", *words], env={**os.environ, **env}, capture_output=True,
        encoding="utf-8", stdin=subprocess.DEVNULL, check=False,
    )


def test_version_and_help() -> None:
    assert program("--version").stdout == f"autotune {__version__}\n"
    text = program("--help").stdout
    assert all(verb in text for verb in main.VERBS)


@pytest.mark.parametrize("verb", sorted(main.VERBS))
def test_every_verb_explains_itself(verb: str) -> None:
    command = main.cli.get_command(None, verb)  # type: ignore[arg-type]
    assert command is not None
    assert command.name == verb
    assert command.help


@pytest.mark.parametrize("words", [["nonsense"], ["tune", "--nonsense"], ["profiles", "show"], ["apply", "--flagz"]])
def test_wrong_words_exit_2_with_one_document(words: list[str]) -> None:
    done = program(*words, "--json")
    document = json.loads(done.stdout)
    assert done.returncode == document["code"] == 2
    assert document["message"] in done.stderr
    assert "--help" in document["hint"]


@pytest.mark.parametrize("words", [["--json", "profiles", "list"], ["profiles", "list", "--json"]])
def test_options_stand_before_and_after_the_verb(words: list[str]) -> None:
    document = json.loads(program(*words).stdout)
    assert (document["schema"], document["kind"]) == (1, "profiles")
    assert {one["name"] for one in document["profiles"]} >= {"tiny", "default"}


def test_no_color_is_honoured(tmp_path: Path) -> None:
    done = program("profiles", "check", "tiny", "--state-dir", str(tmp_path), NO_COLOR="1")
    assert "\x1b" not in done.stdout


def test_looking_commands_import_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "modules").mkdir()
    (tmp_path / "launch.py").write_text("")
    (tmp_path / "webui-user.sh").write_text('export COMMANDLINE_ARGS="--xformers"\n')
    script = (
        "import sys\nfrom autotune.cli.main import run\n"
        f"code = run(['--webui', {str(tmp_path)!r}, '--state-dir', {str(tmp_path / 's')!r}, 'status'])\n"
        f"assert code == 0, code\nprint(sorted(set(sys.modules) & {HEAVY!r}))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10m", 600), ("10", 600), ("1h30m", 5400), ("1.5h", 5400), ("2 min", 120)]
)
def test_durations(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@given(st.text())
def test_any_text_is_a_duration_or_a_usage_problem(text: str) -> None:
    try:
        assert 1 <= seconds_of(text) <= 7 * 24 * 3600
    except UsageProblem as problem:
        assert problem.hint


@pytest.mark.parametrize("words", [["profiles", "show", "tiny"], ["--json", "profiles", "list"], ["bogus"],
                                   ["--json", "bogus"]], ids=" ".join)
def test_a_reader_that_is_gone_is_nothing_to_talk_about(words: list[str]) -> None:
    child = subprocess.Popen([sys.executable, "-m", "autotune", *words], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout is not None and child.stderr is not None
    child.stdout.close()
    said = child.stderr.read()
    child.wait(60)
    assert b"Traceback" not in said and b"Errno" not in said and b"Exception ignored" not in said
    assert child.returncode in ((0,) if "bogus" not in words else (0, 2))
    child.stderr.close()
