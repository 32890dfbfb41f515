"""Is it up, is it ours, has it loaded its model? Asked until yes, or until there is a reason why not."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from autotune.model.api import ApiProblem
from autotune.trial.log import ServerLog
from autotune.webui.face import WebUIClient

PERIOD = 0.2
"""Seconds between looks: readiness is seen at most this much, and one request, after it is true."""
TEARDOWN = 2.0
"""Seconds that a killed process is given to let go of its port: with many threads it is a zombie to everybody else
while its last threads still close its sockets (up to a tenth of a second was seen with torch)."""
LOG_PATIENCE = 5.0
"""Seconds after the API answers in which the log may say that the model is loaded; then a tiny image asks."""


class NotOurs(Exception):
    """Somebody else's server answers on the port (``port_taken``), or ours listens where it must not."""

    def __init__(self, message: str, *, port_taken: bool = True) -> None:
        super().__init__(message)
        self.port_taken = port_taken


@dataclass(frozen=True, slots=True)
class Listener:
    """Who listens on a port: pids, and the addresses they listen on. ``known`` False: the OS would not say."""

    pids: frozenset[int]
    addresses: frozenset[str]
    known: bool


def free_port() -> int:
    """A loopback port that was free a moment ago. Raises OSError."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """True when the loopback port can be bound right now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a port in TIME_WAIT can be listened on. On Windows the option means something else.
        if os.name == "posix":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def wait_free(port: int, limit: float = TEARDOWN) -> bool:
    """True once the loopback port can be bound, False when it still cannot after ``limit`` seconds."""
    until = time.monotonic() + limit
    while not is_free(port):
        if time.monotonic() >= until:
            return False
        time.sleep(0.02)
    return True


def listener(port: int, tree: list[psutil.Process]) -> Listener:
    """Which of ``tree`` listen on ``port``, and on which addresses."""
    pids: set[int] = set()
    addresses: set[str] = set()
    known = False
    for process in tree:
        try:
            # psutil 6 renamed it.
            ask = getattr(process, "net_connections", None) or process.connections
            connections = ask(kind="tcp")
            known = True
        except (psutil.Error, OSError):
            continue
        for connection in connections:
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port:
                pids.add(process.pid)
                addresses.add(connection.laddr.ip)
    return Listener(frozenset(pids), frozenset(addresses), known)


@dataclass(frozen=True, slots=True)
class Starting:
    """A web UI of ours that comes up. ``stranger``: asks it without credentials. ``tree``: its processes now;
    ``alive``: whether its first one lives; ``deadline``: until when it may take (time.monotonic), asked again at each
    look."""

    client: WebUIClient
    stranger: WebUIClient
    port: int
    log: ServerLog
    tree: Callable[[], list[psutil.Process]]
    alive: Callable[[], bool]
    deadline: Callable[[], float]


def prove_ours(one: Starting, limit: float) -> bool:
    """True once a server of our tree takes this run's credentials and refuses a caller without; False while
    none of ours listens yet.

    ``limit``: seconds each question may take. Where the OS does not show who owns a socket, credentials alone decide.
    Raises NotOurs: a web UI of the user's, or another listener on the port, is never measured, and one of ours that
    listens on more than loopback is not left running. Raises ApiProblem while it does not answer.
    """
    socket_of = listener(one.port, one.tree())
    if socket_of.known and not socket_of.pids:
        # Either it does not listen yet, or somebody else has the port: then it will end and say so.
        return False
    try:
        one.stranger.answers(limit)
    except ApiProblem as problem:
        if problem.status != 401:
            raise
    else:
        raise NotOurs(f"the server on port {one.port} asks for no credentials: it is not ours")
    open_to = socket_of.addresses - {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    if open_to:
        raise NotOurs(f"the server listens on {', '.join(sorted(open_to))}, not on loopback only",
                      port_taken=False)
    one.client.answers(limit)
    return True


def await_ready(one: Starting, cancelled: Callable[[], bool]) -> bool:
    """True once the server is ours, has its model and answers a cheap request; False when it ended, when its
    log says that the model cannot be loaded, when ``cancelled`` says so, or when its time is over. Raises NotOurs.

    A line of the log tells that the model is loaded; without it the cheapest picture does, which blocks until there is
    a model.
    """
    answered: float | None = None
    begun = time.monotonic()
    while one.alive() and not cancelled() and time.monotonic() < one.deadline():
        try:
            if one.log.model_failed:
                return False
            # Short at first, so that a death is seen at once; longer for a machine that is slow for long.
            now = time.monotonic()
            limit = min(5.0, 1.0 + 0.05 * (now - begun), max(0.1, one.deadline() - now))
            if answered is None and prove_ours(one, limit):
                answered = time.monotonic()
            if answered is not None and one.log.model_loaded:
                one.client.answers(limit)
                return True
            if answered is not None and time.monotonic() - answered > LOG_PATIENCE:
                one.client.still(limit=max(1.0, one.deadline() - time.monotonic()))
                return True
        except ApiProblem as problem:
            # 401: credentials are refused, so this is a server, but not ours.
            if problem.status == 401:
                raise NotOurs(f"the server on port {one.port} does not take our credentials") from None
        time.sleep(PERIOD)
    return False
