"""Which variables a start of the web UI gets from its launch file, each certain or said not to be. Runs nothing of it.

A start may read several files in one shell: on macOS webui-macos-env.sh, then webui-user.sh; on Windows environment.bat
in a ready-made package, then webui-user.bat, then, called by webui.bat, webui.settings.bat. What the reading leaves
uncertain is asked of bash in a sandbox, which runs none of the file's own commands (``ask_bash``); what it cannot say
either stays uncertain.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.language.translate import _
from autotune.launchfile import blocks
from autotune.launchfile.launch_file import LaunchFile
from autotune.launchfile.reader import kind_of, load_bytes, parse
from autotune.launchfile.values import COMMANDLINE_ARGS, Variable
from autotune.webui.a1111.flavour import packaged

if TYPE_CHECKING:
    from autotune.launchfile.ask_bash import BashAnswer

MACOS, SETTINGS = "webui-macos-env.sh", "webui.settings.bat"


class StartVariables:
    """The variables of a start by one launch file. ``files``: all that such a start reads, in order."""

    def __init__(self, root: Path, files: tuple[LaunchFile, ...], environ: Mapping[str, str]) -> None:
        self.root, self.files, self.environ = root, files, environ

    def variable(self, name: str) -> Variable:
        """A variable of that start; certain where reading, or bash in the sandbox, tells its value."""
        found, asked = self._read(name), None
        if not found.certain and not isinstance(self._asked, str):
            asked = self._asked.variable(name) or Variable(self.environ.get(name), name in self.environ)
        return asked or found

    def words(self) -> tuple[str, ...] | str:
        """The words that launch.py receives, as bash in the sandbox tells; else why it cannot."""
        return self._asked if isinstance(self._asked, str) else self._asked.words

    def exported(self) -> dict[str, Variable]:
        """All variables that the files set or change, by name; without COMMANDLINE_ARGS."""
        names = {name for file in self.files if file.reading for name in file.reading.variables}
        if any(file.reading and file.reading.changes_any for file in self.files):
            names |= {*self.environ, *(() if isinstance(self._asked, str) else self._asked.variables)}
        return {name: self.variable(name) for name in sorted(names) if name != COMMANDLINE_ARGS}

    def _read(self, name: str) -> Variable:
        return self.files[-1].variable(name)

    @cached_property
    def _asked(self) -> BashAnswer | str:
        """What bash in the sandbox says; else why nobody can be asked, or it cannot say."""
        from autotune.launchfile.ask_bash import ask

        if len(self.files) > 1 or self.files[0].kind != "sh":
            return _("only a bash file can be asked about")
        file = self.files[0]
        # A block of ours is no part of what its owner wrote: it takes words out of what that gives, and adds some.
        plain = file if file.block is None else parse(file.base, file.path, file.environ, file.root)
        found = ask(plain, self.root, self.environ)
        if isinstance(found, str) or file.block is None:
            return found
        return replace(found, words=blocks.words_after(found.words, file.block))


def read_start(
    root: Path, launch_file: Path, environ: Mapping[str, str] | None = None, platform: str = sys.platform,
    data: bytes | None = None,
) -> StartVariables:
    """Reads all files that a start by ``launch_file`` reads; ``data``: bytes to take in place of its content.

    Raises NothingToWorkOn and Refused, as ``reader.read`` does.
    """
    environ = os.environ if environ is None else environ
    data, kind = load_bytes(launch_file) if data is None else data, kind_of(launch_file)
    if kind == "sh" and platform == "darwin" and launch_file.name != MACOS and (root / MACOS).is_file():
        # One shell reads both, so that one reading of both is what it has in the end.
        data = load_bytes(root / MACOS) + b"\n" + data
    if kind != "cmd":
        return StartVariables(root, (parse(data, launch_file, environ, root),), environ)
    second = launch_file.with_name(SETTINGS)
    if launch_file.name.lower() == SETTINGS and launch_file.with_name("webui-user.bat").is_file():
        launch_file = launch_file.with_name("webui-user.bat")
        data = load_bytes(launch_file)
    files = [(launch_file, data)]
    package = packaged(root) if launch_file.parent == root else None
    if package is not None:
        files.insert(0, (package, load_bytes(package)))
    if launch_file != second and second.is_file():
        files.append((second, load_bytes(second)))
    read: list[LaunchFile] = []
    for path, content in files:
        read.append(parse(content, path, environ, root, read[-1] if read else None))
    return StartVariables(root, tuple(read), environ)
