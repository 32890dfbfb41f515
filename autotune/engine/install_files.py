"""What every reference web UI's install is laid out with: files, a marker, and a virtual environment."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

MARKER = "reference-webui.json"


class CannotCreate(Exception):
    """The folder cannot be made or is taken."""


def write(path: Path, data: bytes, crlf: bool = False) -> None:
    """Writes a file with one kind of line ends, and makes its folder."""
    data = data.replace(b"\r\n", b"\n")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.replace(b"\n", b"\r\n") if crlf else data)


def write_json(path: Path, value: object) -> None:
    """Writes a file in JSON."""
    write(path, (json.dumps(value, indent=4) + "\n").encode("utf-8"))


def make_venv(folder: Path) -> None:
    """A virtual environment without pip that sees all packages of the creating interpreter.

    Made by a child process so that it works from inside a virtual environment too; a .pth file names the
    creator's package folders and the folder that this package lies in.
    """
    interpreter = getattr(sys, "_base_executable", sys.executable) or sys.executable
    if os.name == "nt" and importlib.util.find_spec("venv") is None:
        _copy_embedded(Path(interpreter).parent, folder)
    else:
        made = subprocess.run([interpreter, "-m", "venv", "--without-pip", str(folder)], capture_output=True, text=True,
                              check=False, stdin=subprocess.DEVNULL)
        if made.returncode:
            said = made.stderr.strip() or made.stdout.strip()
            raise CannotCreate(f"cannot make the virtual environment {folder}: {said}")
    paths = {"base": str(folder), "platbase": str(folder)}
    site = Path(sysconfig.get_path("purelib", scheme=_scheme(), vars=paths))
    site.mkdir(parents=True, exist_ok=True)
    (site / "creator.pth").write_text("".join(f"{_pth_line(path)}\n" for path in _package_folders()), encoding="ascii")


def _copy_embedded(home: Path, folder: Path) -> None:
    """Makes a virtual environment of the embeddable Python for Windows, which has no module ``venv``: its programs and
    libraries are copied, as virtualenv does it. They look for its zip and its modules beside themselves."""
    scripts = folder / "Scripts"
    scripts.mkdir(parents=True)
    kinds = (".exe", ".dll", ".zip", ".pyd")
    for path in [*home.iterdir(), *(home / "DLLs").glob("*")]:
        if path.suffix.lower() in kinds:
            shutil.copyfile(path, scripts / path.name)
    version = ".".join(str(number) for number in sys.version_info[:3])
    lines = [f"home = {home}", "include-system-site-packages = false", f"version = {version}"]
    (folder / "pyvenv.cfg").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _pth_line(path: str) -> str:
    """A line of a .pth file that adds a folder, whatever its name.

    Before Python 3.13 such files are read in the system's code page, so a name beyond ASCII is spelled by escapes;
    a line that begins with ``import`` is run.
    """
    return path if path.isascii() else f"import sys; sys.path.append({path!a})"


def _scheme() -> str:
    if "venv" in sysconfig.get_scheme_names():
        return "venv"
    return "nt" if os.name == "nt" else "posix_prefix"


def _package_folders() -> list[str]:
    """Folders of the creating interpreter that packages come from, the one of this package included."""
    asked = [Path(p).resolve() for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    found = [Path(__file__).resolve().parents[2]]
    for path in (Path(entry).resolve() for entry in sys.path if entry):
        wanted = path in asked or path.name in ("site-packages", "dist-packages")
        if wanted and path.is_dir() and path not in found:
            found.append(path)
    return [str(path) for path in found]
