"""Lists the folders that the agent watches: what a result depends on can change in them."""

from __future__ import annotations

from pathlib import Path

from autotune.machine.python_packages import site_packages
from autotune.webui.a1111 import interpreter
from autotune.webui.a1111.install import settings_files


def folders_of(root: Path, launch_file: Path | None, words: tuple[str, ...]) -> list[Path]:
    """The folders of an install, existing or not: code, models, extensions, packages, settings."""
    found = [root, root / ".git", root / "models" / "Stable-diffusion", root / "models" / "VAE", root / "extensions"]
    try:
        extensions = [path for path in (root / "extensions").iterdir() if "animatediff" in path.name.lower()]
    except OSError:
        extensions = []
    for extension in extensions:
        found += [extension, extension / ".git", extension / "model"]
    python = interpreter.find(root, launch_file)
    if python is not None:
        found += site_packages(python)
    return [*found, settings_files(root, words)[0].parent]
