"""Commit and tag read from files; the real git is the judge."""

from __future__ import annotations

from pathlib import Path

from autotune.probe.git import commit, tag
from tests.probe.installs import git, repository, write


def test_a_plain_checkout(tmp_path: Path) -> None:
    here = repository(tmp_path)
    assert commit(tmp_path) == here
    assert tag(tmp_path) is None
    git(tmp_path, "tag", "v1.0")
    assert tag(tmp_path) == "v1.0"


def test_packed_refs_with_an_annotated_tag(tmp_path: Path) -> None:
    here = repository(tmp_path)
    git(tmp_path, "tag", "-a", "v2.0.1-a", "-m", "release")
    git(tmp_path, "pack-refs", "--all")
    assert not (tmp_path / ".git/refs/heads/master").exists()
    assert commit(tmp_path) == here
    assert tag(tmp_path) == "v2.0.1-a"


def test_detached_head_and_a_newer_loose_ref(tmp_path: Path) -> None:
    first = repository(tmp_path)
    git(tmp_path, "pack-refs", "--all")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "two")
    second = git(tmp_path, "rev-parse", "HEAD")
    assert commit(tmp_path) == second != first
    git(tmp_path, "checkout", "-q", first)
    assert commit(tmp_path) == first


def test_a_linked_worktree(tmp_path: Path) -> None:
    repository(tmp_path / "main")
    git(tmp_path / "main", "tag", "v3")
    git(tmp_path / "main", "worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    git(tmp_path / "side", "commit", "-q", "--allow-empty", "-m", "side")
    assert commit(tmp_path / "side") == git(tmp_path / "side", "rev-parse", "HEAD")
    assert tag(tmp_path / "side") is None and tag(tmp_path / "main") == "v3"


def test_no_or_broken_checkouts_are_none(tmp_path: Path) -> None:
    assert commit(tmp_path) is None and tag(tmp_path) is None
    write(tmp_path / "a/.git/HEAD", "ref: refs/heads/gone\n")
    write(tmp_path / "b/.git/HEAD", "nonsense")
    write(tmp_path / "c/.git", "gitdir: /nowhere/at/all\n")
    write(tmp_path / "d/.git/HEAD", "ref: HEAD\n")
    assert [commit(tmp_path / name) for name in "abcd"] == [None] * 4
