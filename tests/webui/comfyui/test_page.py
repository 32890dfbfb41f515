"""What docs/comfyui.md says of flags, sets, and installs that are not written, against the program itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from autotune.webui.comfyui.flags import known_flags, levels, space
from autotune.webui.comfyui.hosts import CONTAINER
from autotune.webui.comfyui.isolation import LEFT_OUT
from autotune.workload import profile as profiles
from tests.webui.comfyui import installs
from tests.webui.comfyui.machines import CPU, NVIDIA, machine
from tests.webui.comfyui.own_parsers import NEWER, lay_out
from tests.webui.comfyui.test_words import said

PAGE = (Path(__file__).parents[3] / "docs" / "comfyui.md").read_text(encoding="utf-8")
TRIED = PAGE.split("## What is tried, and what is not", 1)[1].split("\n## ", 1)[0]
TRIAL = PAGE.split("## A trial leaves no trace", 1)[1].split("\n## ", 1)[0]
FLAG = re.compile(r"`(--[\w-]+)(?: ([\w-]+))?`")


def rows(kind: str) -> list[tuple[str, str]]:
    """(flag, member) of every flag in the rows of that kind."""
    found = [line.split("|")[2] for line in TRIED.splitlines() if line.startswith(f"| {kind}")]
    assert found
    return [pair for row in found for pair in FLAG.findall(row)]


def test_the_numbers_of_sets_are_those_of_the_profile() -> None:
    search = profiles.load("comfyui-default").search
    told = re.search(r"(\d+) sets on an NVIDIA card without further packages, (\d+) on a CPU", TRIED)
    counts = [len(space.build(machine(runtime=one), search).candidates) for one in (NVIDIA, CPU)]
    assert told and [int(one) for one in told.groups()] == counts


def test_a_flag_stands_in_the_row_of_what_is_done_with_it(tmp_path: Path) -> None:
    managed = known_flags.load(lay_out(tmp_path, NEWER)).managed(tuple(levels.LEVELS))
    written = {word for pair in levels.LEVELS.items() for level in pair[1] for word in levels.shown(pair[0], level)}
    named = {*rows("tried"), *rows("when a profile names it")}
    assert {flag for flag, _ in named} <= set(managed) and {one for pair in named for one in pair if one} <= written
    for flag, _ in rows("never"):
        assert flag not in written, flag


def test_what_the_profile_leaves_to_others_is_told() -> None:
    """Each dimension that takes a profile's naming has its row, by a flag of it or by its name in words."""
    search = dict(profiles.load("comfyui-default").search.dimensions)
    spoken = {"unet": "types of model", "vae": "VAE", "async_offload": "streams", "pinned_memory": "pinned",
              "smart_memory": "smart memory"}
    told = " ".join(line for line in TRIED.splitlines() if line.startswith("| when a profile names it"))
    for dimension in set(levels.LEVELS) - set(search):
        words = [word for level in levels.LEVELS[dimension] for word in levels.shown(dimension, level)]
        assert spoken.get(dimension, "?") in told or any(f"{word}`" in told for word in words), dimension


def test_flags_that_a_trial_changes_are_those_of_the_program(tmp_path: Path) -> None:
    known = set(known_flags.load(lay_out(tmp_path, NEWER)).flags) | set(LEFT_OUT)
    assert [flag for flag, _ in FLAG.findall(TRIAL) if flag not in known] == []


def test_the_variables_of_containers_are_named() -> None:
    assert [one for one in CONTAINER if f"`{one}`" not in PAGE] == []


@pytest.mark.slow
@pytest.mark.parametrize("beside", [(), ("docker-compose.yml", "environment:\n - CLI_ARGS=\n"), ("start.json", "{}")])
def test_what_is_not_written_is_printed(tmp_path: Path, beside: tuple[str, ...]) -> None:
    """A clone, Docker and Pinokio: each says where the flags go, and which."""
    assert "`apply` ends with exit code 5" in " ".join(PAGE.split())
    made = installs.clone(tmp_path / "install")
    if beside:
        (made.root.parent / beside[0]).write_text(beside[1], encoding="utf-8")
    done, text = said(made, tmp_path, "apply", "--flags", "--use-split-cross-attention", "--yes")
    assert done == 5 and "Its flags go here" in text and "Paste there" in text, text
