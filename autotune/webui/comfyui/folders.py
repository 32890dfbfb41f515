"""Finds the folders of models and custom nodes as ComfyUI does: its own, and those that extra_model_paths.yaml names.

Written after ComfyUI's folder_paths.py and utils/extra_config.py (0.3.64 and 0.26.0 do the same), and judged by a table
that these gave (tests/webui/comfyui/extra_paths.json).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autotune.flags import argv
from autotune.flags.catalogue import Flag
from autotune.language.translate import _

OWN_CONFIG = "extra_model_paths.yaml"
"""The file of extra folders that ComfyUI reads wherever it lies beside main.py."""
MODULES = "animatediff_models"
"""What the nodes of AnimateDiff-Evolved call the folders of motion modules."""
WEIGHTS = (".ckpt", ".pt", ".pt2", ".bin", ".pth", ".safetensors", ".pkl", ".sft")
"""Endings of files that ComfyUI lists as models."""
_LEGACY = {"unet": "diffusion_models", "clip": "text_encoders"}
_OWN = {"checkpoints": ("checkpoints",), "vae": ("vae",), "loras": ("loras",),
        "text_encoders": ("text_encoders", "clip"), "diffusion_models": ("unet", "diffusion_models"),
        "controlnet": ("controlnet", "t2i_adapter")}
"""Folders below ``models`` that ComfyUI has by itself, in the order in which it looks there."""
_TAKES = {"--base-directory": "1", "--output-directory": "1", "--input-directory": "1", "--user-directory": "1",
          "--temp-directory": "1", "--cuda-device": "1", "--default-device": "1", "--extra-model-paths-config": "+",
          "--whitelist-custom-nodes": "+", "--disable-all-custom-nodes": "0"}
_FLAGS = {name: Flag(name, "fixed", "", takes) for name, takes in _TAKES.items()}


@dataclass(frozen=True, slots=True)
class Folders:
    """Where ComfyUI looks for what. ``paths``: kind of model, or "custom_nodes", -> its folders in order of effect.

    ``output``, ``input``, ``user``: as flags or the base folder give them. ``configs``: files of extra
    folders that are read. ``faults``: sentences on why ComfyUI would stop at one of them.
    """

    output: Path
    input: Path
    user: Path
    paths: dict[str, list[Path]]
    configs: tuple[Path, ...]
    faults: tuple[str, ...]

    def of(self, kind: str) -> list[Path]:
        """The folders of one kind."""
        return self.paths.get(kind, [])


def value(words: Sequence[str], flag: str) -> str | None:
    """The last value of a flag among argv words, which may be abbreviated or written with "="; None without one."""
    return argv.given(words, _FLAGS).get(flag)


def given(words: Sequence[str], flag: str) -> tuple[str, ...]:
    """All values of a flag that takes several or may come several times."""
    return tuple(text for piece in argv.pieces(words, _FLAGS) if piece.flag == flag for text in piece.values)


def is_given(words: Sequence[str], flag: str) -> bool:
    """Whether the flag is among the words."""
    return flag in argv.given(words, _FLAGS)


def base_of(root: Path, started_in: Path, words: Sequence[str]) -> Path:
    """The folder of models, nodes, input, output and user: ``--base-directory``, else the install's own.

    A relative one counts from ``started_in``, the folder that ComfyUI is started in.
    """
    said = value(words, "--base-directory")
    return _whole(started_in, said) if said else root


def of(root: Path, started_in: Path, words: Sequence[str]) -> Folders:
    """All folders of an install started with ``words`` (the host's and the launch file's). Raises nothing."""
    base = base_of(root, started_in, words)
    found = {kind: [base / "models" / name for name in names] for kind, names in _OWN.items()}
    found["custom_nodes"] = [base / "custom_nodes"]
    named = {name: value(words, f"--{name}-directory") for name in ("output", "input", "user")}
    places = {name: _whole(started_in, said) if said else base / name for name, said in named.items()}
    configs = [root / OWN_CONFIG] if (root / OWN_CONFIG).is_file() else []
    configs += [_whole(started_in, one) for one in given(words, "--extra-model-paths-config")]
    faults = []
    for config in configs:
        fault = add_extra(found, config)
        if fault is not None:
            faults.append(fault)
    for kind in ("checkpoints", "text_encoders", "vae", "diffusion_models", "loras"):
        add(found, kind, places["output"] / ("clip" if kind == "text_encoders" else kind))
    return Folders(places["output"], places["input"], places["user"], found, tuple(configs), tuple(faults))


def _whole(started_in: Path, said: str) -> Path:
    return Path(os.path.normpath(started_in / said))


def add(found: dict[str, list[Path]], kind: str, folder: Path, is_default: bool = False) -> None:
    """Puts a folder into its list as ComfyUI does: a default one comes first, a known one is not put in twice."""
    paths = found.setdefault(_LEGACY.get(kind, kind), [])
    if folder in paths:
        if not is_default or paths[0] == folder:
            return
        paths.remove(folder)
    paths.insert(0 if is_default else len(paths), folder)


def add_extra(found: dict[str, list[Path]], config: Path) -> str | None:
    """Adds the folders that a file of extra folders names; returns why ComfyUI would stop at it, in a sentence.

    What stands before the fault is added: ComfyUI ends there, so that this only helps to say more.
    """
    text = _("{file} stops ComfyUI's start: {reason}")
    try:
        for kind, folder, is_default in _extra(config):
            add(found, kind, folder, is_default)
    except FileNotFoundError:
        return text.format(file=config, reason=_("there is no such file"))
    except (OSError, ValueError) as fault:
        return text.format(file=config, reason=" ".join(str(fault).split()))
    return None


def _extra(config: Path) -> Iterator[tuple[str, Path, bool]]:
    """(kind, folder, whether it comes first) of each entry. Raises OSError, and ValueError in words."""
    import yaml  # as ComfyUI reads it; needed only where there is such a file

    try:
        document: Any = yaml.safe_load(config.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise ValueError(_("it is not UTF-8")) from None
    except yaml.YAMLError as fault:
        raise ValueError(str(fault)) from None
    if document is None:
        raise ValueError(_("it holds no entry; without the file ComfyUI starts"))
    if not isinstance(document, dict):
        raise ValueError(_("it is no list of names with folders"))
    for name, section in document.items():
        if section is None:
            continue
        if not isinstance(section, dict):
            raise ValueError(_('"{name}" holds no names with folders').format(name=name))
        yield from _entries(dict(section), config.absolute().parent)


def _entries(section: dict[Any, Any], beside: Path) -> Iterator[tuple[str, Path, bool]]:
    base = None
    if "base_path" in section:
        base = section.pop("base_path")
        if not isinstance(base, str):
            raise ValueError(_("base_path is no text"))
        base = os.path.expandvars(os.path.expanduser(base))  # noqa: PTH111 - as ComfyUI does
        base = os.path.normpath(beside / base) if not os.path.isabs(base) else base  # noqa: PTH117
    is_default = bool(section.pop("is_default", False))
    for kind, lines in section.items():
        if not isinstance(lines, str):
            raise ValueError(_('"{name}" has no folder').format(name=kind))
        for line in lines.split("\n"):
            if line:
                yield str(kind), Path(os.path.normpath(Path(base or beside) / line)), is_default
