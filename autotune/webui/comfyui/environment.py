"""The environment that an install's own start would make, and what a trial's differs in.

A ``.bat`` may set variables before it starts ComfyUI, and Stability Matrix keeps some in its settings.json. Both are
read; nothing of them is run.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from autotune.language.translate import ngettext
from autotune.launchfile.values import Variable
from autotune.machine.environment import without_ours
from autotune.model.errors import AutotuneError
from autotune.webui import stability_matrix

OFFLINE = {
    "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "DIFFUSERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1",
    "PIP_NO_INDEX": "1", "PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "UV_OFFLINE": "1",
    "GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": "file",
}
"""Keeps custom nodes from fetching models, packages and repositories when they are imported."""


@dataclass(frozen=True, slots=True)
class StartEnvironment:
    """The variables of a start; ``problem``: what of them is not known, in a sentence, else None."""

    variables: dict[str, str]
    problem: str | None = None


def of_start(root: Path, launch_file: Path | None, environ: Mapping[str, str] | None = None) -> StartEnvironment:
    """What a start by ``launch_file`` makes of this process's environment. Raises nothing."""
    variables = without_ours(environ)
    if launch_file is None or not launch_file.is_file():
        return StartEnvironment(variables)
    if launch_file.suffix.lower() == ".json":
        return StartEnvironment({**variables, **stability_matrix.variables_of(launch_file)})
    try:
        found_there = _of_script(root, launch_file, variables)
    except (AutotuneError, OSError, RecursionError) as error:
        return StartEnvironment(variables, str(error))
    spelled = {name.upper(): name for name in variables} if os.name == "nt" else {}
    unknown = []
    for name, found in found_there.items():
        key = spelled.get(name.upper(), name)
        if not found.certain:
            unknown.append(name)
        elif found.exported and found.text is not None:
            variables[key] = found.text
        else:
            variables.pop(key, None)
    return StartEnvironment(variables, _in_words(unknown, launch_file.name))


def _of_script(root: Path, file: Path, environ: Mapping[str, str]) -> Mapping[str, Variable]:
    """The variables that a script sets before it starts ComfyUI. Raises AutotuneError, OSError, RecursionError."""
    from autotune.launchfile import reader
    from autotune.webui.comfyui.run_files import RunFile
    from autotune.webui.comfyui.run_reader import read_run_file

    if RunFile().claims(file):
        return read_run_file(reader.load_bytes(file), file, environ, root)[0].variables
    reading = reader.read(file, environ, root).reading
    return {} if reading is None else reading.variables


def _in_words(names: list[str], file: str) -> str | None:
    if not names:
        return None
    return ngettext("{file} sets {names} to what only its shell knows: trials start without that",
                    "{file} sets {names} to what only its shell knows: trials start without them",
                    len(names)).format(file=file, names=", ".join(names[:4]))


def of_trial(start: StartEnvironment, python: Path, embedded: bool) -> dict[str, str]:
    """The variables that a trial's process gets: the start's, nothing fetched, its virtual environment active."""
    env = {**start.variables, **OFFLINE, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8:backslashreplace"}
    # Not resolved: a virtual environment's interpreter is often a link to another one.
    venv = python.parent.parent
    if (venv / "pyvenv.cfg").is_file():
        env["VIRTUAL_ENV"] = str(venv)
        env["PATH"] = os.pathsep.join([str(python.parent), env.get("PATH", "")])
    if embedded:
        env["PYTHONNOUSERSITE"] = "1"
    return env
