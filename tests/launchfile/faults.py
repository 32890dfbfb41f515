"""File layers for tests: one that dies at a chosen step, one that does not wait for the disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from autotune.launchfile import config_json
from autotune.launchfile.files import FileLayer

KILLED = 9
"""The signal that nothing survives; on Windows the exit code of a process that was ended so."""


class KillLayer(FileLayer):
    """Ends its own process (SIGKILL, TerminateProcess) before, inside or after effect number ``at``, a write torn."""

    def __init__(self, at: int, when: str) -> None:
        self.at, self.when, self.count = at, when, 0

    def _step(self, act: Callable[[], None], tear: Callable[[], None] | None = None) -> None:
        mine = self.count == self.at
        self.count += 1
        if mine and self.when == "before":
            os.kill(os.getpid(), KILLED)
        if mine and self.when == "inside":
            if tear is not None:
                tear()
            os.kill(os.getpid(), KILLED)
        act()
        if mine:
            os.kill(os.getpid(), KILLED)

    def make_folder(self, path: Path) -> None:
        self._step(lambda: super(KillLayer, self).make_folder(path))

    def write(self, path: Path, data: bytes) -> None:
        self._step(lambda: super(KillLayer, self).write(path, data),
                   lambda: super(KillLayer, self).write(path, data[: len(data) // 2]))

    def sync(self, path: Path) -> None:
        self._step(lambda: super(KillLayer, self).sync(path))

    def sync_folder(self, path: Path) -> None:
        self._step(lambda: super(KillLayer, self).sync_folder(path))

    def copy_metadata(self, path: Path, like: os.stat_result, original: Path | None) -> None:
        self._step(lambda: super(KillLayer, self).copy_metadata(path, like, original))

    def link(self, path: Path, name: Path) -> None:
        self._step(lambda: super(KillLayer, self).link(path, name))

    def replace(self, path: Path, target: Path) -> None:
        self._step(lambda: super(KillLayer, self).replace(path, target))

    def unlink(self, path: Path) -> None:
        self._step(lambda: super(KillLayer, self).unlink(path))

    def remove_folder(self, path: Path) -> None:
        self._step(lambda: super(KillLayer, self).remove_folder(path))


class FastLayer(FileLayer):
    """Leaves out the waiting for the disk: for thousands of runs that no power cut will hit."""

    def sync(self, path: Path) -> None:
        return

    def sync_folder(self, path: Path) -> None:
        return


def old_and_new(data: bytes, wanted: Mapping[str, Any]) -> config_json.Keys:
    """Of each option what it is in config.json's bytes and what it shall be, as a change of it needs them."""
    now = config_json.values(data)
    return {key: (now.get(key, config_json.ABSENT), value) for key, value in wanted.items()}


def in_child(act: Callable[[], object]) -> bool:
    """Run something in a forked child; True if it came to its end, False if it was killed."""
    pid = os.fork()
    if pid == 0:
        try:
            act()
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert os.WIFEXITED(status) or os.WTERMSIG(status) == KILLED
    return os.WIFEXITED(status)
