"""Asks bash what a launch file gives, where reading the file does not tell. Nothing in the file can do any harm.

bash gets a harmless copy (see sh_harmless): only builtins that set variables are left in it. It runs restricted,
without a PATH, without start files, with every other builtin switched off, for a few seconds at most, in a process
group of its own. If it prints any error, its answer is not used.
"""

from __future__ import annotations

import os
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from autotune.language.translate import _
from autotune.launchfile import sh_harmless
from autotune.launchfile.launch_file import LaunchFile
from autotune.launchfile.sh_harmless import HarmlessCopy, NotHarmless
from autotune.launchfile.sh_tree import NoParser, NotUnderstood
from autotune.launchfile.sh_words import SET_BY_BASH
from autotune.launchfile.values import COMMANDLINE_ARGS, Variable

TIME_LIMIT = 5.0
"""Seconds; a launch file's variables take milliseconds."""

_HEAD = (
    "for _at in . source eval exec kill trap builtin command cd pushd popd dirs bind history fc jobs bg fg disown "
    "suspend logout umask ulimit hash type wait help complete compgen compopt caller times getopts; do "
    'enable -n "$_at" 2>/dev/null; done; unset _at; enable -n enable; set -r\n'
)
"""Comes before the copy: switches off all builtins that do more than set variables, for good."""

_DRIVER = r"""
ulimit -c 0; ulimit -t 5; ulimit -f 2048; ulimit -v 2000000 2>/dev/null
exec 8>/dev/null; BASH_XTRACEFD=8
_at_mark="$1" _at_names="$2" _at_file="$3"; shift 3
. "$_at_file"
set +euxfa; IFS=' '
printf '\0%s\0' "$_at_mark"
for _at_name in $_at_names; do
  _at_how="$(declare -p "$_at_name" 2>&8)"
  if [[ -n "${!_at_name+set}" ]]; then
    _at_how="${_at_how#declare -}"; _at_how="${_at_how%% *}"
    printf '%s\0%s\0%s\0' "$_at_name" "$_at_how" "${!_at_name}"
  else
    printf '%s\0unset\0\0' "$_at_name"
  fi
done
printf 'end\0'
"""
_NOT_PASSED = re.compile(r"BASH_FUNC_.*|BASH_ENV|ENV|SHELLOPTS|BASHOPTS|POSIXLY_CORRECT")
_DROPPED = re.compile(r"LD_.*|DYLD_.*|PS4|PATH|BASH_XTRACEFD|TMPDIR|_")


@dataclass(frozen=True, slots=True)
class BashAnswer:
    """What bash answered: the file's variables, and the words that launch.py gets."""

    variables: Mapping[str, Variable]
    words: tuple[str, ...]

    def variable(self, name: str) -> Variable | None:
        """One variable; None where the file has nothing to do with it."""
        if name in SET_BY_BASH:
            return Variable(None, False, (_("what bash sets itself"),))
        return self.variables.get(name)


def ask(file: LaunchFile, cwd: Path, environ: Mapping[str, str]) -> BashAnswer | str:
    """The variables of the file after bash has read it in ``cwd`` with that environment, or why bash cannot tell.

    Nothing in the file is run that could start, write, fetch or end anything. An answer is complete and certain;
    otherwise this is the reason why there is none, as one clause ("source in line 3").
    """
    found = shutil.which("bash", path=os.environ.get("PATH"))
    if file.kind != "sh" or file.reading is None:
        return _("it is no bash file")
    if os.name == "nt" or found is None:
        return _("there is no bash here to ask")
    if odd := next((name for name in sorted(environ) if _NOT_PASSED.fullmatch(name)), None):
        return _("{name} in the environment makes another shell of bash").format(name=odd.partition("%")[0])
    if file.reading.line_unknown:
        return _("variables on the starting line {line}").format(line=file.reading.launch_line)
    try:
        copy = HarmlessCopy(file.data.decode("latin-1"), file.reading)
        text, names = copy.text(), sorted(copy.names() - SET_BY_BASH)
    except (NotHarmless, NotUnderstood, NoParser, RecursionError) as error:
        return str(error) or _("it is not understood")
    with tempfile.TemporaryDirectory(prefix="autotune-ask-") as folder:
        rows = _run(found, Path(folder), text, names, cwd, environ)
    if isinstance(rows, str):
        return rows
    variables = {name: _variable(how, value) for name, how, value in rows}
    return _answered(file, variables)


def _answered(file: LaunchFile, variables: dict[str, Variable]) -> BashAnswer | str:
    assert file.reading is not None
    own = variables[COMMANDLINE_ARGS]
    if not own.certain:
        return _("{name} is an array, which never reaches the web UI").format(name=COMMANDLINE_ARGS)
    try:
        words = shlex.split(own.text or "") if own.exported else []
        line = [w.text.encode("latin-1").decode("utf-8") for w in file.reading.line_words]
    except ValueError:
        return _("a quote in {name} is never closed").format(name=COMMANDLINE_ARGS)
    return BashAnswer(variables, (*line, *words))


def _variable(how: str, value: str) -> Variable:
    if how == "unset":
        return Variable(None, False)
    return Variable(value, "x" in how, (_("an array"),) if {"a", "A"} & set(how) else ())


def _run(bash: str, folder: Path, text: str, names: list[str], cwd: Path,
         environ: Mapping[str, str]) -> list[tuple[str, str, str]] | str:
    mark = secrets.token_hex(16)
    (folder / "nothing").mkdir()
    (folder / "file").write_bytes(_HEAD.encode() + text.encode("latin-1"))
    clean = {name: value for name, value in environ.items() if not _DROPPED.fullmatch(name)}
    clean |= {"PATH": str(folder / "nothing")}
    clean |= {sh_harmless.PATH: environ["PATH"]} if "PATH" in environ else {}
    asked = [sh_harmless.PATH if name == "PATH" else name for name in names if not name.startswith("_at_")]
    command = [bash, "--noprofile", "--norc", "-c", _DRIVER, "bash", mark, " ".join(asked), str(folder / "file")]
    with (folder / "out").open("wb") as out, (folder / "said").open("wb") as said:
        try:
            process = subprocess.Popen(command, cwd=cwd, env=clean, stdin=subprocess.DEVNULL, stdout=out, stderr=said,
                                       start_new_session=True)
        except OSError as error:
            return _("bash cannot be asked: {reason}").format(reason=error.strerror)
        try:
            process.wait(TIME_LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return _("bash does not come to an end of it within {seconds:g} s").format(seconds=TIME_LIMIT)
    complaint = (folder / "said").read_bytes()[:4096].decode("utf-8", "replace")
    if complaint:
        line = re.search(r"line (\d+):", complaint)
        return (_("bash complains about line {line}").format(line=int(line.group(1)) - 1) if line
                else _("bash complains about it"))
    parts = (folder / "out").read_bytes().decode("utf-8", "surrogateescape").split("\0")
    if mark not in parts or parts[-2:] != ["end", ""]:
        return _("it ends the shell before the web UI is started")
    rows = parts[parts.index(mark) + 1 : -2]
    return [("PATH" if name == sh_harmless.PATH else name, how, value)
            for name, how, value in zip(rows[::3], rows[1::3], rows[2::3], strict=True)]
