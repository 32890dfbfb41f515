"""What the web UI's own parser would refuse is found without running it, and argparse itself is the judge."""

from __future__ import annotations

import argparse
import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.flags import checker
from autotune.webui.a1111 import parser

SOURCE = '''
parser.add_argument("--precision", type=str, choices=["full", "half", "autocast"], default="autocast")
parser.add_argument("--port", type=int, default=None)
parser.add_argument("--threshold", type=float)
parser.add_argument("--xformers", action="store_true")
parser.add_argument("--use-cpu", nargs="+", default=[], type=str.lower)
parser.add_argument("--theme", type=str, default=None)
parser.add_argument("-f", action="store_true")
'''


@pytest.mark.parametrize(("words", "says"), [
    (("--precision", "bogus"), "--precision 'bogus' is none of full, half, autocast"),
    (("--precision=bogus",), "is none of"), (("--prec", "bogus"), "is none of"),
    (("--port", "many"), "--port 'many' is no whole number"), (("--port=7.5",), "is no whole number"),
    (("--threshold", "x"), "--threshold 'x' is no number"),
    (("--port",), "--port lacks its value"), (("--port", "--xformers"), "lacks its value"),
    (("--xformers=1",), "--xformers takes no value"), (("--use-cpu", "--xformers"), "lacks its value"),
])
def test_refused(words: tuple[str, ...], says: str) -> None:
    found = checker.complaint(words, SOURCE)
    assert found is not None and says in found


@pytest.mark.parametrize("words", [
    (), ("--precision", "half", "--port", "7861", "--threshold", "0.5", "--xformers", "-f"), ("--use-cpu", "all", "x"),
    ("--an-extension", "x"), ("--theme", "dark"), ("--port=7861",),
])
def test_accepted(words: tuple[str, ...]) -> None:
    assert checker.complaint(words, SOURCE) is None


@given(st.lists(st.sampled_from((
    "--precision", "--prec", "--precision=half", "--precision=x", "half", "x", "--port", "--port=1", "7", "--threshold",
    "1e3", "--xformers", "--xformers=1", "--use-cpu", "--theme", "-f", "dark")), max_size=5))
def test_argparse_refuses_what_is_complained_about(words: list[str]) -> None:
    judge = argparse.ArgumentParser(exit_on_error=False)
    for call in (node for node in ast.walk(ast.parse(SOURCE)) if isinstance(node, ast.Call)):
        words_of = {key.arg or "": ast.unparse(key.value) for key in call.keywords}
        kinds = {"int": int, "float": float}
        options = {key: ast.literal_eval(text) for key, text in words_of.items() if key != "type"}
        options.update({"type": kinds[words_of["type"]]} if words_of.get("type") in kinds else {})
        judge.add_argument(ast.literal_eval(call.args[0]), **options)
    try:
        judge.parse_known_args(words)
        refused = False
    except (argparse.ArgumentError, SystemExit):
        refused = True
    assert (checker.complaint(words, SOURCE) is not None) == refused


def test_an_install_without_a_parser_that_can_be_read(tmp_path: Path) -> None:
    assert parser.complaint(tmp_path, ("--precision", "bogus")) is None
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "cmd_args.py").write_text("def (")
    assert parser.complaint(tmp_path, ("--precision", "bogus")) is None
