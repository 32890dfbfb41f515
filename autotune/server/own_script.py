"""A start through the web UI's own start script, as its owner starts it (the proof after an apply).

The words are what the script gives; ours come in through ``shim``, a copy of which lies in the run's folder:
by LAUNCH_SCRIPT, which webui.sh honours, or as ``sitecustomize`` on PYTHONPATH where webui-user.sh sets
LAUNCH_SCRIPT itself, and on Windows. Either way credentials are in no argv.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from autotune.model.errors import NothingToWorkOn
from autotune.server import isolation, shim

GIVEN = "given.json"

SCRIPT = "AUTOTUNE_SCRIPT"
"""Variable that holds the path of the start script on Windows."""


def cmd_line(cmd: str) -> str:
    """The command line by which cmd.exe runs the script that SCRIPT names, whatever its folder is called.

    With /s cmd takes off the outer quotes alone. The path comes in by a variable inside quotes: blanks, ``( ) & ^ %``
    and ``!`` in it then mean nothing (/v:off), where a path in the line itself is expanded once more.
    """
    return f'"{cmd}" /d /v:off /s /c ""%{SCRIPT}%""'


def given_words(folder: Path) -> tuple[str, ...]:
    """The words that the start script gave, without those a trial is not given; () if there was none."""
    try:
        words = json.loads((folder / GIVEN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ()
    if not isinstance(words, list):
        return ()
    # -f is ours, for webui.sh, and goes on to launch.py, which ignores it.
    return tuple(word for word in words if isinstance(word, str) and word != "-f")


def start_of(
    root: Path, folder: Path, own: Sequence[str], shell: Mapping[str, str]
) -> tuple[tuple[str, ...] | str, dict[str, str]]:
    """(argv, variables to add) of a start by script. Raises NothingToWorkOn without a script or its shell.

    On Windows a command line in place of argv: cmd.exe has rules of its own for quotes.

    ``shell``: variables that webui-user.sh sets (``environment.StartEnvironment.shell``).
    """
    script_name = "webui-user.bat" if os.name == "nt" else "webui.sh"
    if not (root / script_name).is_file():
        raise NothingToWorkOn(f"{root} has no {script_name}", "name the web UI's folder with --webui")
    door = "LAUNCH_SCRIPT" if os.name != "nt" and not shell.get("LAUNCH_SCRIPT") else "PYTHONPATH"
    place = folder / "shim"
    place.mkdir()
    copy = place / ("launch_shim.py" if door == "LAUNCH_SCRIPT" else "sitecustomize.py")
    shutil.copyfile(shim.__file__, copy)
    launch = root / (shell.get("LAUNCH_SCRIPT") or "launch.py")
    variables = {
        "AUTOTUNE_SHIM": json.dumps({
            "stripped": isolation.STRIPPED, "shortest": isolation.SHORTEST, "words": list(own),
            "given": str(folder / GIVEN), "launch": str(launch)}),
        door: str(copy if door == "LAUNCH_SCRIPT" else place),
    }
    if os.name == "nt":
        variables[SCRIPT] = str(root / script_name)
        return cmd_line(os.environ.get("COMSPEC", "cmd.exe")), variables
    bash = shutil.which("bash")
    if bash is None:
        raise NothingToWorkOn("bash is not on the PATH", "webui.sh needs it")
    # webui.sh refuses root unless told; whoever is root here starts it with -f too.
    extra = ("-f",) if os.geteuid() == 0 else ()
    return (bash, str(root / script_name), *extra), variables
