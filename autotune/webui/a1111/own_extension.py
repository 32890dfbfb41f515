"""What autotune installs into A1111's folder of extensions, and what the web UI may have saved because of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autotune.webui.a1111 import data_folder, install
from autotune.webui.a1111.flags import switches
from autotune.webui.a1111.flavour import flavour
from autotune.webui.face import OwnExtension

NAME = data_folder.OURS
TITLE = "autotune"
"""How its tab is called: the web UI saves that where its owner hides the tab or changes the order of tabs."""
SOURCE = Path(__file__).parent / "extension" / NAME
SWITCHES = (switches.FILE,)
"""Files that are installed on request alone."""
SWITCH_OPTIONS = tuple(switches.USUAL)
"""Options that those files register: saved by the web UI, and gone with the extension."""
KINDS = ("a1111", "reference", "reforge", "amdgpu", "forge", "forge2", "forge-neo")
"""Flavours that load extensions as A1111 does, with its callbacks."""
LISTS = {"disabled_extensions": NAME, "hidden_tabs": TITLE, "ui_tab_order": TITLE}
"""Options that hold a list in which the web UI may name the extension, or its tab."""


def of_install(root: Path, words: Sequence[str]) -> OwnExtension | None:
    """The extension for the install in ``root`` whose flags are ``words``; None where it loads none of this form."""
    if flavour(root) not in KINDS:
        return None
    files = {path.relative_to(SOURCE).as_posix(): path.read_bytes()
             for path in sorted(SOURCE.rglob("*")) if path.is_file() and "__pycache__" not in path.parts}
    return OwnExtension(
        folder=install.data_folder(root, words) / "extensions" / NAME,
        files={name: data for name, data in files.items() if name not in SWITCHES},
        switches={name: data for name, data in files.items() if name in SWITCHES},
        settings=install.settings_files(root, words)[0],
        traces=traces,
    )


def traces(options: Mapping[str, Any]) -> tuple[dict[str, list[Any]], tuple[str, ...]]:
    """What saved ``options`` hold because of the extension: lists without its name, and options to take out."""
    lists = {key: [one for one in options[key] if one != name]
             for key, name in LISTS.items() if isinstance(options.get(key), list) and name in options[key]}
    return lists, tuple(key for key in SWITCH_OPTIONS if key in options)
