"""Parsers in the form of ComfyUI's comfy/cli_args.py: as text, and as argparse builds them, of one list of flags."""

from __future__ import annotations

import argparse
import enum
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Argument:
    """One flag. ``takes`` as in a catalogue; ``values``: "", "int", "float", "enum" (an enumeration as type), "action"
    (an enumeration with an action of its own) or "choices"; ``group``: those that exclude each other; ``usual``: the
    number that it is without being given."""

    name: str
    takes: str = "0"
    values: str = ""
    members: tuple[str, ...] = ()
    group: str = ""
    usual: int | None = None


class Refused(Exception):
    """What argparse says on stderr before it ends with exit code 2."""


class _Strict(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        raise Refused(message)


class EnumAction(argparse.Action):
    """An action that takes its choices from an enumeration, as ComfyUI has one for previews."""

    def __init__(self, **kwargs: Any) -> None:
        kind = kwargs.pop("type")
        super().__init__(choices=tuple(one.value for one in kind), **kwargs)

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: Any = None) -> None:
        setattr(namespace, self.dest, values)


def built(arguments: Sequence[Argument]) -> _Strict:
    """The parser as argparse itself builds it."""
    parser = _Strict(prog="main.py")
    groups: dict[str, Any] = {"": parser}
    for one in arguments:
        target = groups.setdefault(one.group, None) or parser.add_mutually_exclusive_group()
        groups[one.group] = target
        more: dict[str, Any] = {"action": "store_true"} if one.takes == "0" else {}
        if one.takes not in ("0", "1"):
            more["nargs"] = one.takes
        if one.takes == "?":
            more["const"] = one.members[0] if one.members else 2
        if one.usual is not None:
            more["default"] = one.usual
        if one.values in ("int", "float"):
            more["type"] = {"int": int, "float": float}[one.values]
        elif one.values == "choices":
            more["choices"] = list(one.members)
        elif one.values:
            more["type"] = enum.Enum(one.name.strip("-"), {f"M{at}": word for at, word in enumerate(one.members)})
            more.update({"action": EnumAction} if one.values == "action" else {})
        target.add_argument(one.name, **more)
    return parser


@lru_cache(maxsize=8)
def _kept(arguments: tuple[Argument, ...]) -> _Strict:
    return built(arguments)


def refusal(arguments: Sequence[Argument], words: Sequence[str], most: dict[str, int] | None = None) -> str | None:
    """What argparse says to these words; None where it takes them."""
    try:
        found = _kept(tuple(arguments)).parse_args(list(words))
    except Refused as refused:
        return str(refused)
    for name, count in (most or {}).items():
        given = getattr(found, name.strip("-").replace("-", "_"))
        if given is not None and len(given) > count:
            return f"{name} takes at most {count}"
    return None


def source(arguments: Sequence[Argument], most: dict[str, int] | None = None) -> str:
    """The same parser as text. ``most``: the largest number of values of flags, checked after parsing."""
    lines = ["import argparse", "import enum", "", "class EnumAction(argparse.Action):", "    pass", "",
             "parser = argparse.ArgumentParser()"]
    seen = {""}
    for at, one in enumerate(arguments):
        if one.group not in seen:
            lines.append(f"{one.group} = parser.add_mutually_exclusive_group()")
            seen.add(one.group)
        text = [f'"{one.name}"']
        if one.values in ("enum", "action"):
            rows = [f"    M{number} = {word!r}" for number, word in enumerate(one.members)]
            lines += [f"class Kind{at}(enum.Enum):", *rows, ""]
            text.append(f"type=Kind{at}")
            text += ["action=EnumAction"] if one.values == "action" else []
        elif one.values == "choices":
            text.append(f"choices={list(one.members)!r}")
        elif one.values:
            text.append(f"type={one.values}")
        if one.takes == "0":
            text.append('action="store_true"')
        elif one.takes != "1":
            text.append(f"nargs={one.takes!r}")
        if one.takes == "?":
            text.append(f"const={one.members[0] if one.members else 2!r}")
        if one.usual is not None:
            text.append(f"default={one.usual}")
        lines.append(f'{one.group or "parser"}.add_argument({", ".join(text)}, help="what it does {{}}".format(1))')
    lines.append("args = parser.parse_args()")
    for name, count in (most or {}).items():
        dest = name.strip("-").replace("-", "_")
        lines += [f"if args.{dest} is not None and len(args.{dest}) > {count}:", '    parser.error("too many")']
    return "\n".join(lines) + "\n"


