"""Which room may import which, and that no two files import each other, told from the source alone."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from tests.source import imports

FLOORS = (
    {"language"},
    {"model", "secrets"},
    {"flags", "decide", "disk"},
    {"workload"},
    {"search", "config"},
    {"store", "launchfile", "machine"},
    {"webui"},
    {"measure", "trial"},
    {"install"},
    {"apply"},
    {"tune"},
    {"check"},
    {"overview"},
    {"report"},
    {"agent"},
    {"cli"},
    {"__main__"},
)
"""Rooms from the ground up; one imports rooms of lower floors only."""
APART = "engine"
"""The reference web UI: a program of its own, which imports nothing of autotune and is imported by nothing."""


def _room(module: str) -> str:
    return module.split(".")[1]


def _upward(found: dict[str, set[str]]) -> list[str]:
    floor = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
    wrong = []
    for module, targets in found.items():
        for target in targets:
            ours, theirs = (_room(one) if "." in one else "" for one in (module, target))
            if not ours or ours == theirs:
                continue
            if APART in (ours, theirs) or floor[theirs] >= floor[ours]:
                wrong.append(f"{module} imports {target}")
    return sorted(wrong)


def _circle(found: dict[str, set[str]]) -> list[str]:
    """The modules of one circle of imports, the first named again at the end; empty without one."""
    try:
        TopologicalSorter(found).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_rooms_import_only_what_is_below_them() -> None:
    assert _upward(imports()) == []


def test_every_room_has_its_floor() -> None:
    rooms = {_room(module) for module in imports() if "." in module}
    assert rooms == set().union(*FLOORS) | {APART}


def test_no_files_import_each_other() -> None:
    assert _circle(imports()) == []


def test_what_is_forbidden_is_found(tmp_path: Path) -> None:
    package = tmp_path / "autotune"
    for name, text in {
        "model/a.py": "def late():\n    from autotune.model import b\n",
        "model/b.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .a import x\n",
        "model/c.py": "from ..cli.d import y\n",
        "cli/d.py": "import autotune.engine.e\n",
        "engine/e.py": "",
    }.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    found = imports(package)
    assert set(_circle(found)) == {"autotune.model.a", "autotune.model.b"}
    assert _upward(found) == ["autotune.cli.d imports autotune.engine.e", "autotune.model.c imports autotune.cli.d"]
