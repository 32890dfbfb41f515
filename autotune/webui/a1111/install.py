"""Says what a web UI's folder holds: flavour, version, commit, launch file, settings files."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autotune.flags import argv
from autotune.language.translate import _
from autotune.machine import git
from autotune.webui.a1111 import layout
from autotune.webui.a1111.flags.known_flags import load
from autotune.webui.a1111.flavour import flavour as flavour_of
from autotune.webui.a1111.flavour import forge_version
from autotune.webui.find import check_folder


@dataclass(frozen=True, slots=True)
class Install:
    """What the files of a web UI's folder say. ``data``: where config.json, models and extensions lie."""

    root: Path
    data: Path
    flavour: str
    version: str | None
    commit: str | None
    launch_file: Path | None


def inspect(root: Path, words: Sequence[str] = (), file: Path | None = None) -> Install:
    """What the folder's files say; ``words`` (the launch file's) may move the data folder; ``file`` overrides
    the launch file. Starts nothing. Raises NothingToWorkOn if it is no web UI."""
    root = check_folder(root)
    flavour, version = identify(root)
    return Install(
        root=root,
        data=data_folder(root, words),
        flavour=flavour,
        version=version,
        commit=git.head_commit(root),
        launch_file=file or layout.user_file(root),
    )


def is_webui(path: Path) -> bool:
    """Whether a folder has launch.py, and modules or extensions beside it, as a web UI has."""
    try:
        has_parts = (path / "modules").is_dir() or (path / "extensions").is_dir()
        return has_parts and (path / "launch.py").is_file()
    except OSError:
        return False


def identify(root: Path) -> tuple[str, str | None]:
    """(flavour, version) from the install's own files: what it is as ``flavour.flavour`` tells, and its version.

    A program around it (Stability Matrix, Pinokio) changes where its flags are written, not what it is.
    """
    if (root / "modules_forge").is_dir():
        return flavour_of(root), forge_version(root)
    return flavour_of(root), changelog_version(root) or git.head_tag(root)


def changelog_version(root: Path) -> str | None:
    """The newest version of CHANGELOG.md: its first heading ``## 1.10.1``."""
    try:
        with (root / "CHANGELOG.md").open(encoding="utf-8", errors="replace") as lines:
            for line, _ in zip(lines, range(40), strict=False):
                found = re.match(r"#+\s*\[?v?(\d+\.\d+[\w.\-]*)", line)
                if found:
                    return found[1]
    except OSError:
        return None
    return None


def why_not_manageable(install: Install) -> str | None:
    """Why autotune would not tune this install; None if it would."""
    catalogue = load(install.flavour, install.version)
    if not catalogue.tuned:
        return catalogue.why_not
    if install.launch_file is None:
        name = "webui-user.bat" if sys.platform == "win32" else "webui-user.sh"
        return _("there is no {name} to write flags to").format(name=name)
    return None


def data_folder(root: Path, words: Sequence[str]) -> Path:
    """Where config.json, models and extensions lie: ``--data-dir``, else the web UI's folder."""
    given = flag_value(words, "--data-dir")
    return (root / given).absolute() if given else root


def settings_files(root: Path, words: Sequence[str]) -> tuple[Path, Path]:
    """The web UI's config.json and ui-config.json, which words may place elsewhere; they need not exist.

    Named by ``--ui-settings-file`` and ``--ui-config-file``, relative to the web UI's folder as the web UI itself takes
    them; else in the data folder.
    """
    data = data_folder(root, words)
    found = (flag_value(words, "--ui-settings-file"), flag_value(words, "--ui-config-file"))
    config, ui = (root / given if given else data / name
                  for given, name in zip(found, ("config.json", "ui-config.json"), strict=True))
    return config, ui


def flag_value(words: Sequence[str], name: str, flavour: str = "a1111") -> str | None:
    """The last value of flag ``name`` among argv words; it may be abbreviated there, or ``--name=VALUE``."""
    return argv.given(words, load(flavour).flags).get(name)
