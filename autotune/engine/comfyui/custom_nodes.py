"""Imports custom nodes: every package and file in the folders of that name, as the flags allow."""

from __future__ import annotations

import importlib.util
import logging
import sys
import time
import traceback
from pathlib import Path

from autotune.engine.comfyui import folder_paths, nodes
from autotune.engine.comfyui.runtime import Runtime


def load_all() -> None:
    """Imports them and logs how long each took; one that fails is reported, and the start goes on."""
    args = Runtime.current.args
    if args.disable_all_custom_nodes and not args.whitelist_custom_nodes:
        return
    known, times = set(nodes.NODE_CLASS_MAPPINGS), []
    for folder in map(Path, folder_paths.get_folder_paths("custom_nodes")):
        # A folder that is not there ends the start, as in ComfyUI.
        for path in list(folder.iterdir()):
            if path.name == "__pycache__" or path.name.endswith(".disabled") or (
                    path.is_file() and path.suffix != ".py"):
                continue
            if args.disable_all_custom_nodes and path.name not in args.whitelist_custom_nodes:
                logging.info("Skipping %s due to disable_all_custom_nodes and whitelist_custom_nodes", path.name)
                continue
            began = time.perf_counter()
            loaded = load(path, known)
            times.append((time.perf_counter() - began, str(path), loaded))
    if times:
        logging.info("\nImport times for custom nodes:")
        for seconds, name, loaded in sorted(times):
            logging.info("%6.1f seconds%s: %s", seconds, "" if loaded else " (IMPORT FAILED)", name)
        logging.info("")


def load(path: Path, known: set[str]) -> bool:
    """Imports one; its nodes join the others, without those of a name that ComfyUI's own have."""
    name = str(path) if path.is_dir() else path.stem
    file = path / "__init__.py" if path.is_dir() else path
    module_name = name.replace(".", "_x_") if path.is_dir() else name
    try:
        spec = importlib.util.spec_from_file_location(module_name, file)
        if spec is None or spec.loader is None:
            raise ImportError(f"cannot import {file}")
        module = importlib.util.module_from_spec(spec)
        sys.modules[module_name] = module
        spec.loader.exec_module(module)
        found = getattr(module, "NODE_CLASS_MAPPINGS", None)
        if found is None:
            logging.warning("Skip %s module for custom nodes due to the lack of NODE_CLASS_MAPPINGS or "
                            "comfy_entrypoint (need one).", path)
            return False
        for kind, cls in found.items():
            if kind not in known:
                nodes.NODE_CLASS_MAPPINGS[kind] = cls
                cls.RELATIVE_PYTHON_MODULE = f"custom_nodes.{path.stem if path.is_file() else path.name}"
        nodes.NODE_DISPLAY_NAME_MAPPINGS.update(getattr(module, "NODE_DISPLAY_NAME_MAPPINGS", None) or {})
        web = getattr(module, "WEB_DIRECTORY", None)
        if web and (path / web).is_dir():
            nodes.EXTENSION_WEB_DIRS[path.name] = str((path / web).resolve())
    except Exception as error:  # noqa: BLE001 - as in ComfyUI: a custom node's fault does not end the start
        logging.warning("%s", traceback.format_exc())
        logging.warning("Cannot import %s module for custom nodes: %s", path, error)
        return False
    return True
