"""Finds the Python interpreter that a web UI's start script would use, by reading files."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from autotune.disk.programs import search_path
from autotune.language.translate import _
from autotune.launchfile import codepage
from autotune.launchfile.values import Variable
from autotune.model.errors import AutotuneError
from autotune.webui.a1111.flavour import packaged
from autotune.webui.a1111.start_variables import read_start


def settings(launch_file: Path | None, root: Path | None = None) -> dict[str, str]:
    """venv_dir, python_cmd, skip_venv and the path of a start by this launch file, as far as they are certain.

    An environment variable of the same name stands in for what the file does not say.
    """
    return {key: one.text for key, one in _read(root, launch_file).items() if one.certain and one.text}


def _is_batch(launch_file: Path | None) -> bool:
    return launch_file is not None and launch_file.suffix.lower() in (".bat", ".cmd")


def _read(root: Path | None, launch_file: Path | None) -> dict[str, Variable]:
    """The variables that choose the interpreter at a start by this file; of this process, where no file can be read."""
    if root is not None and (launch_file is None or not launch_file.exists()):
        launch_file = packaged(root)  # its variables hold for whatever it starts
    names = {"venv_dir": "venv_dir", "python_cmd": "python_cmd", "path": "PATH"}
    if _is_batch(launch_file):
        names = {"venv_dir": "VENV_DIR", "python_cmd": "PYTHON", "skip_venv": "SKIP_VENV", "path": "PATH"}
    environ = {**os.environ, "PATH": search_path(os.environ)}
    if launch_file is not None:
        try:
            start = read_start(root or launch_file.parent, launch_file, environ)
            place = root or launch_file.parent
            found = {key: start.variable(name) for key, name in names.items()}
            paths = ("venv_dir", "python_cmd") if _is_batch(launch_file) else ()
            return {key: _path(one, place) if key in paths else one for key, one in found.items()}
        except AutotuneError:
            pass
    spelled = str.upper if os.name == "nt" else str  # Windows tells all names in upper case
    return {key: Variable(environ.get(spelled(name))) for key, name in names.items()}


def _path(found: Variable, root: Path) -> Variable:
    """A path from a batch file, without its quotes (webui.bat adds its own) and with this system's slashes.

    Where its code page is not known, the folder that exists tells which it is; else its bytes stay as they are.
    """
    if not found.text:
        return found
    text = found.text.strip().strip('"')
    if _has_unknown_bytes(text):
        there = {one for one in map(_slashes, codepage.possible_texts(text)) if (root / one).exists()}
        return replace(found, text=there.pop() if len(there) == 1 else text)
    return replace(found, text=_slashes(text))


def _slashes(path: str) -> str:
    on_drive = path[1:2] == ":" or os.name == "nt"  # C:\\x is nothing to this system, and stays readable
    return path if on_drive else path.replace("\\", "/")


def _has_unknown_bytes(text: str) -> bool:
    return any("\udc80" <= c <= "\udcff" for c in text)


def why_uncertain(root: Path, launch_file: Path | None) -> str | None:
    """Why nobody can be certain which interpreter the start script would choose, in a sentence; None: it is certain."""
    if launch_file is None:
        return None
    found = _read(root, launch_file)
    for name in ("skip_venv", "venv_dir", "python_cmd"):
        if name not in found:
            continue
        if not found[name].certain:
            spelled = name if not _is_batch(launch_file) else name.upper().replace("_CMD", "")
            return _("{name} in {file} depends on {reasons}").format(
                name=spelled, file=launch_file, reasons=", ".join(found[name].depends))
        text = found[name].text or ""
        if _has_unknown_bytes(text) and not (root / text).exists():
            return _("{name} in {file} is not UTF-8, and which code page Windows reads it in is not known "
                     "here").format(name=name.upper(), file=launch_file)
        if name == "venv_dir" and _venv(root, {key: one.text for key, one in found.items() if one.text}) is not None:
            break  # python_cmd only makes the venv
    return None


def find(root: Path, launch_file: Path | None) -> Path | None:
    """The interpreter that the start script would choose: the venv's, else the named or the usual command.

    The path of a venv's interpreter is not resolved: its place is what makes it a venv. None if there is
    none, as before the web UI's first start, and where it is not certain which one it is (``why_uncertain``).
    """
    if why_uncertain(root, launch_file) is not None:
        return None
    said = settings(launch_file, root)
    folder = _venv(root, said)
    bundled = root.parent / "system" / "python" / "python.exe"
    usual = said.get("python_cmd", "python").lower() in ("python", "python.exe")
    if folder is None and packaged(root) and usual and bundled.is_file():
        return bundled  # "python" means this one on the PATH that a ready-made package sets
    if folder is not None:
        inside = [folder / "bin" / "python", folder / "bin" / "python3", folder / "Scripts" / "python.exe"]
        for path in inside:
            if path.is_file():
                return path.absolute()
        return None
    import shutil

    # The PATH of the start, not autotune's own. A PATH of Windows is of no use elsewhere.
    foreign = _is_batch(launch_file) and os.name != "nt"
    places = (None if foreign else said.get("path")) or search_path(os.environ)
    for command in (said.get("python_cmd"), "python3.10", "python3", "python"):
        where = shutil.which(command, path=places) if command else None
        if where is None and command and (root / command).is_file():
            where = str(root / command)
        if where:
            return Path(where).absolute()
    return None


def venv_folder(root: Path, launch_file: Path | None) -> Path | None:
    """The venv that the start script would use, whether it is there or not; None where it would use none."""
    return _venv(root, settings(launch_file, root))


def _venv(root: Path, said: dict[str, str]) -> Path | None:
    venv = said.get("venv_dir", "venv")
    return None if venv == "-" or said.get("skip_venv") == "1" else root / venv
