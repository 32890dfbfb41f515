"""The owner's own running web UI: which processes of this install are theirs, where do they listen?"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.probe import running

if TYPE_CHECKING:
    import psutil


@dataclass(frozen=True)
class OwnWebUI:
    """One process. ``listens``: (host, port) as a caller on this machine writes them; none while it starts.

    ``words``: its command line as launch.py puts it together; None where the system does not tell.
    """

    pid: int
    listens: tuple[tuple[str, int], ...]
    words: tuple[str, ...] | None


def web_uis(root: Path) -> Iterator[OwnWebUI]:
    """Every web UI that runs from ``root``; trial servers of ours excepted."""
    import psutil

    for pid in running.pids(root):
        try:
            process = psutil.Process(pid)
            environ = process.environ()
            if "AUTOTUNE_RUN" in environ:
                continue
            listens = dict.fromkeys(
                (_host(one.laddr.ip), one.laddr.port)
                for one in process.net_connections(kind="inet") if one.status == psutil.CONN_LISTEN)
            yield OwnWebUI(pid, tuple(listens), _words(process, environ))
        except (psutil.Error, OSError):
            continue


def stability_matrix() -> int | None:
    """The pid of a running Stability Matrix, which writes its settings.json anew while it runs; None if none runs."""
    import psutil

    for process in psutil.process_iter():
        try:
            if process.name().lower().startswith("stabilitymatrix"):
                return process.pid
        except (psutil.Error, OSError):
            continue
    return None


def _host(address: str) -> str:
    """Where to reach a listener: loopback, unless it listens on another address alone."""
    if address in ("0.0.0.0", "::", "127.0.0.1"):  # noqa: S104 - what a web UI listens on
        return "127.0.0.1"
    return f"[{address}]" if ":" in address else address


def _words(process: psutil.Process, environ: dict[str, str]) -> tuple[str, ...] | None:
    """Words after the script, then those of COMMANDLINE_ARGS, which launch.py appends."""
    line = process.cmdline()
    at = next((i for i, word in enumerate(line) if Path(word).name in running.PROGRAMS), None)
    try:
        more = shlex.split(environ.get("COMMANDLINE_ARGS", ""))
    except ValueError:
        return None
    return None if at is None else (*line[at + 1 :], *more)


def servers_of(root: Path) -> Iterator[tuple[int, int]]:
    """(pid, port) of every web UI that runs from ``root`` and listens; trial servers of ours excepted."""
    for one in web_uis(root):
        for port in dict.fromkeys(port for _, port in one.listens):
            yield one.pid, port

