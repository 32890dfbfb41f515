"""Judges that are not our own code: bash and cmd.exe (elsewhere wine's) say what a launch file really gives."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from autotune import launchfile
from autotune.launchfile import LaunchFile
from autotune.webui.a1111.flags.block_flags import BLOCK_FLAGS
from tests.system import need_bash, under_wine

KNOWN = BLOCK_FLAGS.names
VALUED = frozenset(n for n in KNOWN if n == "--precision" or n.startswith("--sub-quad"))
TARGET = ("--opt-sdp-attention", "--opt-channelslast")
NO_CMD = "wine is not installed, so no cmd.exe can judge the batch files"
WRITTEN_IN = "utf-8" if sys.platform != "win32" else "mbcs" if under_wine() else "oem"
"""What cmd.exe writes variables in; wine's takes the page of windows, not of consoles."""


def owns(words: Sequence[str]) -> tuple[bool, ...]:
    """A catalogue in small: the flags of KNOWN, abbreviations with one meaning, ``--flag=value``."""
    found: list[bool] = []
    takes = False
    for word in words:
        name = word.partition("=")[0]
        full = name if name in KNOWN else next(
            (k for k in KNOWN if len(name) > 4 and k.startswith(name) and sum(o.startswith(name) for o in KNOWN) == 1),
            "")
        if full:
            found.append(True)
            takes = full in VALUED and "=" not in word
        else:
            found.append(takes and not word.startswith("--"))
            takes = False
    return tuple(found)


def edit(file: LaunchFile, target: Sequence[str], owns: Callable[[Sequence[str]], tuple[bool, ...]] = owns) -> bytes:
    """The edit as `apply` makes it, with the flags of A1111 and the Forges."""
    return launchfile.edit(file, target, owns, BLOCK_FLAGS)


_DRIVER = r"""
at_launch() {
  local at=0 word
  for word in "$@"; do
    at=$((at + 1))
    case "$word" in *webui.sh|*launch.py|*webui.py) shift $at; emit "$@"; builtin exit 0 ;; esac
  done
}
emit() {
  # A child is asked: what bash exports is less than what it has (no arrays).
  local value; value="$(builtin command -p printenv COMMANDLINE_ARGS; builtin printf x)"
  value="${value%x}"; value="${value%$'\n'}"
  builtin printf '%s\0' "$@" "=$value" > "$out"
}
exec() { at_launch "$@"; }
python() { at_launch "$@"; }
python3() { at_launch "$@"; }
bash() { at_launch "$@"; }
./webui.sh() { at_launch ./webui.sh "$@"; }
cd "$1"; shift
for number in $(seq 0 $(($1 - 1))); do
  (
    out="$PWD/$number.out"
    builtin cd "$number"
    set --
    . ./webui-user.sh > /dev/null 2> "../$number.err" < /dev/null
    out="$OLDPWD/$number.out"
    emit
  )
done
"""


def bash_words(files: Sequence[bytes], folder: Path, environ: dict[str, str] | None = None) -> list[list[str]]:
    """What launch.py would receive from each file, as bash and shlex say: words on the line, then the variable's."""
    need_bash()
    for number, data in enumerate(files):
        (folder / str(number)).mkdir(parents=True)
        (folder / str(number) / "webui-user.sh").write_bytes(data)
    bare = {"PATH": os.environ["PATH"], "HOME": "/home/someone", **(environ or {})}
    subprocess.run(["bash", "-c", _DRIVER, "judge", str(folder), str(len(files))], env=bare, check=False, timeout=120)
    found = []
    for number in range(len(files)):
        *line, value = (folder / f"{number}.out").read_bytes().decode().removesuffix("\0").split("\0")
        found.append([*line, *shlex.split(value[1:])])
    return found


def bash_accepts(data: bytes) -> str:
    """The complaint of ``bash -n``, '' if it has none."""
    need_bash()
    return subprocess.run(["bash", "-n"], input=data, capture_output=True, check=False).stderr.decode()


def cmd() -> list[str] | None:
    """How cmd.exe is started: Windows' own, elsewhere by wine; None where that is missing."""
    if sys.platform == "win32":
        return [os.environ.get("COMSPEC", "cmd.exe"), "/d"]
    wine = shutil.which("wine")
    return [wine, "cmd"] if wine else None


