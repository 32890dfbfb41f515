"""The documents name everything that the program has."""

import re
from pathlib import Path

import pytest

from autotune.flags.levels import DIMENSIONS
from autotune.model.study import Failure
from autotune.model.workload import SEARCH_LEVELS

DOCS = Path(__file__).resolve().parent.parent / "docs"


@pytest.mark.parametrize("dimension", sorted({*DIMENSIONS, *SEARCH_LEVELS}))
def test_every_dimension_and_level_is_told(dimension: str) -> None:
    text = (DOCS / "flags.md").read_text(encoding="utf-8")
    section = text.split(f"## `{dimension}`", 1)[1].split("\n## ", 1)[0]
    told = set(re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE))
    assert told == {*DIMENSIONS[dimension], *SEARCH_LEVELS.get(dimension, ())}


def test_no_other_dimension_is_told() -> None:
    text = (DOCS / "flags.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^## `([^`]+)`", text, re.MULTILINE)) == {*DIMENSIONS, *SEARCH_LEVELS}


def test_every_failure_class_is_told() -> None:
    text = (DOCS / "contract.md").read_text(encoding="utf-8")
    told = text.split("Failure classes of a trial:", 1)[1].split("\n\n", 1)[0]
    assert set(re.findall(r"`(\w+)`", told)) == set(Failure.__args__)
