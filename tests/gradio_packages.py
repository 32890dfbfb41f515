"""Real gradio of a version, for tests of the tab: fetched once from the package index, apart from everything else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

VERSIONS = {
    # What A1111 1.10.1 asks for, with packages of its time.
    "3.41.2": ("pydantic<2", "fastapi<0.100", "huggingface_hub<0.26", "numpy<2", "httpx<0.26"),
    # As newer forks have it; diffusers, which the reference web UI uses, of the same time as their huggingface_hub.
    "4.44.1": ("pydantic>=2,<2.11", "fastapi<0.116", "starlette<0.42", "huggingface_hub<0.27", "diffusers==0.31.0"),
}
NEWEST_PYTHON = {"3.41.2": (3, 12), "4.44.1": (3, 12)}
"""The newest Python for which the packages of that time are there ready-made."""
LEFT_OUT = {"3.41.2": ("huggingface_hub",), "4.44.1": ()}
"""Packages of which the reference web UI needs newer ones, with which this gradio gets on."""


def folder(version: str, cache: Path) -> Path:
    """A folder with gradio and all it needs, to be put among those of packages; skips the test where it cannot be had.

    It is made below ``cache`` and stays there for the next run.
    """
    if sys.version_info[:2] > NEWEST_PYTHON[version] or sys.platform == "win32":
        pytest.skip(f"gradio {version} has no ready-made packages for this Python")
    place = cache / f"gradio-{version}-py{sys.version_info[0]}{sys.version_info[1]}"
    with _alone(cache):  # one worker fetches, the others wait for it
        if place.is_dir():
            return place
        made = Path(tempfile.mkdtemp(prefix=".gradio-", dir=cache))
        try:
            _fetch(version, made)
            return made.rename(place)
        finally:
            shutil.rmtree(made, ignore_errors=True)


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    import fcntl

    with (cache / "fetching").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fetch(version: str, target: Path) -> None:
    base = getattr(sys, "_base_executable", sys.executable)
    why = "no pip"
    for python in dict.fromkeys((sys.executable, base)):
        words = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--only-binary", ":all:",
                 "--no-warn-script-location", "--retries", "1", "--timeout", "20", "--target", str(target),
                 f"gradio=={version}", *VERSIONS[version]]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=280)
        if done.returncode == 0:
            for path in target.iterdir():
                if path.name.split("-")[0] in LEFT_OUT[version]:
                    shutil.rmtree(path)
            return
        why = (done.stderr.strip().splitlines() or ["no pip"])[-1]
    pytest.skip(f"gradio {version} cannot be had from the package index: {why}")


def give_to(root: Path, packages: Path) -> None:
    """Has the virtual environment of an install find these packages before all others."""
    (site,) = [*root.glob("venv/lib/python*/site-packages"), *root.glob("venv/Lib/site-packages")]
    (site / "a_gradio.pth").write_text(f"{packages}\n", encoding="utf-8")


def cache_folder(config: pytest.Config) -> Path:
    """Where they are kept between runs."""
    named = os.environ.get("AUTOTUNE_TEST_PACKAGES")
    if named or sys.platform == "win32":
        return Path(named or tempfile.gettempdir())
    cache: pytest.Cache | None = getattr(config, "cache", None)  # there is none with pytest's -p no:cacheprovider
    return cache.mkdir("packages") if cache is not None else pytest.skip("pytest keeps nothing between runs here")


def version_in(packages: Path) -> str:
    """The version of gradio that a folder holds, as it says itself."""
    found: str = json.loads((packages / "gradio" / "package.json").read_text(encoding="utf-8"))["version"]
    return found
