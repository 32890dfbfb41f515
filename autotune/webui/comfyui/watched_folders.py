"""Lists the folders that the agent watches: what a result depends on can change in them."""

from __future__ import annotations

from pathlib import Path

from autotune.machine.python_packages import site_packages
from autotune.webui.comfyui import custom_nodes
from autotune.webui.comfyui.install import identify


def folders_of(root: Path, launch_file: Path | None, words: tuple[str, ...]) -> list[Path]:
    """The folders of an install, existing or not: code, models, custom nodes, packages, flags, extra folders."""
    install = identify(root, words, launch_file)
    places = install.folders
    found = [root, root / ".git", *places.of("checkpoints"), *places.of("custom_nodes")]
    found += [config.parent for config in places.configs]
    if launch_file is not None:  # it is another program's, in a folder of that program's
        found.append(launch_file.parent)
    nodes = custom_nodes.animatediff_folder(install)
    if nodes is not None:
        found += [nodes, nodes / ".git", *custom_nodes.module_folders(install, nodes)]
    if install.python is not None:
        found += site_packages(install.python)
    return list(dict.fromkeys(found))
