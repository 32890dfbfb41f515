"""Tells how this autotune was installed, and so by which command packages are added to it.

pipx and uv make an environment of their own, mostly without pip, and record in it what it was made from; they keep
what was added by the commands below when autotune is upgraded or installed again, and lose what was added otherwise.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

NAME = "autotune-webui"
"""What the package is called."""
PIPX, UV = "pipx_metadata.json", "uv-receipt.toml"
"""The file by which each of them knows an environment of its own."""


def how_to_add(packages: Sequence[str], prefix: Path | None = None, has_pip: bool | None = None) -> str:
    """The command that adds packages to this autotune, to be typed as it stands; raises nothing.

    ``prefix`` is the environment that it runs in, ``has_pip`` whether that has pip; both are looked up unless given.
    """
    prefix = Path(sys.prefix) if prefix is None else prefix
    if (prefix / PIPX).is_file():
        return typed(["pipx", "inject", NAME, *packages])
    if (prefix / UV).is_file():
        first, *others = _uv_requirements(prefix / UV)
        wanted = dict.fromkeys((*others, *packages))  # uv forgets what an earlier command added and this one does not
        return typed(["uv", "tool", "install", *(word for one in wanted for word in ("--with", one)), first])
    if importlib.util.find_spec("pip") is not None if has_pip is None else has_pip:
        return typed([sys.executable, "-m", "pip", "install", *packages])
    return typed(["uv", "pip", "install", "--python", sys.executable, *packages])


def _uv_requirements(receipt: Path) -> list[str]:
    """What uv's record says that a tool is made from, the tool itself first; only that where it cannot be read."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    try:
        rows = tomllib.loads(receipt.read_text(encoding="utf-8"))["tool"]["requirements"]
        found = [_uv_requirement(row) for row in rows]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        found = []
    return found or [NAME]


def _uv_requirement(row: dict[str, Any]) -> str:
    """One requirement of uv's record as it is said on the command line."""
    extras = f"[{','.join(row['extras'])}]" if row.get("extras") else ""
    place = next((str(row[key]) for key in ("path", "directory", "editable") if row.get(key)), "")
    if place:
        return f"{place}{extras}"
    address = row.get("url") or (f"git+{row['git']}" if row.get("git") else "")
    return f"{row['name']}{extras} @ {address}" if address else f"{row['name']}{extras}{row.get('specifier', '')}"


def typed(words: list[str]) -> str:
    """A command as it is typed into this system's shell."""
    if os.name != "nt":
        return shlex.join(words)
    from subprocess import list2cmdline

    return list2cmdline(words)
