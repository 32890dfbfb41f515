"""What holds for the tests themselves: none sleeps to wait for something, none accepts every answer there is."""

from __future__ import annotations

import ast
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

from autotune.check import rule
from autotune.decide import compare, drift
from autotune.model import study

TESTS = Path(__file__).parent
MAY_SLEEP = {
    "waiting.py::wait_for": "the helper that all others wait with",
    "agent/test_daemon.py::test_idle_it_costs_next_to_nothing": "the span over which its costs are measured",
    "agent/test_daemon.py::test_changes_are_seen_through_events_and_settle": "a download at a pace of its own",
    "e2e/agent/test_owner.py::test_the_machine_is_free_within_five_seconds": "different moments of a clip, drawn",
    "trial/standin_webui.py::main": "a web UI that installs as long as it is told to",
    "trial/standin_webui.py::misbehave": "a web UI that is slow, or never up, when it is told to be",
    "trial/standin_webui.py::more": "a web UI that starts other programs all the time",
}


def calls(tree: ast.AST, inside: str = "") -> Iterator[tuple[str, ast.Call]]:
    """Each call with the innermost function that it stands in."""
    for child in ast.iter_child_nodes(tree):
        name = child.name if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) else inside
        if isinstance(child, ast.Call):
            yield name, child
        yield from calls(child, name)


def sleeps(call: ast.Call) -> bool:
    """`time.sleep(…)`, `sleep(…)`, and an event's `wait` that nobody else can know of: `Event().wait(…)`."""
    what = call.func
    if isinstance(what, ast.Name):
        return what.id == "sleep"
    if not isinstance(what, ast.Attribute):
        return False
    own = what.attr == "wait" and isinstance(what.value, ast.Call) and ast.unparse(what.value.func).endswith("Event")
    return own or ast.unparse(what) == "time.sleep"


def trees() -> Iterator[tuple[str, ast.AST]]:
    for path in sorted(TESTS.rglob("*.py")):
        yield path.relative_to(TESTS).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def test_none_sleeps_but_for_a_reason() -> None:
    found = {f"{file}::{name}" for file, tree in trees() for name, call in calls(tree) if sleeps(call)}
    assert found == set(MAY_SLEEP)


def literals() -> Iterator[frozenset[Any]]:
    """The values of each answer that a rule can give."""
    for module in (study, compare, drift, rule):
        for value in vars(module).values():
            if get_origin(value) is typing.Literal:
                yield frozenset(get_args(value))
    yield frozenset(get_args(typing.get_type_hints(study.Verdict)["decision"]))


def test_none_accepts_every_answer_there_is() -> None:
    answers = set(literals())
    assert frozenset(("apply", "keep")) in answers and len(answers) >= 5
    lax = []
    for file, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In):
                taken = node.comparators[0]
                elements = taken.elts if isinstance(taken, ast.Tuple | ast.Set | ast.List) else []
                values = {one.value for one in elements if isinstance(one, ast.Constant)}
                if any(values >= every for every in answers):
                    lax.append(f"{file}:{node.lineno}")
    assert lax == []
