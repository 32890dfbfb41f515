"""Loads the scripts of installed extensions as A1111 1.10.1 does: AnimateDiff, which is built in here, is left out."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from autotune.engine.clip import EXTENSION

if TYPE_CHECKING:
    from autotune.engine.webui import ReferenceWebUI


def folders(ui: ReferenceWebUI) -> list[Path]:
    """The extensions that flags and settings leave switched on, by name."""
    if ui.flags.disable_all_extensions or ui.flags.disable_extra_extensions:
        return []
    parent, off = ui.data / "extensions", ui.options.get("disabled_extensions")
    found = parent.iterdir() if parent.is_dir() else ()
    return sorted(path for path in found if path.is_dir() and path.name != EXTENSION and path.name not in off)


def load(ui: ReferenceWebUI) -> None:
    """Runs every ``scripts/*.py`` of them; one that fails is reported, and the start goes on."""
    scripts = [path for folder in folders(ui) for path in sorted((folder / "scripts").glob("*.py"))]
    if not scripts:
        return
    from autotune.engine import modules
    from autotune.engine.modules import script_callbacks, shared
    from autotune.engine.modules import scripts as loading

    for name, module in {"modules": modules, "modules.script_callbacks": script_callbacks, "modules.shared": shared,
                         "modules.scripts": loading}.items():
        sys.modules[name] = module
    shared.begin(ui.flags, ui.options, ui.state)
    before = list(sys.path)
    for path in scripts:
        folder = str(path.parent.parent)
        sys.path = [folder, *before]
        loading.set_basedir(folder)
        try:
            loading.register(_run(path))
        except Exception:  # noqa: BLE001 - as A1111: an extension's fault does not end the start
            print(f"*** Error loading script: {path.name}", file=sys.stderr)
            traceback.print_exc(file=sys.stderr)
        finally:
            sys.path = before
    script_callbacks.ui_settings_callback()


def _run(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
