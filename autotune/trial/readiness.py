"""Waits until a web UI that was started is ready: it answers, it is ours, and its model is loaded."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from autotune.language.translate import _
from autotune.model.api import ApiProblem
from autotune.trial.log import ServerLog
from autotune.webui.face import WebUIClient

PERIOD = 0.2
"""Seconds between checks: readiness is noticed at most so long, and one request, after it is there."""
PORT_RELEASE = 2.0
"""Seconds that a killed process is given to release its port: one with many threads is a zombie already while its last
threads still close its sockets (up to a tenth of a second was seen with torch)."""
LOG_LIMIT = 5.0
"""Seconds after the API answers in which the log may say that the model is loaded; then a tiny image is rendered."""


class NotOurs(Exception):
    """Somebody else's server answers on the port (``port_taken``), or ours listens where it must not."""

    def __init__(self, message: str, *, port_taken: bool = True) -> None:
        super().__init__(message)
        self.port_taken = port_taken


@dataclass(frozen=True, slots=True)
class Listener:
    """Processes that listen on a port, and the addresses they listen on. ``known`` False: the system does not say."""

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


def wait_free(port: int, limit: float = PORT_RELEASE) -> bool:
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
class StartingServer:
    """A web UI of ours that is starting. ``without_credentials``: a client that has none. ``tree``: its processes now;
    ``alive``: whether its first one lives; ``deadline``: until when it may take (time.monotonic), which may move."""

    client: WebUIClient
    without_credentials: WebUIClient
    port: int
    log: ServerLog
    tree: Callable[[], list[psutil.Process]]
    alive: Callable[[], bool]
    deadline: Callable[[], float]


def prove_ours(one: StartingServer, limit: float) -> bool:
    """True once a process of ours on the port takes this run's credentials and refuses a caller without any; False
    while none of ours listens yet.

    ``limit``: seconds each question may take. Where the OS does not show who owns a socket, credentials alone decide.
    Raises NotOurs: a web UI of the user's, or another listener on the port, is never measured, and one of ours that
    listens on more than loopback is not left running. Raises ApiProblem while it does not answer.
    """
    found = listener(one.port, one.tree())
    if found.known and not found.pids:
        # Either it does not listen yet, or somebody else has the port: then it will end and say so.
        return False
    try:
        one.without_credentials.answers(limit)
    except ApiProblem as problem:
        if problem.status != 401:
            raise
    else:
        raise NotOurs(_("the server on port {port} asks for no credentials: it is not ours").format(port=one.port))
    open_to = found.addresses - {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    if open_to:
        raise NotOurs(
            _("the server listens on {addresses}, not on loopback only").format(addresses=", ".join(sorted(open_to))),
            port_taken=False)
    one.client.answers(limit)
    return True


def await_ready(one: StartingServer, cancelled: Callable[[], bool]) -> bool:
    """Waits until the server is ours, has its model and answers a cheap request (True). False when it ended, when its
    log says that the model cannot be loaded, when ``cancelled`` says so, or when its time is over. Raises NotOurs.

    A line of the log says that the model is loaded. Without such a line the cheapest picture is rendered, which blocks
    until there is a model.
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
            if answered is not None and time.monotonic() - answered > LOG_LIMIT:
                one.client.still(limit=max(1.0, one.deadline() - time.monotonic()))
                return True
        except ApiProblem as problem:
            # 401: credentials are refused, so this is a server, but not ours.
            if problem.status == 401:
                raise NotOurs(
                    _("the server on port {port} does not take our credentials").format(port=one.port)) from None
        time.sleep(PERIOD)
    return False
