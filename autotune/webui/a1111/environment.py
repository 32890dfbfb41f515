"""The environment that the web UI's own start script would make, read from its launch file. Runs nothing of it.

webui.sh sources webui-user.sh, so what that sets is read; what the reading leaves open is asked of bash in a sandbox
(``start_variables``); what stays open and matters is a warning. COMMANDLINE_ARGS is left out: the caller says the
words.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from autotune.language.translate import _, ngettext
from autotune.launchfile.values import COMMANDLINE_ARGS
from autotune.machine import processes
from autotune.machine.environment import without_ours
from autotune.model.errors import AutotuneError
from autotune.webui.a1111.start_variables import StartVariables, read_start

SHELL_VARIABLES = ("install_dir", "clone_dir", "python_cmd", "venv_dir", "LAUNCH_SCRIPT", "ACCELERATE",
                   "NO_TCMALLOC")
"""Variables that webui.sh reads, exported or not."""

_MATTER = re.compile(
    r"PATH|LD_\w+|PYTHON\w*|LAUNCH_SCRIPT|ACCELERATE|NO_TCMALLOC|(?i:venv_dir)|python_cmd|"
    r"(?:CUDA|CUBLAS|CUDNN|NVIDIA|PYTORCH|TORCH|HIP|HSA|ROCR?|MIOPEN|OMP|MKL)_\w+")
"""Variables that decide which program runs, or how fast: the user is warned where their values are not known."""
_SET_BY_BASH = ("_", "SHLVL", "PWD", "OLDPWD", COMMANDLINE_ARGS, processes.MARKER)


@dataclass(frozen=True, slots=True)
class StartEnvironment:
    """Exported variables, and ``shell``: those of SHELL_VARIABLES that are set. ``problem``: what of it is
    not known, in words; such variables are then those of autotune's own environment, without its private part."""

    variables: dict[str, str]
    shell: dict[str, str] = field(default_factory=dict)
    problem: str | None = None


def base(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without what belongs to autotune's own interpreter, and without COMMANDLINE_ARGS."""
    env = without_ours(environ)
    env.pop(COMMANDLINE_ARGS, None)
    return env


def read_bat(launch_file: Path) -> StartEnvironment:
    """What a start by a .bat makes of this process's environment; webui.settings.bat beside it is called too."""
    return of_start_script(launch_file.parent, launch_file)


def of_start_script(root: Path, launch_file: Path | None) -> StartEnvironment:
    """The environment that a start by ``launch_file`` (webui-user.sh or .bat) makes of this process's.

    Without one, the environment as it is; so too with Stability Matrix's settings.json, which is no script.
    Raises nothing: ``problem`` says what went wrong.
    """
    if launch_file is None or not launch_file.is_file() or launch_file.suffix.lower() == ".json":
        return StartEnvironment(base())
    try:
        start = read_start(root, launch_file, base())
    except AutotuneError as error:
        return StartEnvironment(base(), problem=error.message)
    return _environment_of(start, launch_file.name)


def _environment_of(start: StartVariables, name: str) -> StartEnvironment:
    variables, unknown = base(), dict[str, tuple[str, ...]]()
    batch = start.files[0].kind == "cmd"
    spelled = {key.upper(): key for key in variables} if batch else {}
    for variable, found in start.exported().items():
        key = spelled.get(variable, variable)
        if not found.certain:
            unknown[key] = found.depends
        elif key in _SET_BY_BASH and not batch:
            continue
        elif found.exported and found.text is not None:
            variables[key] = found.text
        else:
            variables.pop(key, None)
    shell: dict[str, str] = {}
    for key in SHELL_VARIABLES if not batch else ("venv_dir", "ACCELERATE"):
        found = start.variable(key)
        if not found.certain:
            unknown[key] = found.depends
        elif found.text is not None:
            shell[key] = found.text
    return StartEnvironment(variables, shell, _unknown_in_words(unknown, name))


def _unknown_in_words(unknown: Mapping[str, tuple[str, ...]], name: str) -> str | None:
    """One sentence on the variables that matter and are not known; None when there are none."""
    names = [key for key in unknown if _MATTER.fullmatch(key)]
    if not names:
        return None
    reasons = ", ".join(dict.fromkeys(reason for key in names for reason in unknown[key]))
    which = ", ".join(names) if len(names) < 4 else _("{names} and others").format(names=", ".join(names[:3]))
    return ngettext("{names} in {file} depends on {reasons}: trials start without that",
                    "{names} in {file} depend on {reasons}: trials start without that",
                    len(names)).format(names=which, file=name, reasons=reasons)


def for_python(start: StartEnvironment, python: Path) -> dict[str, str]:
    """The variables that ``python launch.py`` gets: the script's, with its virtual environment active,
    tcmalloc preloaded where webui.sh would, and no browser opened."""
    env = dict(start.variables)
    # Not resolved: a virtual environment's interpreter is often a link to another one.
    venv = python.parent.parent
    if (venv / "pyvenv.cfg").is_file():
        env["VIRTUAL_ENV"] = str(venv)
        env["PATH"] = os.pathsep.join([str(python.parent), env.get("PATH", "")])
        env.pop("PYTHONHOME", None)
    env["ERROR_REPORTING"] = "FALSE"
    env["PYTHONUNBUFFERED"] = "1"
    if os.name == "posix":
        env.setdefault("GIT", "git")
    if sys.platform.startswith("linux") and not env.get("LD_PRELOAD") and not (
            start.shell.get("NO_TCMALLOC") or env.get("NO_TCMALLOC")):
        library = tcmalloc()
        if library:
            env["LD_PRELOAD"] = library
    return env


def tcmalloc() -> str | None:
    """The tcmalloc library that webui.sh would preload; None without one, or with a glibc before 2.34.

    Before 2.34 webui.sh looks whether the library links libpthread; we do without it there.
    """
    import platform

    try:
        version = tuple(int(part) for part in platform.libc_ver()[1].split(".")[:2])
    except ValueError:
        return None
    ldconfig = shutil.which("ldconfig", path="/sbin:/usr/sbin:" + os.environ.get("PATH", ""))
    if version < (2, 34) or ldconfig is None:
        return None
    try:
        listed = subprocess.run(
            [ldconfig, "-p"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"^\s*libtcmalloc(?:_minimal)?\.so\.\d.*=> (\S+)$", listed, re.MULTILINE)
    return found[1] if found else None


def command(start: StartEnvironment, python: Path) -> tuple[str, ...]:
    """The argv in front of launch.py: the interpreter, or ``accelerate launch`` where the script would."""
    accelerate = python.parent / ("accelerate.exe" if os.name == "nt" else "accelerate")
    wanted = start.shell.get("ACCELERATE") or start.variables.get("ACCELERATE")
    if wanted and accelerate.is_file():
        return (str(accelerate), "launch", "--num_cpu_threads_per_process=6")
    return (str(python), "-u")
