"""`autotune engine create DIR`: lays out the reference web UI, a separate program, by running it."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import click

from autotune.cli.common_options import YES, CommonOptions, verb
from autotune.disk.own_install import how_to_add
from autotune.language.translate import _
from autotune.model.errors import NothingToWorkOn, UsageProblem

NEEDS = ("torch", "diffusers", "starlette", "uvicorn", "aiohttp")


def create(folder: Path, size: str, device: str, force: bool, flavour: str = "a1111") -> str:
    """Runs the reference web UI's own `create` as a child process and returns what it said.

    Raises NothingToWorkOn when its packages are missing, UsageProblem when it refuses.
    """
    missing = [name for name in NEEDS if importlib.util.find_spec(name) is None]
    if missing:
        raise NothingToWorkOn(
            _("the reference web UI needs {missing}").format(missing=", ".join(missing)),
            _("Add it by: {command}").format(command=how_to_add(missing)),
        )
    words = [sys.executable, "-m", "autotune.engine", "create", str(folder)]
    words += ["--size", size, "--device", device, "--flavour", flavour,
              *(["--force"] if force else [])]
    # By itself a Python whose output is piped writes in the ANSI code page on Windows.
    env = {**os.environ, "PYTHONIOENCODING": "utf-8:backslashreplace"}
    done = subprocess.run(words, env=env, capture_output=True, encoding="utf-8", errors="replace",
                          stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or [_("no reason given")]
        raise UsageProblem(lines[-1], _("Choose another folder, or --force."))
    return done.stdout.strip()


@click.group("engine")
def engine_command() -> None:
    """The reference web UI: a real, small web UI to try autotune on, and to test it with."""


@verb("create", engine_command)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--size", type=click.Choice(["tiny", "sd15"]), default="tiny", show_default=True)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--flavour", type=click.Choice(["a1111", "comfyui"]), default="a1111", show_default=True,
              help="The web UI that it stands for.")
@click.option("--force", is_flag=True, help="Write into a folder that is not empty.")
@YES
def _create(common: CommonOptions, folder: Path, size: str, device: str, flavour: str, force: bool) -> None:
    """Lays out an install of the reference web UI in DIR."""
    said = create(folder, size, device, force, flavour)
    document = {"root": str(folder.resolve()), "size": size, "device": device}
    common.print_result("engine", document,
                        said or _("a reference web UI ({size}) lies in {folder}").format(size=size, folder=folder))
