"""Finds the Python that ComfyUI runs in, by reading files.

ComfyUI has no start script of its own that would name one. So the places are tried in this order: what the launch file
names; what the program that starts it uses; a virtual environment in its folder, then one beside it; the environment
that is active, the conda environments, the Python on the PATH, where ComfyUI's own requirements are installed; at last
a running ComfyUI's own.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from autotune.machine.python_packages import package_version
from autotune.webui.comfyui.hosts import Host

INSIDE = ("venv", ".venv", "env", ".env")
"""What environments in an install's folder are called."""
FRONTEND = "comfyui_frontend_package"
"""ComfyUI's page, a package that it requires since 2025 and nothing else does."""
OLDER_MARK = "torchsde"
"""A package that ComfyUI requires since 2023."""
_PROGRAM = r"[\\/](?:pythonw?(?:\.exe)|bin[\\/]python[\d.]*|activate(?:\.bat)?)"
_NAMED = re.compile(
    rf"""(?im)^(?![ \t]*@?(?:rem\b|::|\#)).*?"""
    rf"""(?:"(?P<quoted>[^"\r\n]*{_PROGRAM})"|(?P<bare>[^\s"'=]*{_PROGRAM})(?=[\s"']|$))""")
"""The first path of an interpreter, or of what activates an environment, in a line that is no comment."""


@dataclass(frozen=True, slots=True)
class Found:
    """The interpreter, None where there is none or where several may be meant; ``looked``: the places, in words as
    paths, that were tried."""

    python: Path | None
    looked: tuple[Path, ...]


def find(
    root: Path, host: Host, base: Path, environ: Mapping[str, str] | None = None, launch_file: Path | None = None
) -> Found:
    """The interpreter of the install at ``root`` whose models lie in ``base``, started by ``launch_file``.

    A link is not followed: its place is what makes an environment. One that has torch goes before one that has not.
    """
    environ = os.environ if environ is None else environ
    looked: list[Path] = []
    own = [python for python in _named_by(launch_file, root) if package_version(python, "torch")]
    own += _all_in(host.pythons, looked)
    folders = [place / name for place in dict.fromkeys((root, base)) for name in INSIDE]
    own += _all_in(folders, looked)
    with_torch = [python for python in own if package_version(python, "torch")]
    if own:
        return Found((with_torch or own)[0], tuple(looked))
    beside = (python for python in _all_in((root.parent / name for name in INSIDE), looked) if _fits(python, root))
    named = next(beside, None) or next(_active(root, environ, looked), None)
    if named is not None:
        return Found(named, tuple(looked))
    guesses = list(dict.fromkeys(_conda(root, environ, looked))) or list(_on_path(root, environ, looked))
    python = guesses[0] if len(guesses) == 1 else _of_running(root) if not guesses else None
    return Found(python, tuple(looked))


def in_folder(folder: Path) -> Path | None:
    """The interpreter of an environment or an embedded Python; the path itself where it is one."""
    if folder.is_file():
        return folder.absolute()
    for name in ("bin/python", "bin/python3", "Scripts/python.exe", "python.exe"):
        if (folder / name).is_file():
            return (folder / name).absolute()
    return None


def _named_by(launch_file: Path | None, root: Path) -> Iterator[Path]:
    """Interpreters, and environments by their activate, that a script of the owner's names and that are there."""
    if launch_file is None or launch_file.suffix.lower() not in (".bat", ".cmd", ".sh", ""):
        return
    try:
        text = launch_file.read_bytes()[:65_536].decode("utf-8", "replace")
    except OSError:
        return
    for found in _NAMED.finditer(text):
        said = re.sub(r"(?i)%~dp0|%cd%", "./", found["quoted"] or found["bare"])
        said = said if os.name == "nt" else said.replace("\\", "/")
        for folder in (launch_file.parent, root):
            place = Path(os.path.normpath(folder / said))
            python = in_folder(place.parent.parent) if "activate" in place.name.lower() else place
            if python is not None and python.is_file():
                yield python.absolute()
                break


def _all_in(folders: Iterable[Path], looked: list[Path]) -> Iterator[Path]:
    for folder in folders:
        looked.append(folder)
        python = in_folder(folder)
        if python is not None:
            yield python


def _fits(python: Path, root: Path) -> bool:
    """Whether ComfyUI's requirements were installed there: torch, and what nothing else would bring."""
    try:
        asked = (root / "requirements.txt").read_text(encoding="utf-8", errors="replace").lower()
    except OSError:
        asked = ""
    mark = FRONTEND if re.search(r"(?m)^comfyui[-_]frontend[-_]package", asked) else OLDER_MARK
    return package_version(python, "torch") is not None and package_version(python, mark) is not None


def _active(root: Path, environ: Mapping[str, str], looked: list[Path]) -> Iterator[Path]:
    """The environment that is active in this shell, as comfy-cli takes it; autotune's own has no torch."""
    folders = [Path(environ[name]) for name in ("VIRTUAL_ENV", "CONDA_PREFIX") if environ.get(name)]
    yield from (python for python in _all_in(folders, looked) if _fits(python, root))


def _conda(root: Path, environ: Mapping[str, str], looked: list[Path]) -> Iterator[Path]:
    """Those of conda's environments that fit; it lists all of them in one file of the home folder."""
    home = environ.get("USERPROFILE" if os.name == "nt" else "HOME")
    if not home:
        return
    try:
        lines = (Path(home) / ".conda" / "environments.txt").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    folders = (Path(line.strip()) for line in lines if line.strip())
    yield from (python for python in _all_in(folders, looked) if _fits(python, root))


def _on_path(root: Path, environ: Mapping[str, str], looked: list[Path]) -> Iterator[Path]:
    for name in ("python", "python3"):
        where = shutil.which(name, path=environ.get("PATH", ""))
        if where is not None:
            looked.append(Path(where))
            if _fits(Path(where), root):
                yield Path(where).absolute()
                return


def _of_running(root: Path) -> Path | None:
    """The interpreter of the ComfyUI that runs from this folder now."""
    import psutil

    from autotune.webui import running

    for one in running.web_uis(root):
        try:
            line = psutil.Process(one.pid).cmdline() if one.certain else []
        except (psutil.Error, OSError):
            continue
        # The name that it was called by, not the program behind: that is what makes it an environment's.
        path = Path(line[0]) if line else Path()
        if path.is_absolute() and path.is_file() and "python" in path.name.lower():
            return path
    return None


