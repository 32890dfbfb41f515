"""Sockets as wine shows them: without their owner, so that a start is proven by its credentials alone there."""

from __future__ import annotations

import os
import socket

import psutil
import pytest

from autotune.trial import readiness
from tests.system import under_wine


def owners_are_told() -> bool:
    """Does this system say who listens on a port? Wine 8 shows every socket as process 0's."""
    if not under_wine():
        return True
    with socket.create_server(("127.0.0.1", 0)) as mine:
        port = mine.getsockname()[1]
        return port in {one.laddr.port for one in psutil.Process(os.getpid()).net_connections("tcp") if one.laddr}


OWNERS_ARE_TOLD = owners_are_told()
told = pytest.mark.skipif(not OWNERS_ARE_TOLD, reason="wine 8 does not say who owns a socket")


def heed() -> None:
    """Where the owner is hidden: as on a system that says so."""
    if not OWNERS_ARE_TOLD:
        def hidden(port: int, tree: list[psutil.Process]) -> readiness.Listener:
            return readiness.Listener(frozenset(), frozenset(), known=False)

        readiness.listener = hidden
