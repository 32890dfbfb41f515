"""Small ComfyUI installs, each as one of the programs lays it out that start ComfyUI; nothing in them runs."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.webui.installs import venv, write

VERSION = "0.26.0"
NODES = "ComfyUI-AnimateDiff-Evolved"
PACKAGES = {"torch": "2.7.0+cu128", "torchsde": "0.2.6", "comfyui_frontend_package": "1.33.10"}
TAKES = {
    "--listen": "?", "--port": "1", "--base-directory": "1", "--extra-model-paths-config": "+",
    "--output-directory": "1", "--temp-directory": "1", "--input-directory": "1", "--user-directory": "1",
    "--auto-launch": "0", "--disable-auto-launch": "0", "--cuda-device": "1", "--default-device": "1",
    "--preview-method": "1", "--disable-all-custom-nodes": "0", "--whitelist-custom-nodes": "+",
    "--windows-standalone-build": "0", "--disable-metadata": "0", "--enable-manager": "0", "--reserve-vram": "1",
    "--disable-api-nodes": "0", "--database-url": "1", "--front-end-root": "1", "--verbose": "?", "--log-stdout": "0",
}
"""Flags of its parser that no set of autotune's holds, and the words that each takes."""
GROUPS = (
    ("--cuda-malloc", "--disable-cuda-malloc"),
    ("--use-split-cross-attention", "--use-quad-cross-attention", "--use-pytorch-cross-attention",
     "--use-sage-attention", "--use-flash-attention"),
    ("--gpu-only", "--highvram", "--normalvram", "--lowvram", "--novram", "--cpu"),
    ("--cache-classic", "--cache-none"),
    ("--force-fp32", "--force-fp16"),
)
"""Flags of which a start takes one at most."""


@dataclass(frozen=True)
class Made:
    """An install that was made: its ``root``, the folder of its models, and what autotune's environment is then."""

    root: Path
    base: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    platform: str = sys.platform


def comfyui(root: Path, *, version: str = VERSION, nodes: bool = True, models: bool = True,
            base: Path | None = None, environment: str | None = "venv") -> Path:
    """A ComfyUI's own files, AnimateDiff-Evolved, a motion module and a checkpoint; ``environment``: a venv's place."""
    base = base or root
    for name in ("main.py", "nodes.py", "execution.py", "folder_paths.py"):
        write(root / name, "raise SystemExit('not to be started')\n")
    write(root / "comfy/cli_args.py", cli_args())
    write(root / "comfyui_version.py", f'# made by a build\n__version__ = "{version}"\n')
    write(root / "pyproject.toml", f'[project]\nname = "ComfyUI"\nversion = "{version}"\n')
    write(root / "requirements.txt", "comfyui-frontend-package==1.33.10\ntorch\ntorchsde\n")
    for name in ("models/checkpoints", "models/animatediff_models", "custom_nodes", "input", "output", "user"):
        (base / name).mkdir(parents=True, exist_ok=True)
    if nodes:
        animatediff(base / "custom_nodes" / NODES)
    if models:
        checkpoint(base / "models/checkpoints/sd15.safetensors")
        motion_module(base / "models/animatediff_models/mm_sd15_v3.safetensors")
    if environment is not None:
        venv(root / environment, PACKAGES, "3.12.10")
    return root


def cli_args(takes: Mapping[str, str] = TAKES, groups: Sequence[Sequence[str]] = GROUPS) -> str:
    """A parser in the manner of comfy/cli_args.py."""
    lines = ["import argparse", "", "parser = argparse.ArgumentParser()"]
    for name, words in takes.items():
        more = {"0": 'action="store_true"', "1": "type=str, default=None"}.get(words, f"type=str, nargs={words!r}")
        lines.append(f'parser.add_argument("{name}", {more}, help="…")')
    for number, names in enumerate(groups):
        lines.append(f"group_{number} = parser.add_mutually_exclusive_group()")
        lines += [f'group_{number}.add_argument("{name}", action="store_true", help="…")' for name in names]
    lines += ['parser.add_argument("--force-channels-last", action="store_true")',
              'parser.add_argument("--async-offload", nargs="?", const=2, type=int, default=None)',
              'parser.add_argument("--fast", nargs="*", choices=["fp16_accumulation", "fp8_matrix_mult", '
              '"cublas_ops", "autotune"])',
              "args = parser.parse_args()", ""]
    return "\n".join(lines)


def animatediff(folder: Path, version: str = "1.5.7") -> Path:
    """The nodes of AnimateDiff-Evolved, by the files that tell them."""
    write(folder / "__init__.py", "NODE_CLASS_MAPPINGS = {}\n")
    write(folder / "animatediff/nodes.py")
    write(folder / "animatediff/nodes_gen2.py")
    write(folder / "animatediff/model_injection.py")
    write(folder / "pyproject.toml",
          f'[project]\nname = "comfyui-animatediff-evolved"\nversion = "{version}"\n\n[tool.comfy]\nversion = "no"\n')
    (folder / "models").mkdir(exist_ok=True)
    return folder


