"""Finds a web UI's folder and says what it is: flavour, version, commit, launch file."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from autotune.flags import argv
from autotune.flags.catalogue import load
from autotune.model.errors import NothingToWorkOn
from autotune.probe import git

ENVIRONMENT = "AUTOTUNE_WEBUI"
NAMES = (
    "stable-diffusion-webui", "stable-diffusion-webui-amdgpu", "stable-diffusion-webui-directml",
    "stable-diffusion-webui-reForge", "stable-diffusion-webui-forge", "sd.webui/webui", "webui", "sd-webui",
)
# Only installs of the reference web UI have this file; it names the device that its server uses.
REFERENCE_MARK = "reference-webui.json"
_HINT = "name the folder that holds launch.py with --webui DIR, or set AUTOTUNE_WEBUI"


@dataclass(frozen=True, slots=True)
class Install:
    """What the files of a web UI's folder say. ``data``: where config.json, models and extensions lie."""

    root: Path
    data: Path
    flavour: str
    version: str | None
    commit: str | None
    launch_file: Path | None


def find(option: Path | None, configured: Path | None) -> Path:
    """The web UI's folder: the option, else AUTOTUNE_WEBUI, else the configuration, else usual places.

    A folder that was named but is not a web UI is refused, never replaced by another one. Raises
    NothingToWorkOn.
    """
    said = os.environ.get(ENVIRONMENT)
    environment = Path(said) if said else None
    for path, source in ((option, "--webui"), (environment, ENVIRONMENT), (configured, "the config file")):
        if path is not None:
            return check(path.expanduser(), source)
    seen = list(dict.fromkeys(path.absolute() for path in usual_places()))
    for path in seen:
        if is_webui(path):
            return path
    raise NothingToWorkOn(f"no web UI found here nor in the {len(seen)} usual places", _HINT)


def check(path: Path, source: str = "--webui") -> Path:
    """``path`` made absolute, if it is a web UI's folder. Raises NothingToWorkOn."""
    path = path.absolute()
    if not path.is_dir():
        raise NothingToWorkOn(f"{path} ({source}) is not a folder", _HINT)
    if not is_webui(path):
        inside = next((one for one in (path / "webui", path / NAMES[0]) if is_webui(one)), None)
        hint = f"did you mean {inside}?" if inside else _HINT
        raise NothingToWorkOn(f"{path} ({source}) is no web UI: it has no launch.py with its modules", hint)
    return path


def is_webui(path: Path) -> bool:
    """Does this folder look like a web UI: launch.py, and modules or extensions beside it?"""
    try:
        has_parts = (path / "modules").is_dir() or (path / "extensions").is_dir()
        return has_parts and (path / "launch.py").is_file()
    except OSError:
        return False


def usual_places() -> Iterator[Path]:
    """The current folder and its parents, then common names in the home and a few usual folders."""
    here = Path.cwd()
    yield here
    yield from here.parents
    home = Path.home()
    bases = [here, home]
    bases += [home / name for name in ("Documents", "Desktop", "Downloads", "AI", "ai", "src", "git")]
    roots = ("C:/", "D:/", "E:/") if sys.platform == "win32" else ("/opt", "/srv")
    bases += [Path(name) for name in roots]
    for base in bases:
        for name in NAMES:
            yield base / name


def launch_file(root: Path) -> Path | None:
    """The file whose COMMANDLINE_ARGS the start script reads on this platform; None if there is none."""
    names = ("webui-user.bat",) if sys.platform == "win32" else ("webui-user.sh",)
    if sys.platform == "darwin":
        names = ("webui-user.sh", "webui-macos-env.sh")
    return next((root / name for name in names if (root / name).is_file()), None)


def inspect(root: Path, words: Sequence[str] = (), file: Path | None = None) -> Install:
    """What the folder's files say; ``words`` (the launch file's) may move the data folder; ``file`` overrides
    the launch file. Starts nothing. Raises NothingToWorkOn if it is no web UI."""
    root = check(root)
    flavour, version = identify(root)
    return Install(
        root=root,
        data=data_folder(root, words),
        flavour=flavour,
        version=version,
        commit=git.commit(root),
        launch_file=file or launch_file(root),
    )


def identify(root: Path) -> tuple[str, str | None]:
    """(flavour, version) from the install's own files; see ``autotune.flags.data/flavours.json``.

    A program around it (Stability Matrix, Pinokio) changes where its flags are written, not what it is: see
    ``autotune.launchfile.layout``.
    """
    if (root / "modules_forge").is_dir():
        flavour, version = _forge(root)
    elif (root / "installer.py").is_file() and (root / "modules").is_dir():
        flavour, version = "sdnext", changelog_version(root)
    elif (root / REFERENCE_MARK).is_file():
        flavour, version = "reference", changelog_version(root)
    elif (root / "modules" / "dml").is_dir() or (root / "modules" / "zluda.py").is_file():
        flavour, version = "amdgpu", changelog_version(root) or git.tag(root)
    elif (root / "modules" / "cmd_args.py").is_file():
        flavour, version = "a1111", changelog_version(root) or git.tag(root)
    else:
        flavour, version = "unknown", changelog_version(root) or git.tag(root)
    if launch_file(root) is None and (os.environ.get("CLI_ARGS") or os.environ.get("WEBUI_ARGS")):
        return "docker", version
    return flavour, version


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
        return f"there is no {name} to write flags to"
    return None


def data_folder(root: Path, words: Sequence[str]) -> Path:
    """Where config.json, models and extensions lie: ``--data-dir``, else the web UI's folder."""
    given = flag_value(words, "--data-dir")
    return (root / given).absolute() if given else root


def flag_value(words: Sequence[str], name: str) -> str | None:
    """The last value of flag ``name`` among argv words; it may be abbreviated there, or ``--name=VALUE``."""
    return argv.given(words, load("a1111").flags).get(name)


def _forge(root: Path) -> tuple[str, str | None]:
    """Forge and its descendants: ldm_patched is the old line, backend/ the new one."""
    version = _forge_version(root)
    if (root / "ldm_patched").is_dir():
        if version and "classic" in version:
            return "unknown", version
        return ("forge" if (version or "").startswith("0.") else "reforge"), version
    if (root / "backend").is_dir() and (version or "").startswith(("2.0", "f2")):
        return "forge2", version
    return ("forge-neo" if (root / "backend").is_dir() else "unknown"), version


def _forge_version(root: Path) -> str | None:
    try:
        text = (root / "modules_forge" / "forge_version.py").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    found = re.search(r"""version[^=\n]*=\s*['"]([^'"]+)['"]""", text)
    return found[1] if found else None
