"""Tells systemd that the agent is ready, alive or stopping (the protocol sd_notify); does nothing without systemd."""

from __future__ import annotations

import os
import socket


def send(text: str) -> bool:
    """Sends one message to the service manager; False where there is none. Raises nothing."""
    where = os.environ.get("NOTIFY_SOCKET", "")
    family = getattr(socket, "AF_UNIX", None)
    if not where or family is None:
        return False
    address = "\0" + where[1:] if where.startswith("@") else where
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sender:
            # A manager that does not read must not hold the agent up; the next sign of life says the same.
            sender.setblocking(False)
            sender.sendto(text.encode(), address)
    except OSError:
        return False
    return True


def seconds_between_signs() -> float | None:
    """Half of the seconds after which the manager takes a silent agent for hung; None: it asks for no sign of life."""
    try:
        limit = int(os.environ.get("WATCHDOG_USEC", ""))
    except ValueError:
        return None
    mine = os.environ.get("WATCHDOG_PID")
    if limit <= 0 or (mine and mine != str(os.getpid())):
        return None
    return limit / 2e6
