"""The documents name everything that the program has."""

import importlib
import re
from pathlib import Path
from typing import get_args

import click
import pytest

from autotune.cli.common_options import GLOBAL_OPTIONS
from autotune.cli.main import VERBS, module_of
from autotune.model.study import Failure
from autotune.model.workload import SEARCH_LEVELS
from autotune.webui.a1111.flags.levels import DIMENSIONS
from tests import flag_list

DOCS = Path(__file__).resolve().parent.parent / "docs"


@pytest.mark.parametrize("dimension", sorted({*DIMENSIONS, *SEARCH_LEVELS}))
def test_every_dimension_and_level_is_told(dimension: str) -> None:
    text = (DOCS / "flags.md").read_text(encoding="utf-8")
    section = text.split(f"## `{dimension}`", 1)[1].split("\n## ", 1)[0]
    told = set(re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE))
    assert told == {*DIMENSIONS.get(dimension, ()), *SEARCH_LEVELS.get(dimension, ())}


def test_no_other_dimension_is_told() -> None:
    text = (DOCS / "flags.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^## `([^`]+)`", text, re.MULTILINE)) == {*DIMENSIONS, *SEARCH_LEVELS}


def test_every_failure_class_is_told() -> None:
    text = (DOCS / "contract.md").read_text(encoding="utf-8")
    told = text.split("Failure classes of a trial:", 1)[1].split("\n\n", 1)[0]
    assert set(re.findall(r"`(\w+)`", told)) == set(get_args(Failure))


def test_every_verb_is_told() -> None:
    text = (DOCS / "contract.md").read_text(encoding="utf-8")
    table = text.split("## Verbs", 1)[1].split("\n\n", 2)[1]
    told = {word.split()[0] for row in table.splitlines()[2:] for word in re.findall(r"`([^`]+)`", row.split("|")[1])}
    assert set(VERBS) <= told


@pytest.mark.parametrize("verb", ["tune", "apply", "rollback", "verify"])
def test_every_option_of_the_main_verbs_is_told(verb: str) -> None:
    text = (DOCS / "contract.md").read_text(encoding="utf-8").split("## JSON", 1)[0]
    room = importlib.import_module(module_of(verb))
    command = next(one for one in vars(room).values() if isinstance(one, click.Command) and one.name == verb)
    shown = [one for one in command.params if isinstance(one, click.Option) and not one.hidden
             and one not in GLOBAL_OPTIONS]
    missing = [one.name for one in shown if not any(word in text for word in one.opts)]
    assert not missing


def test_every_room_is_told() -> None:
    package = DOCS.parent / "autotune"
    rooms = {path.parent.name for path in package.glob("*/__init__.py")}
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)/` \|", text, re.MULTILINE)) == rooms


def test_every_known_flag_is_told_with_its_reason() -> None:
    page = (DOCS / "flag-list.md").read_text(encoding="utf-8")
    assert page == flag_list.page(), "make it anew: see tests/flag_list.py"
