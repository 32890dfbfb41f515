"""The owner's own running web UI: on which ports does this install listen?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from autotune.probe import running


def servers_of(root: Path) -> Iterator[tuple[int, int]]:
    """(pid, port) of every web UI that runs from ``root`` and listens; trial servers of ours excepted."""
    import psutil

    for pid in running.pids(root):
        try:
            process = psutil.Process(pid)
            if "AUTOTUNE_RUN" in process.environ():
                continue
            for connection in process.net_connections(kind="inet"):
                if connection.status == psutil.CONN_LISTEN:
                    yield pid, connection.laddr.port
        except (psutil.Error, OSError):
            continue
