"""Finds a web UI's folder: named, configured, or in one of the usual places."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from autotune.language.translate import N_, _
from autotune.model.errors import NothingToWorkOn
from autotune.model.home_folder import expand_home
from autotune.webui import other_programs, recognise

ENVIRONMENT = "AUTOTUNE_WEBUI"
_HINT = N_("name the web UI's folder, which holds launch.py (ComfyUI: main.py), with --webui DIR, or set "
           "AUTOTUNE_WEBUI")


def is_webui(path: Path) -> bool:
    """Whether the folder is a web UI of any kind, by its files."""
    return any(kind.holds(path) for kind in recognise.kinds())


def folder_names() -> tuple[str, ...]:
    """What the folders of web UIs are usually called."""
    return tuple(name for kind in recognise.kinds() for name in kind.folder_names)


def find(option: Path | None, configured: Path | None) -> Path:
    """The web UI's folder: the option, else AUTOTUNE_WEBUI, else the configuration, else usual places.

    A folder that was named but is not a web UI is refused, never replaced by another one. Raises
    NothingToWorkOn.
    """
    set_to = os.environ.get(ENVIRONMENT)
    environment = Path(set_to) if set_to else None
    for path, source in ((option, "--webui"), (environment, ENVIRONMENT), (configured, _("the config file"))):
        if path is not None:
            return check_folder(expand_home(path), source)
    seen = list(dict.fromkeys(path.absolute() for path in usual_places()))
    for path in seen:
        if is_webui(path):
            return path
    for path in (*seen, *(base / name for base in _bases() for name in other_programs.FOLDER_NAMES)):
        refuse_other_program(path, _("no web UI was found, but this folder"))
    raise NothingToWorkOn(_("no web UI found here nor in the {count} usual places").format(count=len(seen)), _(_HINT))


def check_folder(path: Path, source: str = "--webui") -> Path:
    """``path`` made absolute, if it is a web UI's folder. Raises NothingToWorkOn."""
    path = path.absolute()
    if not path.is_dir():
        raise NothingToWorkOn(_("{path} ({source}) is not a folder").format(path=path, source=source), _(_HINT))
    if not is_webui(path):
        refuse_other_program(path, source)
        near = (one for kind in recognise.kinds() for one in kind.meant(path))
        meant = next((one for one in (*near, *path.parents) if is_webui(one)), None)  # above: an extension was named
        hint = _("did you mean {meant}?").format(meant=meant) if meant else _(_HINT)
        raise NothingToWorkOn(
            _("{path} ({source}) is no web UI: it has neither launch.py with its modules nor ComfyUI's main.py").format(
                path=path, source=source),
            hint)
    return path


def refuse_other_program(path: Path, source: str) -> None:
    """Raises NothingToWorkOn where the folder holds a program that renders clips and is no web UI."""
    program = other_programs.recognise(path)
    if program is not None:
        raise NothingToWorkOn(_("{folder} ({source}) holds {program}, which has no launch flags to tune").format(
            folder=path, source=source, program=program.title), program.advice)


def usual_places() -> Iterator[Path]:
    """The current folder and its parents, then common names in the home and a few usual folders."""
    here = Path.cwd()
    yield here
    yield from here.parents
    for base in _bases():
        for name in folder_names():
            yield base / name


def _bases() -> list[Path]:
    """Where people put such folders: here, in the home, and in a few usual folders."""
    home = Path.home()
    bases = [Path.cwd(), home]
    bases += [home / name for name in ("Documents", "Desktop", "Downloads", "AI", "ai", "src", "git")]
    roots = ("C:/", "D:/", "E:/") if sys.platform == "win32" else ("/opt", "/srv")
    return bases + [Path(name) for name in roots]
