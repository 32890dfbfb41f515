"""The fingerprint of an install: what can make a result stale when it changes. From files and NVML; starts nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from autotune.flags.words import split
from autotune.machine import fingerprint_parts as parts
from autotune.model.machine import AnimateDiff, Fingerprint
from autotune.secrets.mask import masked_words
from autotune.webui.a1111 import data_folder, interpreter
from autotune.webui.a1111 import install as installs
from autotune.webui.a1111.flags import switches
from autotune.webui.a1111.flags.known_flags import load
from autotune.webui.a1111.install import Install

# Options that choose models are parts of their own; those that a study sets are no reason to tune again.
_NOT_SETTINGS = ("sd_model_checkpoint", "sd_vae", "cross_attention_optimization", "batch_cond_uncond",
                 *switches.USUAL)


def from_files(root: Path, words: Sequence[str], launch_file: Path | None = None) -> Fingerprint:
    """The fingerprint of an install whose ``launch_file`` gives ``words``: the same as ``machine.inspect`` gives.

    Reads files, and NVML where there may be a driver; starts no process. Raises NothingToWorkOn.
    """
    warnings: list[str] = []
    found = installs.inspect(root, words, launch_file)
    options = data_folder.read_options(installs.settings_files(found.root, words)[0], warnings)
    return compose(found, words, options, data_folder.animatediff(found, options, words))


def compose(
    found: Install,
    words: Sequence[str],
    options: dict[str, object],
    animatediff: AnimateDiff | None,
) -> Fingerprint:
    """The fingerprint of an inspected install. Each of its parts is a text, empty where nothing is known."""
    python = interpreter.find(found.root, found.launch_file)
    return parts.sign({
        **parts.gpu_parts(),
        "os": parts.system(),
        "webui_flavour": found.flavour,
        "webui_version": found.version or "",
        "webui_commit": found.commit or "",
        "animatediff": parts.animatediff(animatediff),
        "extensions": ", ".join(f"{name} {commit[:12]}".strip() for name, commit in data_folder.extensions(found)
                                if "animatediff" not in name.lower()),
        **parts.packages(python, ("torch", "xformers")),
        "checkpoint": _checkpoint(found, words, options),
        "vae": str(options.get("sd_vae", "Automatic")),
        "motion_module": parts.motion_modules(animatediff),
        "settings": _settings(options),
        "kept_flags": _kept_flags(found, words),
    })


def _kept_flags(found: Install, words: Sequence[str]) -> str:
    catalogue = load(found.flavour, found.version)
    return " ".join(masked_words(split(words, catalogue).kept))


def _checkpoint(found: Install, words: Sequence[str], options: dict[str, object]) -> str:
    """The chosen checkpoint, else the only one there is; with its size, so that a replaced file shows."""
    chosen = options.get("sd_model_checkpoint")
    files = data_folder.checkpoints(found, words)
    if not isinstance(chosen, str) or not chosen:
        return parts.name_and_size(files[0]) if len(files) == 1 else ""
    name = chosen.split(" [")[0].replace("\\", "/").rsplit("/", 1)[-1]
    return next((parts.name_and_size(path) for path in files if name in (path.name, path.stem)), name)


def _settings(options: dict[str, object]) -> str:
    return ", ".join(f"{name}={value}" for name, value in data_folder.relevant_settings(options)
                     if name not in _NOT_SETTINGS)
