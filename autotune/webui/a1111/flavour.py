"""Tells which web UI (flavour) lies in a folder, from the install's own files.

Forges say what they are in modules_forge/forge_version.py: "neo" and "classic" are Haoming02's; f2.0.1v1.10.1 and
1.0.2v1.10.1, with backend/, are the Forge since August 2024; 0.0.17v1.8.0rc is the one before; reForge counts on from
1 (1.3.5-v1.10.1RC, 2.0.0dev-v1.10.1RC) and kept ldm_patched/. SD.Next has marks of the amdgpu fork too, and so have
Forges for AMD cards: what stands further up in ``flavour`` decides.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from autotune.webui.reference import is_reference

LAUNCH_FILES = ("webui-user.sh", "webui-user.bat")
PACKAGE = "environment.bat"
CONTAINER = ("CLI_ARGS", "WEBUI_ARGS")
"""Variables that docker images take the flags from."""
_COMPOSE = ("docker-compose.yml", "docker-compose.yaml", "compose.yml", "compose.yaml", "Dockerfile", ".env")
_AMD = ("zluda.py", "zluda_installer.py", "dml")
_A1111 = ("cmd_args.py", "shared.py")


def flavour(root: Path, environ: Mapping[str, str] | None = None) -> str:
    """The web UI in a folder: a1111, reference, reforge, amdgpu, forge, forge2, forge-neo, sdnext, docker or unknown.

    Never raises for what the folder holds; what cannot be read counts as absent. ``docker``: no install but a compose
    file, or one without a launch file, whose flags come from the container's environment (``container``).
    """
    if not (root / "launch.py").is_file():
        return "docker" if _compose(root) else "unknown"
    if container(environ) and not any((root / name).is_file() for name in LAUNCH_FILES):
        return "docker"
    if is_reference(root):
        return "reference"
    if (root / "installer.py").is_file():
        return "sdnext"
    if (root / "modules_forge").is_dir():
        return _forge(root)
    if any((root / "modules" / name).exists() for name in _AMD):
        return "amdgpu"
    return "a1111" if any((root / "modules" / name).is_file() for name in _A1111) else "unknown"


def packaged(root: Path) -> Path | None:
    """The file that sets the variables of a ready-made Windows package before its web UI is started; None elsewhere.

    A1111's sd.webui.zip, and those of the Forges, hold run.bat, environment.bat, system (Python and git) and webui:
    run.bat calls environment.bat, then webui-user.bat in the folder webui.
    """
    above = root.parent
    ready_made = (above / "run.bat").is_file() or (above / "system").is_dir()
    return above / PACKAGE if ready_made and (above / PACKAGE).is_file() else None


def forge_version(root: Path) -> str | None:
    """The version that a Forge or a descendant of it states; None for others."""
    found = re.search(r"""version[^=\n]*=\s*['"]([^'"]+)['"]""", _text(root / "modules_forge" / "forge_version.py"))
    return found[1] if found else None


def container(environ: Mapping[str, str] | None = None) -> str:
    """The variable that a docker image takes the flags from; '' outside of such a container."""
    environ = os.environ if environ is None else environ
    return next((name for name in CONTAINER if environ.get(name)), "")


def _forge(root: Path) -> str:
    version = (forge_version(root) or "").lower()
    old, new = (root / "ldm_patched").is_dir(), (root / "backend").is_dir()
    if "neo" in version or "classic" in version:
        return "forge-neo" if new and "neo" in version else "unknown"
    if old and _says_reforge(root):
        return "reforge"
    if not re.match(r"f?\d", version):
        return "unknown"
    if new:
        return "forge2"
    if not old:
        return "unknown"
    return "forge" if version.startswith("0.") else "reforge"


def _says_reforge(root: Path) -> bool:
    """Whether its README's title, or the address it was cloned from, names reForge."""
    title = next((line for line in _text(root / "README.md").splitlines() if line.startswith("#")), "")
    return "reforge" in title.lower() or "reforge" in _text(root / ".git" / "config").lower()


def _compose(root: Path) -> bool:
    return any(re.search(r"\b(?:CLI_ARGS|WEBUI_ARGS)\b", _text(root / name)) for name in _COMPOSE)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(65_536).decode("utf-8", "replace")
    except OSError:
        return ""
