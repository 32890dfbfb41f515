"""Fills in the templates of the service's files (folder systemd/) for each service manager."""

from __future__ import annotations

import os
import plistlib
import re
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.parsers.expat import ExpatError
from xml.sax.saxutils import escape, unescape

from autotune.language.translate import _
from autotune.model.errors import NothingToWorkOn


@dataclass(frozen=True, slots=True)
class AgentCommand:
    """What a service runs: ``words`` is the command line up to the verb ``daemon``, which the templates add."""

    words: tuple[str, ...]
    webui: Path
    state: Path


def agent_command(python: str, webui: Path, state: Path, config: Path | None) -> AgentCommand:
    """The agent of one web UI, with absolute paths: a service has no working directory to speak of."""
    words = [python, "-m", "autotune", "--webui", str(webui.absolute()), "--state-dir", str(state.absolute())]
    if config is not None:
        words += ["--config", str(config.absolute())]
    return AgentCommand(tuple(words), webui.absolute(), state.absolute())


def template(name: str) -> str:
    """The text of a template: beside the package in a wheel, else in the source tree's systemd/ folder.

    A line ``@HARDENING@`` stands for what both systemd services have in common. Raises NothingToWorkOn when the
    installation lacks a file.
    """
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "systemd", package.parent / "systemd"):
        try:
            text = (folder / name).read_text(encoding="utf-8")
        except OSError:
            continue
        return text.replace("@HARDENING@\n", template("hardening.conf")) if "@HARDENING@" in text else text
    raise NothingToWorkOn(_("this installation lacks {name}").format(name=name), _("Install autotune again."))


def systemd_unit(name: str, agent: AgentCommand) -> str:
    """The text of a unit file, from the template of that name."""
    # "-": where the web UI's folder is gone, the agent itself has to say so, not the manager that cannot begin it.
    write = " ".join(_systemd_word(path) for path in (str(agent.state), f"-{agent.webui}"))
    text = template(name).replace("@EXEC@", " ".join(_systemd_word(word, command=True) for word in agent.words))
    return text.replace("@WRITE@", write)


def _systemd_word(word: str, command: bool = False) -> str:
    """One word of a unit file, quoted: % begins a specifier everywhere, $ a variable in command lines."""
    text = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    if command:
        text = text.replace("$", "$$")
    return f'"{text}"'


def windows_task(name: str, agent: AgentCommand, user: str) -> bytes:
    """A Windows task definition, in the UTF-16 that its first line declares and schtasks expects."""
    arguments = subprocess.list2cmdline(agent.words[1:])
    text = template(name)
    for mark, value in {"@USER@": user, "@COMMAND@": agent.words[0], "@ARGUMENTS@": arguments}.items():
        text = text.replace(mark, escape(value))
    return text.encode("utf-16")


def launchd_agent(agent: AgentCommand) -> bytes:
    """The property list of a launchd agent."""
    content = plistlib.loads(template("autotune.plist").encode())
    after = [word for word in content["ProgramArguments"] if word != "@EXEC@"]
    content["ProgramArguments"] = [*agent.words, *after]
    content["StandardErrorPath"] = content["StandardErrorPath"].replace("@STATE@", str(agent.state))
    return plistlib.dumps(content, sort_keys=False)


def webui_of(name: str, content: bytes) -> str | None:
    """The web UI's folder that a file of a service names; None where it names none, or is no such file."""
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
    return _without_quoting(match[1]) if match else None


def python_of(name: str, content: bytes) -> str | None:
    """The Python that a file of a service starts; None where it names none, or is no such file."""
    if name.endswith(".plist"):
        try:
            return str(plistlib.loads(content)["ProgramArguments"][0])
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, ExpatError):
            return None
    if name.endswith(".xml"):
        found = re.search(r"<Command>([^<]*)</Command>", content.decode("utf-16", "replace"))
        return unescape(found[1]) if found else None
    match = re.search(r'^ExecStart="((?:[^"\\]|\\.)*)"', content.decode("utf-8", "replace"), re.MULTILINE)
    return _without_quoting(match[1]) if match else None


def _without_quoting(word: str) -> str:
    """A quoted word of a unit file as it was before."""
    return re.sub(r"\\(.)", r"\1", word).replace("%%", "%").replace("$$", "$")


def systemd_folder(home: Path) -> Path:
    """Where a user's own systemd units lie."""
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else home / ".config") / "systemd" / "user"


def as_typed(command: Sequence[str]) -> str:
    """A command as it would be typed in a terminal."""
    return subprocess.list2cmdline(command) if os.name == "nt" else shlex.join(command)
