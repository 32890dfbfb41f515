"""The command line: every flag of A1111 1.10.1, read as A1111 reads it."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autotune.engine import inert, start
from tests.engine.recorded import CMD_FLAGS

REPORTED = [name for name in CMD_FLAGS if name]


@pytest.fixture(scope="module")
def parser(install: Path) -> argparse.ArgumentParser:
    return start.load_parser(install)


def test_has_every_flag_of_a1111_and_no_other(parser: argparse.ArgumentParser) -> None:
    assert sorted(vars(parser.parse_args([]))) == sorted(REPORTED)


def test_defaults_that_others_rely_on(parser: argparse.ArgumentParser, install: Path) -> None:
    flags = parser.parse_args([])
    assert flags.precision == "autocast"
    assert flags.sub_quad_q_chunk_size == 1024
    assert flags.timeout_keep_alive == 30
    assert flags.port is None
    assert flags.use_cpu == []
    assert Path(flags.ui_settings_file) == install / "config.json"
    assert Path(flags.ui_config_file) == install / "ui-config.json"
    assert Path(flags.data_dir) == install


def test_abbreviations_and_equals(parser: argparse.ArgumentParser) -> None:
    flags = parser.parse_args(["--opt-chan", "--precision=half", "--use-cpu", "ALL", "--opt-sdp-a"])
    assert flags.opt_channelslast
    assert flags.precision == "half"
    assert flags.use_cpu == ["all"]
    assert flags.opt_sdp_attention and not flags.opt_sdp_no_mem_attention


@pytest.mark.parametrize("words", [["--no-such-flag"], ["--precision", "quarter"], ["--port", "many"], ["--opt-s"]])
def test_what_argparse_refuses_ends_with_2(parser: argparse.ArgumentParser, words: list[str],
                                           capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        start.parse(parser, words)
    assert ended.value.code == 2
    assert "error" in capsys.readouterr().err


def test_unknown_flags_may_be_forgiven(parser: argparse.ArgumentParser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IGNORE_CMD_ARGS_ERRORS", "1")
    assert start.parse(parser, ["--no-such-flag", "--no-half"]).no_half


def test_data_dir_moves_the_settings(install: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "argv", ["launch.py", "--data-dir", str(tmp_path)])
    flags = start.load_parser(install).parse_args(["--data-dir", str(tmp_path)])
    assert Path(flags.ui_settings_file) == tmp_path / "config.json"


def test_flags_without_effect_are_named(parser: argparse.ArgumentParser) -> None:
    assert inert.remarks(parser.parse_args([])) == []
    flags = parser.parse_args(["--share", "--theme", "dark", "--no-half", "--medvram-sdxl", "--skip-install"])
    assert inert.remarks(flags) == ["--medvram-sdxl does nothing here", "--share does nothing here",
                                    "--theme does nothing here"]
    assert set(vars(flags)) >= inert.ACTS | inert.SILENT


def test_credentials_are_hidden_on_the_log() -> None:
    words = ["--api-auth", "me:word", "--gradio-auth=you:word", "--ngrok", "token", "--port", "7"]
    assert start.hidden(words) == ["--api-auth", "***", "--gradio-auth=***", "--ngrok", "***", "--port", "7"]


def test_the_parser_comes_from_the_install(install: Path, tmp_path: Path) -> None:
    (tmp_path / "modules").mkdir()
    text = (install / "modules" / "cmd_args.py").read_text(encoding="utf-8")
    (tmp_path / "modules" / "cmd_args.py").write_text(text + '\nparser.add_argument("--mine")\n', encoding="utf-8")
    assert start.load_parser(tmp_path).parse_args(["--mine", "x"]).mine == "x"


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_start_scripts_are_sound(install: Path) -> None:
    for name in ("webui.sh", "webui-user.sh"):
        subprocess.run(["bash", "-n", str(install / name)], check=True)
