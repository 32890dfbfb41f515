"""Installs of the reference web UIs for tests: laid out once a process, then copied.

``flavour``: a1111 for the stand-in for A1111, comfyui for the one for ComfyUI.
"""

from __future__ import annotations

import atexit
import functools
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PLAIN = re.compile(r"[\w./:\\-]+", re.ASCII)
"""Paths that stand the same, whatever quotes the scripts of a virtual environment put around them."""
SCRIPT_BYTES = 65536
"""No text file of a virtual environment is as large."""


def create(root: Path, flavour: str = "a1111") -> Path:
    """Lays out a tiny install on the CPU, as its user would."""
    words = [sys.executable, "-m", "autotune.engine", "create", str(root), "--size", "tiny", "--device", "cpu",
             "--flavour", flavour]
    subprocess.run(words, check=True, capture_output=True)
    return root.resolve()


@functools.cache
def template(flavour: str = "a1111") -> Path:
    """The install that others are copies of; gone when this process ends."""
    folder = Path(tempfile.mkdtemp(prefix="autotune-reference-")).resolve()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return create(folder / "webui", flavour)


def copy(root: Path, flavour: str = "a1111") -> Path:
    """An install of one's own in ``root``, the same byte for byte as a new one there; returns it, resolved."""
    if not PLAIN.fullmatch(str(root.resolve())):
        return create(root, flavour)
    source = template(flavour)
    shutil.copytree(source, root, symlinks=True, dirs_exist_ok=True)
    root = root.resolve()
    for folder in (root / "venv", root / "venv" / "bin", root / "venv" / "Scripts"):
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.is_file() and not path.is_symlink() and path.stat().st_size < SCRIPT_BYTES:
                data = path.read_bytes()
                path.write_bytes(data.replace(str(source).encode(), str(root).encode()))
    return root