MEMBERS = ("fp16_accumulation", "fp8_matrix_mult", "cublas_ops", "autotune")
OLDER: tuple[Argument, ...] = (
    Argument("--listen", "?"), Argument("--port", "1", "int"), Argument("--base-directory", "1"),
    Argument("--extra-model-paths-config", "+"), Argument("--output-directory", "1"), Argument("--temp-directory", "1"),
    Argument("--input-directory", "1"), Argument("--disable-auto-launch"), Argument("--cuda-device", "1", "int"),
    Argument("--cuda-malloc", group="cm_group"), Argument("--disable-cuda-malloc", group="cm_group"),
    Argument("--force-fp32", group="fp_group"), Argument("--force-fp16", group="fp_group"),
    *(Argument(f"--{name}-unet", group="unet_group")
      for name in ("fp32", "fp64", "bf16", "fp16", "fp8_e4m3fn", "fp8_e5m2")),
    *(Argument(f"--{name}-vae", group="vae_group") for name in ("fp16", "fp32", "bf16")),
    Argument("--cpu-vae"), Argument("--force-channels-last"), Argument("--directml", "?", "int"),
    Argument("--supports-fp8-compute"), Argument("--preview-method", "1", "action", ("none", "auto", "taesd")),
    Argument("--cache-classic", group="cache_group"), Argument("--cache-lru", "1", "int", group="cache_group", usual=0),
    Argument("--cache-none", group="cache_group"),
    *(Argument(f"--use-{name}", group="attn_group") for name in (
        "split-cross-attention", "quad-cross-attention", "pytorch-cross-attention", "sage-attention",
        "flash-attention")),
    Argument("--disable-xformers"),
    *(Argument(f"--{name}", group="vram_group") for name in ("gpu-only", "highvram", "lowvram", "novram", "cpu")),
    Argument("--normalvram", group="vram_group"), Argument("--reserve-vram", "1", "float"), Argument("--async-offload"),
    Argument("--default-hashing-function", "1", "choices", ("md5", "sha1", "sha256")),
    Argument("--disable-smart-memory"), Argument("--deterministic"), Argument("--fast", "*", "enum", MEMBERS),
    Argument("--disable-all-custom-nodes"), Argument("--whitelist-custom-nodes", "+"),
    Argument("--verbose", "?", "choices", ("DEBUG", "INFO", "ERROR")), Argument("--user-directory", "1"),
)
"""The form of autumn 2025."""
NEWER: tuple[Argument, ...] = (
    *(one for one in OLDER if one.name not in ("--normalvram", "--async-offload")),
    Argument("--async-offload", "?", "int"), Argument("--disable-async-offload"), Argument("--disable-pinned-memory"),
    Argument("--disable-dynamic-vram"), Argument("--enable-dynamic-vram"), Argument("--fp16-intermediates"),
    Argument("--cache-ram", "*", "float", group="cache_group"), Argument("--high-ram", group="cache_group"),
    Argument("--vram-headroom", "1", "float"), Argument("--feature-flag", "1"), Argument("--enable-manager"),
    Argument("--enable-manager-legacy-ui", group="manager_group"),
    Argument("--disable-manager-ui", group="manager_group"),
)
"""The form of summer 2026."""
MOST = {"--cache-ram": 2}


def lay_out(root: Path, arguments: Sequence[Argument] = NEWER) -> Path:
    """Writes the parser into an install's folder."""
    path = root / "comfy" / "cli_args.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    known = {one.name for one in arguments}
    path.write_text(source(arguments, {name: count for name, count in MOST.items() if name in known}), encoding="utf-8")
    return root
