"""Reads a web UI's data folder: saved settings, checkpoints, the AnimateDiff extension, motion modules, links."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autotune.language.translate import _
from autotune.machine import git
from autotune.machine.model_files import files
from autotune.model.flagset import SettingValue
from autotune.model.machine import AnimateDiff, MotionModule
from autotune.model.versions import version_order
from autotune.webui.a1111.flags import switches
from autotune.webui.a1111.install import Install, flag_value

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
    **switches.USUAL,
}
_EXTENSIONS = ("sd-webui-animatediff", "sd-forge-animatediff")
OURS = "sd-webui-autotune"
"""The extension that `autotune extension install` makes."""
MOTION_OPTION = "animatediff_model_path"
_WEIGHTS = (".ckpt", ".safetensors", ".pth", ".pt", ".bin")


@dataclass(frozen=True, slots=True)
class OptionsFault:
    """What is wrong with a config.json, in words; ``ends_a_start``: the web UI does not start with such a file."""

    text: str
    ends_a_start: bool = False


def read_options(path: Path, warnings: list[str]) -> dict[str, object]:
    """All options of a config.json; a missing file has none, an unreadable one is named in ``warnings``."""
    options, fault = _read_options(path)
    if fault is not None:
        warnings.append(fault.text)
    return options


def fault_of_options(path: Path) -> OptionsFault | None:
    """What is wrong with a config.json; None: nothing, or there is none."""
    return _read_options(path)[1]


def _read_options(path: Path) -> tuple[dict[str, object], OptionsFault | None]:
    try:
        data = path.read_bytes()
        document = json.loads(data.decode("utf-8-sig"))
    except FileNotFoundError:
        return {}, None
    except (OSError, ValueError) as fault:
        return {}, OptionsFault(
            _("{path} cannot be read, so saved settings are unknown: {fault}").format(path=path, fault=fault))
    if not isinstance(document, dict):
        return {}, OptionsFault(
            _("{path} holds no JSON object, so saved settings are unknown").format(path=path), ends_a_start=True)
    if data.startswith(codecs.BOM_UTF8):
        return document, OptionsFault(_("{path} begins with a byte order mark, which the web UI cannot read, so saved "
                                        "settings are unknown to it").format(path=path))
    return document, None


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
    off = _switched_off(options, words)
    if off is None:
        return None
    saved = options.get(MOTION_OPTION)
    option = saved if isinstance(saved, str) and saved else None
    for root in _extension_folders(install):
        if root.name in off or not (root / "scripts" / "animatediff.py").is_file():
            continue
        return AnimateDiff(
            root=root,
            version=git.head_tag(root) or _stated_version(root) or _documented_version(root),
            commit=git.head_commit(root),
            # Its option as it stands, else the folder beside its scripts.
            motion_modules=tuple(motion_modules(install.root / option if option else root / "model")),
            option=option,
        )
    return None


def has_switches(install: Install, options: Mapping[str, object], words: Sequence[str] = ()) -> bool:
    """Whether the web UI loads autotune's own extension with its switches of PyTorch."""
    off = _switched_off(options, words)
    return off is not None and OURS not in off and (install.data / "extensions" / OURS / switches.FILE).is_file()


def _switched_off(options: Mapping[str, object], words: Sequence[str]) -> set[str] | None:
    """Names of the extensions that a setting switches off; None: a setting or a flag does that with all of them."""
    if "--disable-all-extensions" in words or "--disable-extra-extensions" in words:
        return None
    if options.get("disable_all_extensions") in ("all", "extra"):
        return None
    disabled = options.get("disabled_extensions")
    return {str(name) for name in disabled} if isinstance(disabled, list) else set()


def extensions(install: Install) -> tuple[tuple[str, str], ...]:
    """(name, commit or "") of every installed extension, built-in ones and autotune's own left out.

    Ours changes nothing that a result depends on, so that installing or removing it makes none stale: its tab does
    nothing in a trial, and its switches are options, which are looked at by themselves.
    """
    return tuple((path.name, git.head_commit(path) or "") for path in _folders(install.data / "extensions")
                 if path.name != OURS)


def checkpoint_folder(install: Install, words: Sequence[str]) -> Path:
    """The web UI's own folder of checkpoints."""
    models = flag_value(words, "--models-dir")
    return ((install.root / models) if models else install.data / "models") / "Stable-diffusion"


def checkpoints(install: Install, words: Sequence[str]) -> tuple[Path, ...]:
    """Checkpoint files the web UI would list: models/Stable-diffusion, ``--ckpt-dir`` and ``--ckpt``.

    Forges take models from another web UI's folder, ``--forge-ref-a1111-home``: launch.py adds its folders as
    ``--ckpt-dir`` and so on, unless that very word is given.
    """
    folders = [checkpoint_folder(install, words)]
    extra, single = flag_value(words, "--ckpt-dir"), flag_value(words, "--ckpt")
    home = flag_value(words, "--forge-ref-a1111-home", install.flavour)
    if home and "--ckpt-dir" not in words and (install.root / home / "models/Stable-diffusion").exists():
        extra = str(Path(home) / "models" / "Stable-diffusion")
    if extra:
        folders.append(install.root / extra)
    found = [path for folder in folders for path in files(folder, (".ckpt", ".safetensors"))]
    if single and (install.root / single).is_file():
        found.append(install.root / single)
    return tuple(dict.fromkeys(found))


def _extension_folders(install: Install) -> list[Path]:
    folders = _folders(install.data / "extensions")
    named = [folder for folder in folders if folder.name in _EXTENSIONS]
    alike = [folder for folder in folders if "animatediff" in folder.name.lower()]
    return list(dict.fromkeys((*named, *alike)))


def motion_modules(folder: Path) -> list[MotionModule]:
    """Motion modules below ``folder``, named as the extension loads them: by joining folder and name."""
    found = []
    for path in files(folder, _WEIGHTS):
        try:
            found.append(MotionModule(path.relative_to(folder).as_posix(), path, path.stat().st_size))
        except OSError:
            continue
    return found


def _stated_version(root: Path) -> str | None:
    """The version that a ``version = "..."`` in one of its scripts states."""
    for path in sorted((root / "scripts").glob("*version*.py")):
        found = re.search(r"""version\s*=\s*['"]([^'"]+)['"]""", _text(path))
        if found:
            return found[1]
    return None


def _documented_version(root: Path) -> str | None:
    """The newest version that its documents name: the installed one or, rarely, a later one is meant."""
    text = "".join(_text(root / name) for name in ("docs/CHANGELOG.md", "CHANGELOG.md", "README.md"))
    versions = re.findall(r"\bv(\d+\.\d+\.\d+(?:-[a-z]+)?)\b", text)
    return max(versions, key=version_order, default=None)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _folders(parent: Path) -> list[Path]:
    try:
        return sorted(path for path in parent.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError:
        return []