def custom_node(folder: Path) -> Path:
    """Some other custom node."""
    write(folder / "__init__.py", "NODE_CLASS_MAPPINGS = {}\n")
    return folder


def safetensors(path: Path, shapes: Mapping[str, Sequence[int]]) -> Path:
    """A whole safetensors file of fp16 tensors, all zero; nothing of its data takes place on the disk."""
    head, at = {}, 0
    for name, shape in shapes.items():
        size = 2 * math.prod(shape)
        head[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(head).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + at)
    return path


BLOCK = "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
FIRST = "model.diffusion_model.input_blocks.0.0.weight"
VAE, TEXT = "first_stage_model.decoder.conv_in.weight", "cond_stage_model.transformer.text_model.final_layer_norm.bias"
CHECKPOINTS: dict[str, dict[str, tuple[int, ...]]] = {
    "sd15": {FIRST: (320, 4, 3, 3), BLOCK: (320, 768), VAE: (8,), TEXT: (8,)},
    "sd15 for inpainting": {FIRST: (320, 9, 3, 3), BLOCK: (320, 768), VAE: (8,), TEXT: (8,)},
    "sd15 without its text encoder": {FIRST: (320, 4, 3, 3), BLOCK: (320, 768), VAE: (8,)},
    "sd2": {FIRST: (320, 4, 3, 3), BLOCK: (320, 1024), VAE: (8,), TEXT: (8,)},
    "sdxl": {FIRST: (320, 4, 3, 3), VAE: (8,), "conditioner.embedders.0.x": (8,),
             "model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight": (640, 2048)},
    "flux": {"model.diffusion_model.double_blocks.0.img_attn.qkv.weight": (8, 8), VAE: (8,)},
}
"""Families of checkpoints, by the tensors that tell them apart; only the first is Stable Diffusion 1.5 as used."""


def checkpoint(path: Path, family: str = "sd15") -> Path:
    """A checkpoint of a family."""
    return safetensors(path, CHECKPOINTS[family])


def motion_module(path: Path, frames: int = 32, *, middle: bool = False, levels: int = 4,
                  more: Iterable[str] = ()) -> Path:
    """A motion module that takes so many frames; V2 ones have a middle block, those of SDXL three levels."""
    inside = "motion_modules.0.temporal_transformer.transformer_blocks.0.attention_blocks.0.pos_encoder.pe"
    shapes: dict[str, tuple[int, ...]] = {f"down_blocks.{level}.{inside}": (1, frames, 8) for level in range(levels)}
    shapes |= {f"mid_block.{inside}": (1, frames, 8)} if middle else {}
    return safetensors(path, shapes | dict.fromkeys(more, (8,)))


def clone(folder: Path) -> Made:
    """A git clone with a venv in it."""
    root = comfyui(folder / "ComfyUI")
    return Made(root, root)


def portable(folder: Path, spelled: str = "python_embeded") -> Made:
    """The Windows package: its Python and run files beside the folder ComfyUI."""
    above = folder / "ComfyUI_windows_portable"
    root = comfyui(above / "ComfyUI", environment=None)
    embedded(above / spelled)
    words = ".\\python_embeded\\python.exe -s ComfyUI\\main.py --windows-standalone-build --preview-method auto"
    write(above / "run_nvidia_gpu.bat", f"{words}\r\npause\r\n")
    write(above / "run_cpu.bat", f"{words} --cpu\r\npause\r\n")
    write(above / "update/update_comfyui.bat", "@echo off\r\n")
    return Made(root, root)


