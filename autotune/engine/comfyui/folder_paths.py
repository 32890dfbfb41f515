"""Where models, custom nodes, pictures and results lie: ComfyUI's module of that name, as custom nodes use it."""

from __future__ import annotations

import argparse
import logging
import time
from pathlib import Path
from typing import Any

WEIGHTS = {".ckpt", ".pt", ".pt2", ".bin", ".pth", ".safetensors", ".pkl", ".sft"}
OF_MODELS: dict[str, tuple[str, ...]] = {
    "checkpoints": ("checkpoints",), "configs": ("configs",), "loras": ("loras",), "vae": ("vae",),
    "text_encoders": ("text_encoders", "clip"), "diffusion_models": ("unet", "diffusion_models"),
    "clip_vision": ("clip_vision",), "style_models": ("style_models",), "embeddings": ("embeddings",),
    "diffusers": ("diffusers",), "vae_approx": ("vae_approx",), "controlnet": ("controlnet", "t2i_adapter"),
    "gligen": ("gligen",), "upscale_models": ("upscale_models",),
    "latent_upscale_models": ("latent_upscale_models",), "hypernetworks": ("hypernetworks",),
    "photomaker": ("photomaker",), "classifiers": ("classifiers",), "model_patches": ("model_patches",),
    "audio_encoders": ("audio_encoders",), "background_removal": ("background_removal",),
    "frame_interpolation": ("frame_interpolation",), "geometry_estimation": ("geometry_estimation",),
    "optical_flow": ("optical_flow",), "detection": ("detection",),
}
"""Kinds of models, with the folders under models/ that are theirs."""
LEGACY = {"unet": "diffusion_models", "clip": "text_encoders"}
SAVED = ("checkpoints", "clip", "vae", "diffusion_models", "loras")
"""Kinds that are also looked for in the output folder."""

folder_names_and_paths: dict[str, tuple[list[str], set[str]]] = {}
base_path = models_dir = output_directory = temp_directory = input_directory = user_directory = ""


def begin(root: Path, args: argparse.Namespace) -> None:
    """Sets every folder from the flags; makes the input folder. Logs as ComfyUI does."""
    base = Path(args.base_directory).absolute() if args.base_directory else root
    models = base / "models"
    found: dict[str, Any] = {"base_path": base, "models_dir": models}
    found.update({f"{name}_directory": base / name for name in ("output", "temp", "input", "user")})
    globals().update({name: str(path) for name, path in found.items()})
    folder_names_and_paths.clear()
    for kind, names in OF_MODELS.items():
        folder_names_and_paths[kind] = ([str(models / name) for name in names], set(WEIGHTS))
    folder_names_and_paths["custom_nodes"] = ([str(base / "custom_nodes")], set())
    Path(input_directory).mkdir(parents=True, exist_ok=True)


def apply(args: argparse.Namespace) -> None:
    """The folders that flags give, after the files of further folders were read."""
    if args.base_directory:
        logging.info("Setting base directory to: %s", base_path)
    for name in ("output", "input", "user"):
        given = getattr(args, f"{name}_directory")
        if given:
            globals()[f"{name}_directory"] = str(Path(given).absolute())
            logging.info("Setting %s directory to: %s", name, globals()[f"{name}_directory"])
        if name == "output":
            for kind in SAVED:
                add_model_folder_path(kind, str(Path(output_directory) / kind))


def load_extra_path_config(path: str) -> None:
    """Reads a file of further folders (YAML): sections of kinds with a folder a line. Raises OSError, yaml's errors."""
    import importlib

    with Path(path).open(encoding="utf-8") as stream:
        sections = importlib.import_module("yaml").safe_load(stream)
    home = Path(path).absolute().parent
    for section in (sections or {}).values():
        if section is None:
            continue
        kinds = dict(section)
        base = kinds.pop("base_path", None)
        first = bool(kinds.pop("is_default", False))
        start = home / Path(base).expanduser() if base else home
        for kind, lines in kinds.items():
            for line in filter(None, str(lines).split("\n")):
                folder = _normal(start / line)
                logging.info("Adding extra search path %s %s", kind, folder)
                add_model_folder_path(kind, folder, first)


