"""Starts the web UI by its own start script, as the user does, to prove what ``apply`` wrote.

The flags are those that the script gives. Those of the trial are added by ``launch_shim``, a copy of which lies in the
run's folder: by LAUNCH_SCRIPT, which webui.sh honours, or as ``sitecustomize`` on PYTHONPATH where webui-user.sh sets
LAUNCH_SCRIPT itself, and on Windows. Either way credentials are in no argv.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autotune.language.translate import _
from autotune.model.errors import NothingToWorkOn
from autotune.model.windows_paths import why_not_for_cmd
from autotune.secrets.mask import masked_words
from autotune.webui.a1111 import isolation, launch_shim
from autotune.webui.a1111.flavour import packaged

GIVEN = "given.json"
"""File in the run's folder: the words that the script gave launch.py."""

SCRIPT = "AUTOTUNE_SCRIPT"
"""Variable that holds the path of the start script on Windows."""
PACKAGE, FOLDER = "AUTOTUNE_PACKAGE", "AUTOTUNE_FOLDER"
"""Variables that hold the path of a ready-made package's environment.bat, and the web UI's folder."""


def cmd_line(cmd: str, package: bool = False) -> str:
    """The command line by which cmd.exe runs the script that SCRIPT names, whatever its folder is called.

    With ``package`` the one that PACKAGE names runs before it, in the same shell, as run.bat has it.

    With /s cmd takes off the outer quotes alone. The path comes in by a variable inside quotes: blanks, ``( ) & ^ %``
    and ``!`` in it then mean nothing (/v:off), where a path in the line itself is expanded once more.
    """
    before = f'"%{PACKAGE}%" & cd /d "%{FOLDER}%" & ' if package else ""
    return f'"{cmd}" /d /v:off /s /c "{before}"%{SCRIPT}%""'


@dataclass(frozen=True, slots=True)
class Given:
    """The words that the start script gave launch.py, in order. ``texts``: readable, for those that a trial is not
    given their flag or ``***`` alone; ``marks``: a keyed digest of each whole word, since values may be secret."""

    words: tuple[str, ...]
    texts: tuple[str, ...]
    marks: tuple[str, ...]
    key: str

    def differences(self, expected: Sequence[str]) -> list[str]:
        """Sentences that say how the words differ from those ``expected``; credentials are masked."""
        wanted = [launch_shim.mark(self.key, word) for word in expected]
        if wanted == list(self.marks):
            return []
        extra = _texts_of(Counter(self.marks) - Counter(wanted), self.marks, masked_words(self.texts))
        found = self.missing(expected)
        found += [_("launch.py also got {words}").format(words=" ".join(extra))] if extra else []
        return found or [_("launch.py got the flags in another order")]

    def missing(self, expected: Sequence[str]) -> list[str]:
        """A sentence on the words of ``expected`` that were not given, none where all were."""
        wanted = [launch_shim.mark(self.key, word) for word in expected]
        words = _texts_of(Counter(wanted) - Counter(self.marks), wanted, masked_words(expected))
        return [_("launch.py did not get {words}").format(words=" ".join(words))] if words else []


def _texts_of(wanted: Counter[str], marks: Sequence[str], texts: Sequence[str]) -> list[str]:
    """The texts of the words whose marks ``wanted`` counts, each as often as it counts it."""
    left, found = Counter(wanted), []
    for mark, text in zip(marks, texts, strict=True):
        if left[mark]:
            left[mark] -= 1
            found.append(text)
    return found


def given(folder: Path, key: str) -> Given | None:
    """The words that the start script gave; None when the shim wrote none."""
    try:
        rows = json.loads((folder / GIVEN).read_text(encoding="utf-8"))
        whole = [(str(kept), str(text), str(mark)) for kept, text, mark in rows]
    except (OSError, ValueError, TypeError):
        return None
    if whole and whole[0][1] == "-f" and os.name == "posix" and os.geteuid() == 0:
        del whole[0]  # ours, for webui.sh, which passes it on to launch.py; that ignores it
    words = tuple(text for kept, text, _ in whole if kept == "kept")
    return Given(words, tuple(text for _, text, _ in whole), tuple(mark for _, _, mark in whole), key)


def start_of(
    root: Path, folder: Path, own: Sequence[str], shell: Mapping[str, str], key: str = ""
) -> tuple[tuple[str, ...] | str, dict[str, str]]:
    """How to start the web UI by its own script: (argv, variables to add).

    Raises NothingToWorkOn when there is no script, or no shell to run it.

    On Windows a command line stands in place of argv: cmd.exe has rules of its own for quotes.
    ``shell``: variables that webui-user.sh sets (``environment.StartEnvironment.shell``). ``key``: see ``Given``.
    """
    script_name = "webui-user.bat" if os.name == "nt" else "webui.sh"
    wrong = why_not_for_cmd(str(root)) if os.name == "nt" else None
    if wrong is not None:
        raise NothingToWorkOn(*wrong)
    if not (root / script_name).is_file():
        raise NothingToWorkOn(_("{root} has no {name}").format(root=root, name=script_name),
                              _("name the web UI's folder with --webui"))
    entry = "LAUNCH_SCRIPT" if os.name != "nt" and not shell.get("LAUNCH_SCRIPT") else "PYTHONPATH"
    place = folder / "shim"
    place.mkdir()
    copy = place / ("launch_shim.py" if entry == "LAUNCH_SCRIPT" else "sitecustomize.py")
    shutil.copyfile(launch_shim.__file__, copy)
    launch = root / (shell.get("LAUNCH_SCRIPT") or "launch.py")
    variables = {
        "AUTOTUNE_SHIM": json.dumps({
            "stripped": isolation.STRIPPED, "shortest": isolation.SHORTEST, "words": list(own),
            "given": str(folder / GIVEN), "key": key, "launch": str(launch)}),
        entry: str(copy if entry == "LAUNCH_SCRIPT" else place),
    }
    if os.name == "nt":
        variables[SCRIPT] = str(root / script_name)
        package = packaged(root)
        if package is not None:
            variables.update({PACKAGE: str(package), FOLDER: str(root)})
        return cmd_line(os.environ.get("COMSPEC", "cmd.exe"), package is not None), variables
    bash = shutil.which("bash")
    if bash is None:
        raise NothingToWorkOn(_("bash is not on the PATH"), _("webui.sh needs it"))
    # webui.sh refuses root unless told; whoever is root here starts it with -f too.
    extra = ("-f",) if os.geteuid() == 0 else ()
    return (bash, str(root / script_name), *extra), variables