def embedded(folder: Path) -> Path:
    """A Python as the Windows package brings it; where this system is another one, a script by that name."""
    for name, number in PACKAGES.items():
        (folder / "Lib/site-packages" / f"{name}-{number}.dist-info").mkdir(parents=True)
    python = write(folder / "python.exe", f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    python.chmod(0o755)
    return python


def stability_matrix(folder: Path, arguments: Sequence[Mapping[str, object]] = ()) -> Made:
    """A package of Stability Matrix, with a venv in it and shared models named by its extra_model_paths.yaml."""
    data = folder / "Data"
    root = comfyui(data / "Packages/ComfyUI", models=False)
    models = data / "Models"
    checkpoint(models / "StableDiffusion/sd15.safetensors")
    write(root / "extra_model_paths.yaml",
          f"stability_matrix:\n  checkpoints: {models / 'StableDiffusion'}\n  vae: {models / 'VAE'}\n")
    motion_module(root / "models/animatediff_models/mm_sd15_v3.safetensors")
    package = {"Id": "1", "DisplayName": "ComfyUI", "PackageName": "ComfyUI", "LaunchCommand": "main.py",
               "LibraryPath": "Packages\\ComfyUI", "LaunchArgs": list(arguments)}
    write(data / "settings.json", json.dumps({"Version": 1, "InstalledPackages": [package]}, indent=2))
    return Made(root, root)


def comfy_cli(folder: Path, extras: str = "") -> Made:
    """A workspace of comfy-cli."""
    home = folder / "home"
    root = comfyui(home / "comfy/ComfyUI", environment=".venv")
    write(home / ".config/comfy-cli/config.ini",
          f"[DEFAULT]\nenable_tracking = False\ndefault_workspace = {root}\n"
          + (f"default_launch_extras = {extras}\n" if extras else ""))
    return Made(root, root, {"HOME": str(home), "USERPROFILE": str(home)}, "linux")


def desktop_1(folder: Path, platform: str = "linux") -> Made:
    """Comfy Desktop 1: ComfyUI among the app's resources, all else in the folder that its owner chose."""
    home, base = folder / "home", folder / "Documents/ComfyUI"
    resources = folder / ("Applications/ComfyUI.app/Contents/Resources" if platform == "darwin"
                          else "Programs/ComfyUI/resources")
    write(resources / "app.asar")
    root = comfyui(resources / "ComfyUI", base=base, environment=None)
    venv(base / ".venv", PACKAGES, "3.12.10")
    environ = {"HOME": str(home), "USERPROFILE": str(home)}
    data = home / ".config/ComfyUI"
    if platform == "win32":
        data = home / "AppData/Roaming/ComfyUI"
        environ |= {"APPDATA": str(data.parent), "LOCALAPPDATA": str(folder)}
    elif platform == "darwin":
        data = home / "Library/Application Support/ComfyUI"
    write(data / "config.json", json.dumps({"installState": "installed", "basePath": str(base)}))
    write(data / "extra_models_config.yaml",
          '# ComfyUI extra_model_paths.yaml\ncomfyui_desktop:\n  is_default: "true"\n  custom_nodes: custom_nodes/\n'
          f"  download_model_base: models\n  base_path: {base}\ndesktop_extensions:\n"
          f"  custom_nodes: {root / 'custom_nodes'}\n")
    custom_node(root / "custom_nodes/ComfyUI-Manager")
    return Made(root, base, environ, platform)


def desktop_2(folder: Path, *, adopted: bool = False, shared: bool = True) -> Made:
    """An install of Comfy Desktop 2; ``adopted``: taken over from Comfy Desktop 1, whose folder it keeps."""
    home, place = folder / "home", folder / "ComfyUI-Installs/ComfyUI"
    base = folder / "Documents/ComfyUI" if adopted else place / "ComfyUI"
    root = comfyui(place / "ComfyUI", base=base, models=not shared, environment=None if adopted else ".venv")
    record: dict[str, object] = {
        "id": "inst-1", "name": "ComfyUI", "installPath": str(place), "sourceId": "standalone", "status": "installed",
        "launchArgs": "--port 8000 --enable-manager", "useSharedModels": shared, "useSharedInputOutput": shared}
    data = home / ".local/share/comfyui-desktop-2"
    if adopted:
        python = venv(base / ".venv", PACKAGES, "3.12.10")
        record |= {"adopted": True, "adoptedBaseDir": str(base), "adoptedPythonPath": str(python)}
    if shared:
        models = folder / "ComfyUI-Shared/models"
        checkpoint(models / "checkpoints/sd15.safetensors")
        motion_module(models / "animatediff_models/mm_sd15_v3.safetensors")
        write(data / "shared_model_paths.yaml",
              f"comfy.desktop_0:\n  base_path: '{models}'\n  is_default: true\n  'checkpoints': 'checkpoints/'\n"
              "  'controlnet': |-\n    controlnet/\n    t2i_adapter/\n  'animatediff_models': 'animatediff_models/'\n")
        write(home / ".config/comfyui-desktop-2/settings.json", json.dumps(
            {"inputDir": str(folder / "ComfyUI-Shared/input"), "outputDir": str(folder / "ComfyUI-Shared/output")}))
    cloud = {"id": "cloud", "name": "Comfy Cloud", "installPath": "", "sourceId": "cloud"}
    write(data / "installations.json", json.dumps([cloud, record], indent=2))
    return Made(root, base, {"HOME": str(home), "USERPROFILE": str(home)}, "linux")


HOSTS = {"": clone, "portable": portable, "stability-matrix": stability_matrix, "comfy-cli": comfy_cli,
         "desktop 1": desktop_1, "desktop 2": desktop_2}
"""Who starts an install -> how such a one is made."""
