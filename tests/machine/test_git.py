"""Commit and tag read from files; the real git is the judge."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.machine.git import head_commit, head_tag
from autotune.model.versions import version_numbers, version_order
from tests.webui.installs import git, repository, write


def test_a_plain_checkout(tmp_path: Path) -> None:
    here = repository(tmp_path)
    assert head_commit(tmp_path) == here
    assert head_tag(tmp_path) is None
    git(tmp_path, "tag", "v1.0")
    assert head_tag(tmp_path) == "v1.0"


def test_packed_refs_with_an_annotated_tag(tmp_path: Path) -> None:
    here = repository(tmp_path)
    git(tmp_path, "tag", "-a", "v2.0.1-a", "-m", "release")
    git(tmp_path, "pack-refs", "--all")
    assert not (tmp_path / ".git/refs/heads/master").exists()
    assert head_commit(tmp_path) == here
    assert head_tag(tmp_path) == "v2.0.1-a"


def test_detached_head_and_a_newer_loose_ref(tmp_path: Path) -> None:
    first = repository(tmp_path)
    git(tmp_path, "pack-refs", "--all")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "two")
    second = git(tmp_path, "rev-parse", "HEAD")
    assert head_commit(tmp_path) == second != first
    git(tmp_path, "checkout", "-q", first)
    assert head_commit(tmp_path) == first


def test_a_linked_worktree(tmp_path: Path) -> None:
    repository(tmp_path / "main")
    git(tmp_path / "main", "tag", "v3")
    git(tmp_path / "main", "worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    git(tmp_path / "side", "commit", "-q", "--allow-empty", "-m", "side")
    assert head_commit(tmp_path / "side") == git(tmp_path / "side", "rev-parse", "HEAD")
    assert head_tag(tmp_path / "side") is None and head_tag(tmp_path / "main") == "v3"


def test_no_or_broken_checkouts_are_none(tmp_path: Path) -> None:
    assert head_commit(tmp_path) is None and head_tag(tmp_path) is None
    write(tmp_path / "a/.git/HEAD", "ref: refs/heads/gone\n")
    write(tmp_path / "b/.git/HEAD", "nonsense")
    write(tmp_path / "c/.git", "gitdir: /nowhere/at/all\n")
    write(tmp_path / "d/.git/HEAD", "ref: HEAD\n")
    assert [head_commit(tmp_path / name) for name in "abcd"] == [None] * 4


@pytest.mark.parametrize(("tags", "highest"), [
    (("v1.9.0", "v1.10.0"), "v1.10.0"), (("v1.10.0-RC", "v1.10.0", "v1.9.4"), "v1.10.0"),
    (("nightly", "latest", "v0.9"), "v0.9"), (("v2.0.1-a", "v2.0.0-a", "v1.13.1"), "v2.0.1-a"),
    (("release/1.2", "1.11.0", "1.2.0"), "1.11.0"), (("a", "b"), "b"),
])
@pytest.mark.parametrize("packed", [False, True])
def test_the_highest_of_several_tags(tmp_path: Path, tags: tuple[str, ...], highest: str, packed: bool) -> None:
    repository(tmp_path)
    for name in tags:
        git(tmp_path, "tag", name)
    if packed:
        git(tmp_path, "pack-refs", "--all")
    assert head_tag(tmp_path) == highest


@given(st.lists(st.tuples(*[st.integers(0, 30)] * 3), min_size=2, unique=True))
def test_versions_are_ordered_by_their_numbers(versions: list[tuple[int, int, int]]) -> None:
    names = [f"v{a}.{b}.{c}" for a, b, c in versions]
    assert [version_numbers(name) for name in sorted(names, key=version_order)] == sorted(versions)


def test_refs_in_a_table_are_never_guessed(tmp_path: Path) -> None:
    """Left-over files of refs are no answer; what cannot be read is none, and where git reads it, it is git's."""
    here = repository(tmp_path)
    git(tmp_path, "tag", "v1.9.0")
    git(tmp_path, "pack-refs", "--all")
    write(tmp_path / ".git/HEAD", "ref: refs/heads/.invalid\n")
    assert head_commit(tmp_path) is None and head_tag(tmp_path) is None
    write(tmp_path / ".git/HEAD", f"{here}\n")
    write(tmp_path / ".git/reftable/tables.list", "0x000000000001-0x000000000001-00000001.ref\n")
    git(tmp_path, "config", "core.repositoryFormatVersion", "1")
    git(tmp_path, "config", "extensions.refStorage", "reftable")
    assert head_commit(tmp_path) is None and head_tag(tmp_path) is None


def test_a_checkout_that_keeps_its_refs_in_a_table(tmp_path: Path) -> None:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    words = ["git", "init", "-q", "--ref-format=reftable", str(tmp_path)]
    made = subprocess.run(words, capture_output=True, check=False)
    if made.returncode:
        pytest.skip("this git knows no reftable")
    git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "one")
    for name in ("v1.9.0", "v1.10.0"):
        git(tmp_path, "tag", name)
    assert head_commit(tmp_path) == git(tmp_path, "rev-parse", "HEAD") and head_tag(tmp_path) == "v1.10.0"
    linked = tmp_path.parent / f"{tmp_path.name}-linked"
    git(tmp_path, "worktree", "add", "-q", "--detach", str(linked))
    assert head_commit(linked) == head_commit(tmp_path)
