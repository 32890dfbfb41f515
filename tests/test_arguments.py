"""How many arguments a function takes: six beside self at most, but for a list that may only shrink."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.source import files

MOST = 6

VERB = "click hands each option of a verb over as an argument of its own"
EXCEPTIONS: dict[str, tuple[int, str]] = {
    "cli.tune.tune_command": (11, VERB),
    "model.failures.classify": (11, "called by name from outside, each argument one piece of evidence"),
    "search.sampler.LaunchAwareSampler.__init__": (9, "documented keywords, in other people's programs"),
    "trial.launch_plan.LaunchFailed.__init__": (8, "an error's facts, each read by its name"),
    "webui.transport.Transport.call": (7, "what an exchange is bounded by, each read by its name"),
}
"""Functions above the guide, with the number that stands today and why."""


def _counted(tree: ast.AST, name: str) -> Iterator[tuple[str, int]]:
    for node in ast.iter_child_nodes(tree):
        inner = name
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            inner = f"{name}.{node.name}"
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            given = node.args
            names = [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
            yield inner, len([one for one in names if one not in ("self", "cls")])
        yield from _counted(node, inner)


def _above(path: Path, name: str) -> dict[str, int]:
    return {one: n for one, n in _counted(ast.parse(path.read_text(encoding="utf-8")), name) if n > MOST}


def test_functions_take_few_arguments() -> None:
    """Equal, not at most: who makes a list shorter writes it down here, so that it stays so."""
    found: dict[str, int] = {}
    for module, path in files().items():
        found |= _above(path, module.removeprefix("autotune."))
    assert found == {name: number for name, (number, _) in EXCEPTIONS.items()}


@pytest.mark.parametrize(("head", "number"), [
    ("def f(a, b, c, d, e, f)", 0), ("def f(a, b, c, /, d, e, *, f, g)", 7), ("async def f(a, b, c, d, e, f, g)", 7),
])
def test_kinds_of_arguments_are_counted_alike(tmp_path: Path, head: str, number: int) -> None:
    path = tmp_path / "m.py"
    path.write_text(f"class A:\n    {head.replace('(', '(self, ')}: ...\n")
    assert _above(path, "m").get("m.A.f", 0) == number
