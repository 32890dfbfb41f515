"""Machines to build spaces for, made of plain values."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from autotune.flags.catalogue import Catalogue
from autotune.model.flagset import SettingValue
from autotune.model.machine import Fingerprint, Gpu, Machine, ProbedInstall, Runtime

CPU = Runtime("3.11.7", "2.3.0+cpu", None, None, None, (), "cpu", None)
CUDA = Runtime("3.10.11", "2.1.2+cu121", "12.1", "8902", None, ("math",), "cuda", "8.6")
XFORMERS = Runtime("3.10.11", "2.1.2+cu121", "12.1", "8902", "0.0.23.post1", ("math",), "cuda", "8.6")
RTX50 = Runtime("3.10.11", "2.7.0+cu128", "12.8", "90701", "0.0.30", ("math",), "cuda", "12.0")
MPS = Runtime("3.10.11", "2.3.0", None, None, None, (), "mps", None)
OLD_TORCH = Runtime("3.10.11", "1.13.1+cu117", "11.7", "8500", "0.0.16", (), "cuda", "7.5")
RUNTIMES = {
    "cpu": CPU, "cuda": CUDA, "xformers": XFORMERS, "rtx50": RTX50, "mps": MPS, "old_torch": OLD_TORCH,
}


def words_of(text: str) -> list[str]:
    """The words of a line, parted by blanks."""
    return text.split()


def gpu(total: float, name: str = "GPU") -> Gpu:
    return Gpu(0, name, "GPU-0", "8.6", total, 500.0, "550.54.14", "12.4")


def machine(
    words: tuple[str, ...] = (),
    settings: dict[str, SettingValue] | None = None,
    runtime: Runtime = CUDA,
    flavour: str = "a1111",
    version: str | None = "1.10.1",
    memory: float | None = 24576.0,
    lacks: tuple[str, ...] = (),
) -> Machine:
    """A machine whose launch file gives ``words``; ``memory``: MiB of its GPU, None for no GPU."""
    webui = ProbedInstall(
        flavour, version, None, Path("/w"), Path("/w/venv/bin/python"), Path("/w/webui-user.sh"), words, (), (),
        False, True, lacks=lacks,
    )
    gpus = (gpu(memory),) if memory and runtime.device == "cuda" else ()
    saved = tuple(sorted((settings or {}).items()))
    return Machine(gpus, webui, runtime, None, (), saved, Fingerprint("0", ()), ())


def parser(catalogue: Catalogue) -> argparse.ArgumentParser:
    """A real argparse parser with the catalogue's flags: the judge of how words are read."""
    made = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    for flag in catalogue.flags.values():
        if flag.kind == "alias":
            continue
        options: dict[str, Any] = {"dest": flag.name, "default": None}
        if flag.takes == "0":
            made.add_argument(flag.name, action="store_true", **options)
        elif flag.takes == "1":
            made.add_argument(flag.name, type=str, choices=flag.values or None, **options)
        else:
            made.add_argument(flag.name, nargs=flag.takes, type=str, **options)
    return made
