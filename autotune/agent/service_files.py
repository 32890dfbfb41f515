"""Fills in the service templates. Pure: what to run and where in, the text of each file out."""

from __future__ import annotations

import os
import plistlib
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.parsers.expat import ExpatError
from xml.sax.saxutils import escape, unescape

from autotune.agent.resources import template


@dataclass(frozen=True, slots=True)
class Target:
    """What the service runs: ``words`` is the command line before the verb ``daemon``."""

    words: tuple[str, ...]
    webui: Path
    state: Path


def target(python: str, webui: Path, state: Path, config: Path | None) -> Target:
    """The agent of one web UI, with absolute paths: a service has no working directory to speak of."""
    words = [python, "-m", "autotune", "--webui", str(webui.absolute()), "--state-dir", str(state.absolute())]
    if config is not None:
        words += ["--config", str(config.absolute())]
    return Target(tuple(words), webui.absolute(), state.absolute())


def systemd(name: str, what: Target) -> str:
    """A unit file."""
    # "-": where the web UI's folder is gone, the agent itself has to say so, not the manager that cannot begin it.
    write = " ".join(_systemd_word(path) for path in (str(what.state), f"-{what.webui}"))
    text = template(name)
    text = text.replace("@EXEC@", " ".join(_systemd_word(word, command=True) for word in what.words))
    return text.replace("@WRITE@", write)


def _systemd_word(word: str, command: bool = False) -> str:
    """One word of a unit file, quoted: % begins a specifier everywhere, $ a variable in command lines."""
    text = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    if command:
        text = text.replace("$", "$$")
    return f'"{text}"'


def task(name: str, what: Target, user: str) -> bytes:
    """A Windows task definition, in the UTF-16 that its first line declares and schtasks expects."""
    values = {
        "@USER@": user,
        "@COMMAND@": what.words[0],
        "@ARGUMENTS@": subprocess.list2cmdline(what.words[1:]),
    }
    text = template(name)
    for mark, value in values.items():
        text = text.replace(mark, escape(value))
    return text.encode("utf-16")


def launchd(what: Target) -> bytes:
    """A launchd agent's property list."""
    content = plistlib.loads(template("autotune.plist").encode())
    after = [word for word in content["ProgramArguments"] if word != "@EXEC@"]
    content["ProgramArguments"] = [*what.words, *after]
    content["StandardErrorPath"] = content["StandardErrorPath"].replace("@STATE@", str(what.state))
    return plistlib.dumps(content, sort_keys=False)


def webui_of(name: str, content: bytes) -> str | None:
    """The web UI's folder that a file of a service names; None where none can be told."""
    if name.endswith(".plist"):
        try:
            words = plistlib.loads(content)["ProgramArguments"]
            return str(words[words.index("--webui") + 1])
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, ExpatError):
            return None
    if name.endswith(".xml"):
        text = unescape(content.decode("utf-16", "replace"))
        match = re.search(r'--webui (?:"([^"]*)"|(\S+))', text)
        return (match[1] or match[2]) if match else None
    match = re.search(r'^ExecStart=.*"--webui" "((?:[^"\\]|\\.)*)"', content.decode("utf-8", "replace"), re.MULTILINE)
    return re.sub(r"\\(.)", r"\1", match[1]).replace("%%", "%").replace("$$", "$") if match else None


def systemd_folder(home: Path) -> Path:
    """Where a user's own units lie."""
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else home / ".config") / "systemd" / "user"


def shown(command: Sequence[str]) -> str:
    """A command as it would be typed."""
    if os.name == "nt":
        return subprocess.list2cmdline(command)
    import shlex

    return shlex.join(command)
