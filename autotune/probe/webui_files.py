"""What lies in a web UI's data folder: settings, checkpoints, the AnimateDiff extension, motion modules."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from autotune.model.flagset import SettingValue
from autotune.model.machine import AnimateDiff, MotionModule
from autotune.probe import git
from autotune.probe.install import Install, flag_value

# Options of config.json that bear on speed, memory or the picture, with the web UI's own defaults.
# Only those that differ from their default are reported, so that a difference stands out.
RELEVANT: dict[str, SettingValue | None] = {
    "cross_attention_optimization": "Automatic",
    "batch_cond_uncond": True,
    "pad_cond_uncond": False,
    "pad_cond_uncond_v0": False,
    "persistent_cond_cache": True,
    "s_min_uncond": 0.0,
    "s_min_uncond_all": False,
    "skip_early_cond": 0.0,
    "token_merging_ratio": 0.0,
    "fp8_storage": "Disable",
    "cache_fp16_weight": False,
    "hypertile_enable_unet": False,
    "hypertile_enable_vae": False,
    "sd_vae_encode_method": "Full",
    "sd_vae_decode_method": "Full",
    "upcast_attn": False,
    "auto_vae_precision": True,
    "CLIP_stop_at_last_layers": 1,
    "live_previews_enable": True,
    "sd_model_checkpoint": None,
    "sd_vae": "Automatic",
    "animatediff_model_path": None,
}
_EXTENSIONS = ("sd-webui-animatediff", "sd-forge-animatediff")
_WEIGHTS = (".ckpt", ".safetensors", ".pth", ".pt", ".bin")


def read_options(path: Path, warnings: list[str]) -> dict[str, object]:
    """All options of a config.json; a missing file has none, an unreadable one is named in ``warnings``."""
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as fault:
        warnings.append(f"{path} cannot be read, so saved settings are unknown: {fault}")
        return {}
    return document if isinstance(document, dict) else {}


def relevant_settings(options: Mapping[str, object]) -> tuple[tuple[str, SettingValue], ...]:
    """The options that bear on tuning and differ from their default, by name."""
    found = []
    for name, usual in RELEVANT.items():
        value = options.get(name, usual)
        if value != usual and isinstance(value, bool | int | float | str):
            found.append((name, value))
    return tuple(sorted(found))


def animatediff(install: Install, options: Mapping[str, object], words: Sequence[str] = ()) -> AnimateDiff | None:
    """The AnimateDiff extension and the motion modules it would find; None if it is not installed.

    A folder is the extension if it has scripts/animatediff.py; disabled extensions count as missing, by a setting or
    by a flag among ``words``.
    """
    if "--disable-all-extensions" in words or "--disable-extra-extensions" in words:
        return None
    disabled = options.get("disabled_extensions")
    off = {str(name) for name in disabled} if isinstance(disabled, list) else set()
    if options.get("disable_all_extensions") in ("all", "extra"):
        return None
    for root in _extension_folders(install):
        if root.name in off or not (root / "scripts" / "animatediff.py").is_file():
            continue
        return AnimateDiff(
            root=root,
            version=git.tag(root) or _stated_version(root) or _documented_version(root),
            commit=git.commit(root),
            motion_modules=tuple(_motion_modules(root, install, options)),
        )
    return None


def extensions(install: Install) -> tuple[tuple[str, str], ...]:
    """(name, commit or "") of every installed extension, built-in ones left out."""
    return tuple((path.name, git.commit(path) or "") for path in _folders(install.data / "extensions"))


def checkpoints(install: Install, words: Sequence[str]) -> tuple[Path, ...]:
    """Checkpoint files the web UI would list: models/Stable-diffusion, ``--ckpt-dir`` and ``--ckpt``.

    Forges take models from another web UI's folder, ``--forge-ref-a1111-home``: launch.py adds its folders as
    ``--ckpt-dir`` and so on, unless that very word is given.
    """
    models = flag_value(words, "--models-dir")
    base = (install.root / models) if models else install.data / "models"
    folders = [base / "Stable-diffusion"]
    extra, single = flag_value(words, "--ckpt-dir"), flag_value(words, "--ckpt")
    home = flag_value(words, "--forge-ref-a1111-home", install.flavour)
    if home and "--ckpt-dir" not in words and (install.root / home / "models/Stable-diffusion").exists():
        extra = str(Path(home) / "models" / "Stable-diffusion")
    if extra:
        folders.append(install.root / extra)
    found = [path for folder in folders for path in _files(folder, (".ckpt", ".safetensors"))]
    if single and (install.root / single).is_file():
        found.append(install.root / single)
    return tuple(dict.fromkeys(found))


def _extension_folders(install: Install) -> list[Path]:
    folders = _folders(install.data / "extensions")
    named = [folder for folder in folders if folder.name in _EXTENSIONS]
    alike = [folder for folder in folders if "animatediff" in folder.name.lower()]
    return list(dict.fromkeys((*named, *alike)))


def _motion_modules(root: Path, install: Install, options: Mapping[str, object]) -> list[MotionModule]:
    """Motion modules in the folder the extension reads: its option, else ``model`` beside its scripts."""
    said = options.get("animatediff_model_path")
    folder = install.root / said if isinstance(said, str) and said else root / "model"
    found = []
    for path in _files(folder, _WEIGHTS):
        try:
            found.append(MotionModule(path.name, path, path.stat().st_size))
        except OSError:
            continue
    return found


def _stated_version(root: Path) -> str | None:
    """The version that a ``version = "..."`` in one of its scripts states."""
    for path in sorted((root / "scripts").glob("*version*.py")):
        found = re.search(r"""version\s*=\s*['"]([^'"]+)['"]""", _read(path))
        if found:
            return found[1]
    return None


def _documented_version(root: Path) -> str | None:
    """The newest version that its documents name: the installed one or, rarely, a later one is meant."""
    text = "".join(_read(root / name) for name in ("docs/CHANGELOG.md", "CHANGELOG.md", "README.md"))
    versions = re.findall(r"\bv(\d+\.\d+\.\d+(?:-[a-z]+)?)\b", text)
    return max(versions, key=lambda one: [int(part) for part in re.findall(r"\d+", one)], default=None)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _folders(parent: Path) -> list[Path]:
    try:
        return sorted(path for path in parent.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError:
        return []


def _files(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    try:
        return sorted(one for one in folder.rglob("*") if one.suffix.lower() in suffixes and one.is_file())
    except OSError:
        return []