def _normal(path: Path) -> str:
    import os.path

    return os.path.normpath(path)


def set_temp_directory(folder: str) -> None:
    """The folder of temporary files."""
    globals()["temp_directory"] = folder


def get_output_directory() -> str:
    """The folder of what is saved."""
    return output_directory


def get_temp_directory() -> str:
    """The folder of temporary files: emptied at start and end."""
    return temp_directory


def get_input_directory() -> str:
    """The folder of pictures to load."""
    return input_directory


def get_user_directory() -> str:
    """The folder of settings and workflows."""
    return user_directory


def get_directory_by_type(kind: str) -> str | None:
    """The folder of output, temp or input."""
    return {"output": output_directory, "temp": temp_directory, "input": input_directory}.get(kind)


def add_model_folder_path(kind: str, folder: str, is_default: bool = False) -> None:
    """A further folder of a kind; ``is_default``: before the others."""
    kind = LEGACY.get(kind, kind)
    folders, _suffixes = folder_names_and_paths.setdefault(kind, ([], set()))
    if folder in folders:
        if not is_default:
            return
        folders.remove(folder)
    folders.insert(0 if is_default else len(folders), folder)


def get_folder_paths(kind: str) -> list[str]:
    """The folders of a kind."""
    return folder_names_and_paths[LEGACY.get(kind, kind)][0][:]


def get_filename_list(kind: str) -> list[str]:
    """Names of a kind's files, relative to its folders, sorted."""
    folders, suffixes = folder_names_and_paths[LEGACY.get(kind, kind)]
    found = set()
    for folder in map(Path, folders):
        for path in folder.rglob("*") if folder.is_dir() else ():
            if path.is_file() and (not suffixes or path.suffix.lower() in suffixes):
                found.add(str(path.relative_to(folder)))
    return sorted(found)


def get_full_path(kind: str, name: str) -> str | None:
    """The file of that name, None without one."""
    for folder in get_folder_paths(kind):
        path = Path(folder) / name
        if path.is_file():
            return str(path)
    return None


def get_full_path_or_raise(kind: str, name: str) -> str:
    """The file of that name. Raises FileNotFoundError."""
    path = get_full_path(kind, name)
    if path is None:
        raise FileNotFoundError(f"Model in folder '{kind}' with filename '{name}' not found.")
    return path


def get_annotated_filepath(name: str) -> str:
    """The file that a picture's name means: in the input folder, or in the one named in brackets after it."""
    for kind in ("output", "input", "temp"):
        if name.endswith(f"[{kind}]"):
            return str(Path(str(get_directory_by_type(kind))) / name[: -len(kind) - 2].rstrip())
    return str(Path(input_directory) / name)


def exists_annotated_filepath(name: str) -> bool:
    """Whether that file is there."""
    return Path(get_annotated_filepath(name)).exists()


def get_save_image_path(prefix: str, output_dir: str, width: int = 0,
                        height: int = 0) -> tuple[str, str, int, str, str]:
    """Where the next file with a prefix goes: folder, name, number, subfolder, prefix with its placeholders filled.

    Raises ValueError for a prefix that leads out of the folder.
    """
    now = time.localtime()
    values = {"width": str(width), "height": str(height), "year": str(now.tm_year), "month": f"{now.tm_mon:02}",
              "day": f"{now.tm_mday:02}", "hour": f"{now.tm_hour:02}", "minute": f"{now.tm_min:02}",
              "second": f"{now.tm_sec:02}"}
    for name, value in values.items():
        prefix = prefix.replace(f"%{name}%", value)
    whole = Path(_normal(Path(output_dir) / prefix))
    folder, name = whole.parent, whole.name
    if not folder.is_relative_to(Path(output_dir)):
        raise ValueError("**** ERROR: Saving image outside the output folder is not allowed.")
    folder.mkdir(parents=True, exist_ok=True)
    taken = [path.name[len(name) + 1 :].split(".")[0].split("_")[0] for path in folder.iterdir()
             if path.name.startswith(f"{name}_")]
    number = max((int(digits) for digits in taken if digits.isdigit()), default=0) + 1
    inside = folder.relative_to(output_dir).as_posix()
    return str(folder), name, number, "" if inside == "." else inside, prefix
