"""Commit and tag of a git checkout, read from its files; git itself runs only where it alone can read them."""

from __future__ import annotations

import os
import re
from pathlib import Path

from autotune.disk.programs import HIDDEN
from autotune.model.versions import version_order

GIT_LIMIT = 5.0
"""Seconds that git may take to answer."""
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


def head_commit(root: Path) -> str | None:
    """The commit that HEAD of the checkout at ``root`` is on; None if it is no checkout or unreadable."""
    folder = git_folder(root)
    if folder is None:
        return None
    if _has_reftable(folder):
        said = _git_output(root, "rev-parse", "--verify", "--quiet", "HEAD")
        return said if said and _COMMIT.fullmatch(said) else None
    return _commit_of_ref(folder, "HEAD")


def head_tag(root: Path) -> str | None:
    """The (highest) tag that sits exactly on HEAD's commit; None if there is none.

    Annotated tags kept loose cannot be peeled without reading git objects and are not seen.
    """
    folder, here = git_folder(root), head_commit(root)
    if folder is None or here is None:
        return None
    if _has_reftable(folder):
        return max((_git_output(root, "tag", "--points-at", "HEAD") or "").split(), key=version_order, default=None)
    common = _shared_folder(folder)
    names = {path.relative_to(common / "refs/tags").as_posix() for path in _loose_tags(common, here)}
    packed = {name for name, at in _packed_refs(common).items() if at == here and name.startswith("refs/tags/")}
    names |= {name.removeprefix("refs/tags/") for name in packed}
    return max(names, key=version_order, default=None)


def git_folder(root: Path) -> Path | None:
    """The git directory of a checkout: ``.git``, or where a ``.git`` file (worktree, submodule) points."""
    dot = root / ".git"
    if dot.is_dir():
        return dot
    text = _file_text(dot)
    if text and text.startswith("gitdir:"):
        there = (root / text.removeprefix("gitdir:").strip()).resolve()
        return there if there.is_dir() else None
    return None


def _has_reftable(folder: Path) -> bool:
    """Whether refs are kept in git's newer store; plain files of refs are then left over from before, or made up."""
    return any((place / "reftable").is_dir() for place in (folder, _shared_folder(folder)))


def _git_output(root: Path, *words: str) -> str | None:
    """What git prints; None where there is no git, one that is too old, or one that does not trust the folder."""
    import subprocess  # not needed for an ordinary checkout, and `status` must be quick

    env = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE"):
        env.pop(name, None)  # of the checkout that autotune itself may be started from, by a hook
    try:
        done = subprocess.run(["git", "-C", str(root), *words], env=env, capture_output=True, encoding="utf-8",
                              errors="replace", stdin=subprocess.DEVNULL, timeout=GIT_LIMIT, check=False,
                              creationflags=HIDDEN)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _commit_of_ref(folder: Path, name: str, depth: int = 0) -> str | None:
    common = _shared_folder(folder)
    text = _file_text(folder / name) or _file_text(common / name)
    if text is None:
        return _packed_refs(common).get(name)
    if text.startswith("ref:") and depth < 5:
        return _commit_of_ref(folder, text.removeprefix("ref:").strip(), depth + 1)
    return text if _COMMIT.fullmatch(text) else None


def _shared_folder(folder: Path) -> Path:
    """The shared git directory of a linked worktree; the folder itself otherwise."""
    text = _file_text(folder / "commondir")
    return (folder / text).resolve() if text else folder


def _loose_tags(common: Path, here: str) -> list[Path]:
    tags = common / "refs" / "tags"
    return [path for path in tags.rglob("*") if _file_text(path) == here] if tags.is_dir() else []


def _packed_refs(common: Path) -> dict[str, str]:
    """Names and commits of packed-refs; an annotated tag gives the commit it was peeled to."""
    found: dict[str, str] = {}
    last = None
    for line in (_file_text(common / "packed-refs") or "").splitlines():
        if line.startswith("^") and last:
            found[last] = line[1:].strip()
        elif line and not line.startswith("#"):
            at, _, last = line.partition(" ")
            found[last] = at
    return found


def _file_text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip() if path.is_file() else None
    except OSError:
        return None
