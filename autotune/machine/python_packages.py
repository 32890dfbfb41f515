"""What an interpreter and its packages are, told from files alone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

_APPENDED = re.compile(r"""import sys; sys\.path\.append\(('(?:[^'\\]|\\.)*')\)""")
"""How the reference web UI's installs spell a folder beyond ASCII in a .pth file."""


def version(python: Path) -> str | None:
    """The interpreter's version as pyvenv.cfg states it, else as its library folder's name does."""
    config = _pyvenv(python)
    if config:
        stated = config.get("version") or config.get("version_info")
        if stated:
            return ".".join(stated.split(".")[:3])
    for folder in site_packages(python):
        found = re.search(r"python(\d+\.\d+)", str(folder))
        if found:
            return found[1]
    for library in python.resolve().parent.glob("python3*.dll"):  # Windows: its folders tell no version
        found = re.fullmatch(r"python3(\d+)\.dll", library.name.lower())
        if found:
            return f"3.{found[1]}"
    return None


def site_packages(python: Path) -> tuple[Path, ...]:
    """The folders its packages lie in: its own, those that .pth files add, and the base's if it sees them."""
    config = _pyvenv(python)
    if config is None:
        real = python.resolve()
        prefixes = (real.parent.parent, python.parent.parent, real.parent)  # the last: Windows, no bin folder
        own = next((found for prefix in prefixes if (found := list(_under(prefix)))), [])
    else:
        own = list(_under(python.parent.parent))
    folders = [*own, *(added for folder in own for added in _added(folder))]
    if config and config.get("include-system-site-packages", "").lower() == "true" and "home" in config:
        home = Path(config["home"])
        folders += _under(home.parent if home.name in ("bin", "Scripts") else home)
    return tuple(dict.fromkeys(folders))


def package_version(python: Path, name: str) -> str | None:
    """The version of an installed package by its .dist-info folder; None if it is not installed."""
    pattern = re.compile(rf"{re.escape(name)}-([^-]+)\.dist-info", re.IGNORECASE)
    for folder in site_packages(python):
        try:
            names = sorted(path.name for path in folder.iterdir())
        except OSError:
            continue
        for entry in names:
            found = pattern.fullmatch(entry)
            if found:
                return found[1]
    return None


def _pyvenv(python: Path) -> dict[str, str] | None:
    for path in (python.parent.parent / "pyvenv.cfg", python.parent / "pyvenv.cfg"):
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        pairs = (line.partition("=") for line in lines if "=" in line)
        return {key.strip().lower(): value.strip() for key, _, value in pairs}
    return None


def _under(prefix: Path) -> Iterator[Path]:
    candidates = [prefix / "Lib" / "site-packages"]
    for lib in ("lib", "lib64"):
        for name in ("site-packages", "dist-packages"):
            candidates += sorted((prefix / lib).glob(f"python3*/{name}"))
    seen: set[Path] = set()
    for path in candidates:
        real = path.resolve()
        if path.is_dir() and real not in seen:
            seen.add(real)
            yield path


def _added(folder: Path) -> Iterator[Path]:
    """Folders that the .pth files of one site-packages folder add."""
    for path in sorted(folder.glob("*.pth")):
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        for line in map(str.strip, lines):
            spelled = _APPENDED.fullmatch(line)
            place = str(ast.literal_eval(spelled[1])) if spelled else line
            if place and not place.startswith(("#", "import ", "import\t")) and (folder / place).is_dir():
                yield folder / place
