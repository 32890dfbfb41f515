"""The environment that the web UI's own start script would make.

webui.sh sources webui-user.sh, so bash is asked what it exports; webui-user.bat's plain ``set`` lines are
read. COMMANDLINE_ARGS is left out: the caller says the words.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from autotune.server import tree

TIME_LIMIT = 15.0
"""Seconds that webui-user.sh may take; it should only set variables."""

SHELL_VARIABLES = ("install_dir", "clone_dir", "python_cmd", "venv_dir", "LAUNCH_SCRIPT", "ACCELERATE",
                   "NO_TCMALLOC")
"""Variables that webui.sh reads, exported or not."""

OURS = ("VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT", "PYTHONHOME", "COMMANDLINE_ARGS", "PYTHONSTARTUP", "PYTHONEXECUTABLE",
        "__PYVENV_LAUNCHER__", "PYTHONSAFEPATH", "PYTHONWARNINGS", "PYTEST_CURRENT_TEST",
        tree.MARKER)
"""Variables of autotune's own surroundings that the web UI must not inherit."""

# `exec` ends the questioning: some files start the web UI themselves in their last line. Builtins only, so
# that a changed PATH cannot break it; compgen -e names the exported variables on bash 3.2 (macOS) too.
_ASK = r"""
tell() {
  for name in $(compgen -e); do printf 'e%s=%s\0' "$name" "${!name}" >&3; done
  for name in $AUTOTUNE_ASKED; do [ -n "${!name+x}" ] && printf 's%s=%s\0' "$name" "${!name}" >&3; done
  printf 'done\0' >&3
}
exec() { if [ $# -gt 0 ]; then tell; builtin exit 0; else builtin exec; fi; }
[ "$1" = "" ] || source "$1" >/dev/null 2>&1
source "$2" >/dev/null 2>&1
tell
"""


@dataclass(frozen=True, slots=True)
class StartEnvironment:
    """Exported variables, and ``shell``: those of SHELL_VARIABLES that are set. ``problem``: why it could not
    be asked, in words, the variables then being autotune's own environment without its private part."""

    variables: dict[str, str]
    shell: dict[str, str] = field(default_factory=dict)
    problem: str | None = None


def base(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without what belongs to autotune's own interpreter."""
    env = dict(os.environ if environ is None else environ)
    venv = env.get("VIRTUAL_ENV")
    if venv:
        scripts = {str(Path(venv) / "bin"), str(Path(venv) / "Scripts")}
        env["PATH"] = os.pathsep.join(
            part for part in env.get("PATH", "").split(os.pathsep) if part.rstrip("/\\") not in scripts)
    for name in OURS:
        env.pop(name, None)
    return env


def ask_bash(launch_file: Path, root: Path, limit: float = TIME_LIMIT) -> StartEnvironment:
    """What bash exports after sourcing ``launch_file`` in ``root``, as webui.sh does.

    The file runs in a process group of its own with a time limit; whatever it started is ended.
    """
    env = base()
    bash = shutil.which("bash", path=env.get("PATH"))
    if bash is None:
        return StartEnvironment(env, problem="bash is not on the PATH")
    macos = root / "webui-macos-env.sh"
    first = str(macos) if sys.platform == "darwin" and macos.is_file() else ""
    reading, writing = os.pipe()
    env["AUTOTUNE_ASKED"] = " ".join(SHELL_VARIABLES)
    mark = f"ask-{os.getpid()}-{reading}-{os.urandom(4).hex()}"
    with os.fdopen(reading, "rb") as answer:
        try:
            process = subprocess.Popen(
                # Descriptor 3 is the answer's; the file's own output goes nowhere.
                [bash, "--noprofile", "--norc", "-c", f"exec 3>&{writing}\n{_ASK}", "ask", first,
                 str(launch_file)],
                cwd=root, env={**env, tree.MARKER: mark}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, pass_fds=(writing,), start_new_session=True)
        finally:
            os.close(writing)
        data, ended = _read(answer.fileno(), process, limit)
    tree.end(lambda: tree.marked(mark), grace=0.0, limit=3.0)
    if not ended:
        return StartEnvironment(base(), problem=f"{launch_file.name} did not end within {limit:g} s")
    return _parse(data, launch_file)


def _read(number: int, process: subprocess.Popen[bytes], limit: float) -> tuple[bytes, bool]:
    """The answer up to its end mark; False when it did not come in time. The process group is ended."""
    import selectors
    import time

    until = time.monotonic() + limit
    data = b""
    with selectors.DefaultSelector() as selector:
        selector.register(number, selectors.EVENT_READ)
        while not data.endswith(b"done\0"):
            if not selector.select(max(0.0, until - time.monotonic())):
                break
            piece = os.read(number, 65536)
            if not piece:
                break
            data += piece
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return data, data.endswith(b"done\0")


def _parse(data: bytes, launch_file: Path) -> StartEnvironment:
    variables: dict[str, str] = {}
    shell: dict[str, str] = {}
    for item in data.split(b"\0"):
        name, equals, value = os.fsdecode(item).partition("=")
        if not equals:
            continue
        (variables if name[0] == "e" else shell)[name[1:]] = value
    for name in ("AUTOTUNE_ASKED", "_", "SHLVL", "PWD", "OLDPWD", "COMMANDLINE_ARGS", tree.MARKER):
        variables.pop(name, None)
    if not variables:
        return StartEnvironment(base(), problem=f"bash told nothing about {launch_file.name}")
    return StartEnvironment(variables, shell)


_SET = re.compile(
    r"^\s*@?set\s+(?:\"(?P<quoted>[^\"=]+)=(?P<inner>[^\"]*)\"|(?P<name>[^=\"]+)=(?P<value>.*))",
    re.IGNORECASE)


def read_bat(launch_file: Path) -> StartEnvironment:
    """The plain ``set NAME=value`` lines of a .bat, %VARIABLES% filled in; no blocks, no jumps."""
    env = base()
    shell: dict[str, str] = {}
    try:
        text = launch_file.read_bytes().decode("utf-8-sig", errors="replace")
    except OSError as error:
        return StartEnvironment(env, problem=f"cannot read {launch_file}: {error.strerror}")
    for line in text.splitlines():
        found = _SET.match(line)
        if not found:
            continue
        name = found["quoted"] or found["name"] or ""
        value = found["inner"] if found["quoted"] else found["value"]
        if name.upper() == "COMMANDLINE_ARGS" or name.lower().startswith(("/a", "/p")):
            continue
        value = re.sub(r"%([^%]+)%", lambda hit: env.get(hit[1], ""), value)
        env[name] = value
        if name.upper() == "VENV_DIR":
            shell["venv_dir"] = value
        if name.upper() == "ACCELERATE":
            shell["ACCELERATE"] = value
        if value == "":
            env.pop(name, None)
    return StartEnvironment(env, shell)


def of_start_script(root: Path, launch_file: Path | None) -> StartEnvironment:
    """What ``launch_file`` (webui-user.sh or .bat) makes of this process's environment.

    Without one, the environment as it is; so too with Stability Matrix's settings.json, which is no script.
    Raises nothing: ``problem`` says what went wrong.
    """
    if launch_file is None or not launch_file.is_file() or launch_file.suffix.lower() == ".json":
        return StartEnvironment(base())
    if launch_file.suffix.lower() in (".bat", ".cmd"):
        return read_bat(launch_file)
    if os.name != "posix":
        return StartEnvironment(base())
    return ask_bash(launch_file, root)


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
