"""Finds the file that an install's flags are written in, from the install's own files.

Observed: A1111, reForge and the amdgpu fork read webui-user.*; so do Forge 2 and Forge Neo (where webui-user.sh is what
one starts); webui.bat calls webui.settings.bat after webui-user.bat, so that one wins; on macOS webui.sh reads
webui-macos-env.sh first; a ready-made Windows package sets variables in environment.bat before. Stability Matrix starts
launch.py itself with the options of its settings.json. Pinokio keeps the install in ``app`` beside its own scripts and
starts webui-user.bat or webui.sh. SD.Next keeps settings in config.json and has no webui-user file.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from autotune.language.translate import N_, _
from autotune.launchfile.launch_file import LaunchFile
from autotune.launchfile.quoting import joined
from autotune.launchfile.reader import in_pinokio, parse, read
from autotune.launchfile.values import COMMANDLINE_ARGS, FROM_ENVIRONMENT
from autotune.model.errors import NothingToWorkOn
from autotune.webui.a1111.flavour import container, flavour, packaged
from autotune.webui.face import Layout
from autotune.webui.stability_matrix import layout_of

_TITLES = {
    "a1111": "AUTOMATIC1111", "reference": N_("the reference web UI"), "reforge": "reForge",
    "amdgpu": N_("the amdgpu fork"), "forge": "Forge", "forge2": "Forge 2", "forge-neo": "Forge Neo",
}


def recognise(root: Path, platform: str = sys.platform, environ: Mapping[str, str] | None = None) -> Layout:
    """What a folder holds, and where its flags are written. Raises nothing; an unreadable part counts as absent."""
    environ = os.environ if environ is None else environ
    kind = flavour(root, environ)
    matrix = layout_of(root, environ, kind)
    if matrix is not None and kind not in ("unknown", "docker"):
        return matrix
    if kind == "sdnext":
        return Layout(kind, "", False, (), _("SD.Next keeps these choices in its settings, not in launch flags"),
                      _("System settings in its UI (config.json), or arguments of webui.sh / webui.bat"))
    if kind in ("docker", "unknown") or container(environ):
        return _unmanaged(root, kind, environ)
    files = tuple(p for p in (root / name for name in _file_names(platform)) if _exists(p))
    host = "pinokio" if in_pinokio(root) else ""
    main = root / ("webui-user.bat" if platform == "win32" else "webui-user.sh")
    where = _("{variable} in {file}").format(variable=COMMANDLINE_ARGS, file=main)
    if not files:
        why_not = _("{title} in {root} has no {name}").format(title=_(_TITLES[kind]), root=root, name=main.name)
        return Layout(kind, host, False, (), why_not, where)
    return Layout(kind, host, True, files, None, where)


def _unmanaged(root: Path, kind: str, environ: Mapping[str, str]) -> Layout:
    if kind == "unknown":
        return Layout(kind, "", False, (), _("{root} holds no web UI that autotune knows").format(root=root),
                      _("not known"))
    variable = container(environ) or _("CLI_ARGS or WEBUI_ARGS")
    return Layout(
        kind, "docker", False, (), _("flags of this docker set-up come from {variable}").format(variable=variable),
        _("{variable} in docker-compose.yml, its .env file, or the docker run command").format(variable=variable))


def _file_names(platform: str) -> tuple[str, ...]:
    if platform == "win32":
        return ("webui-user.bat", "webui.settings.bat")
    return ("webui-macos-env.sh", "webui-user.sh") if platform == "darwin" else ("webui-user.sh",)


def user_file(root: Path, platform: str | None = None) -> Path | None:
    """The file that its owner sets things in on this platform, whether its flags count or not; None without one."""
    names = reversed(_file_names(platform or sys.platform))
    return next((root / name for name in names if name != "webui.settings.bat" and (root / name).is_file()), None)


def _exists(path: Path) -> bool:
    """Whether anything has this name; reading says later that it is no file, which helps more than "there is none"."""
    return os.path.lexists(path)


def in_effect(root: Path, layout: Layout, environ: Mapping[str, str] | None = None) -> LaunchFile:
    """The launch file whose words count, as read in the order the web UI reads them: the one to edit.

    That is the last file that sets COMMANDLINE_ARGS, else webui-user.*. Raises NothingToWorkOn (not
    manageable) and what ``read`` raises.
    """
    environ = os.environ if environ is None else environ
    if not layout.manageable:
        raise NothingToWorkOn(layout.why_not or _("this install is not managed"),
                              _("Its flags go here: {place}").format(place=layout.where_flags_go))
    chosen: LaunchFile | None = None
    package = packaged(root) if any(path.suffix.lower() == ".bat" for path in layout.launch_files) else None
    file = None if package is None else read(package, environ, root)
    doubt: tuple[str, ...] = ()
    for path in layout.launch_files:
        before, file = file, read(path, environ, root)
        if before is not None and file.kind == "cmd":  # one cmd runs both, and every variable stays
            file = replace(parse(file.data, path, environ, root, before), rewritten=file.rewritten)
        builds_on_it = not file.assignments or f"{FROM_ENVIRONMENT}{COMMANDLINE_ARGS}" in file.depends
        doubt = (*doubt, *file.uncertain) if builds_on_it else file.uncertain
        if chosen is None or file.assignments or (path.name.startswith("webui-user.") and not chosen.assignments):
            chosen = file
        line = len(file.reading.line_words) if file.reading else 0
        if file.words[line:]:
            environ = {**environ, COMMANDLINE_ARGS: joined(file.words[line:])}  # a new one: the file read keeps its own
    assert chosen is not None
    return replace(chosen, others=tuple(dict.fromkeys(doubt)))