def bare_environment(cmd_home: Path) -> dict[str, str]:
    """The variables without which cmd.exe does not start."""
    if sys.platform == "win32":
        names = ("PATH", "SYSTEMROOT", "COMSPEC", "PATHEXT", "TEMP")
        return {name: os.environ[name] for name in names if name in os.environ}
    return {"PATH": os.environ["PATH"], "WINEPREFIX": str(cmd_home), "WINEDEBUG": "-all",
            "HOME": str(cmd_home.parent), "DISPLAY": ""}


def cmd_words(
    files: Sequence[bytes], folder: Path, cmd_home: Path, environ: dict[str, str] | None = None
) -> list[list[str] | None]:
    """As ``bash_words``, by cmd.exe; None where a file gave nothing to look at."""
    driver = ["@echo off"]
    for number, data in enumerate(files):
        home = folder / str(number)
        home.mkdir(parents=True)
        (home / "webui-user.bat").write_bytes(data)
        (home / "webui.bat").write_bytes(b"@echo off\r\n>line.txt echo.%*\r\n>value.txt set COMMANDLINE_ARGS\r\n")
        driver += ["setlocal", f"cd {number}", "call webui-user.bat >nul 2>nul",
                   ">end.txt set COMMANDLINE_ARGS", "cd ..", "endlocal"]
    (folder / "driver.bat").write_bytes("\r\n".join([*driver, ""]).encode())
    run_cmd(folder, cmd_home, environ)
    return [_cmd_result(folder / str(number)) for number in range(len(files))]


def run_cmd(folder: Path, cmd_home: Path, environ: dict[str, str] | None = None) -> None:
    """Run ``driver.bat`` in a folder, with few variables; a wine server ends by itself a few seconds later."""
    program = cmd()
    assert program
    subprocess.run([*program, "/c", "driver.bat"], cwd=folder, env={**bare_environment(cmd_home), **(environ or {})},
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
                   timeout=240)


def _cmd_result(home: Path) -> list[str] | None:
    found = home / "value.txt" if (home / "value.txt").exists() else home / "end.txt"
    if not found.exists():
        return None
    text = found.read_bytes().decode(WRITTEN_IN, "surrogateescape").replace("\r\n", "\n")
    match = re.search(r"(?ims)^COMMANDLINE_ARGS=(.*?)(?=\n\Z|^COMMANDLINE_ARGS\s*=)", text)
    value = match.group(1) if match else ""
    line = (home / "line.txt").read_text(WRITTEN_IN).strip() if (home / "line.txt").exists() else ""
    return [*line.split(), *shlex.split(value)]


def cmd_variables(
    files: Sequence[bytes], folder: Path, cmd_home: Path, beside: dict[str, bytes],
    environ: dict[str, str] | None = None,
) -> tuple[dict[str, str], list[dict[str, str] | None]]:
    """By cmd.exe: the variables before, and those each file leaves where it starts the web UI (else at its end).

    Names in upper case; the judge's folder reads as this system spells it. None where a file left nothing to look at.
    """
    folder.mkdir(parents=True, exist_ok=True)
    driver = ["@echo off", ">base.txt set"]
    for number, data in enumerate(files):
        home = folder / str(number)
        for name, content in {**beside, "webui-user.bat": data}.items():
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).write_bytes(content)
        start = f'@if not exist "%JUDGED%\\{number}.start" >"%JUDGED%\\{number}.start" set\r\n'
        (home / "webui.bat").write_bytes(start.encode())
        driver += ["setlocal", f"cd {number}", "call webui-user.bat >nul 2>nul <nul",
                   f'>"%JUDGED%\\{number}.end" set', 'cd /d "%JUDGED%"', "endlocal"]
    (folder / "driver.bat").write_bytes("\r\n".join([*driver, ""]).encode())
    run_cmd(folder, cmd_home, {"JUDGED": _windows(folder), **(environ or {})})

    def dump(path: Path, home: Path = folder) -> dict[str, str] | None:
        if not path.exists():
            return None
        text = path.read_bytes().decode(WRITTEN_IN, "surrogateescape").replace(_windows(home), str(home))
        lines = [line for line in text.split("\r\n") if line[:1] not in ("", "=") and line[:7] != "JUDGED="]
        pairs = (line.partition("=") for line in lines)
        return {name.upper(): content for name, _, content in pairs}

    homes = [folder / str(number) for number in range(len(files))]
    found = [dump(home.with_suffix(".start"), home) or dump(home.with_suffix(".end"), home) for home in homes]
    return dump(folder / "base.txt") or {}, found


def _windows(folder: Path) -> str:
    return str(folder) if sys.platform == "win32" else "Z:" + str(folder).replace("/", "\\")
