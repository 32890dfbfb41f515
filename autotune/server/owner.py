"""Does the user's own web UI have a job running? (CONTRACT, guarantee 3.)"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autotune.model.api import ApiProblem
from autotune.server.client import Client

PORTS = (7860, 7861)
"""Where a web UI without --port listens: with its page, and with --nowebui (WEBUI.md)."""


@dataclass(frozen=True, slots=True)
class OwnerState:
    """``found``: something that is a web UI answered; ``busy``: it has a job, None if it would not say."""

    found: bool
    busy: bool | None
    detail: str


def owner_busy(
    where: str | int, auth: tuple[str, str] | None = None, *, subpath: str = "", limit: float = 3.0
) -> OwnerState:
    """Looks at the web UI at a base URL or loopback port. Raises nothing.

    Both http and https are tried for a port; its certificate is not checked, as it is the user's own server
    and nothing but a question is sent. With credentials, pass them: they go to loopback only for a port.
    """
    if isinstance(where, int):
        path = "/" + subpath.strip("/") if subpath.strip("/") else ""
        bases = [f"{scheme}://127.0.0.1:{where}{path}" for scheme in ("http", "https")]
    else:
        bases = [where]
    for base in bases:
        client = Client(base, auth, verify=not base.startswith("https://127.0.0.1"))
        try:
            return _state(client, limit)
        except ApiProblem as problem:
            # A server that speaks TLS hangs up on plain HTTP.
            if problem.kind != "closed" or base == bases[-1]:
                return OwnerState(False, None, problem.message)
    return OwnerState(False, None, "nothing answers")


def _state(client: Client, limit: float) -> OwnerState:
    """Raises ApiProblem when nothing answers that could be a web UI."""
    try:
        progress = client.progress(limit)
    except ApiProblem as problem:
        if problem.kind == "status" and problem.status in (401, 403):
            return OwnerState(True, None, "it asks for credentials")
        if problem.kind == "status" and problem.status == 404:
            return OwnerState(True, None, "its API is off")
        if problem.kind == "timeout":
            return OwnerState(True, None, "it does not answer in time")
        raise
    if progress.busy:
        return OwnerState(True, True, f"job {progress.job or '?'} at {progress.fraction:.0%}")
    return OwnerState(True, False, "no job")


def any_busy(ports: Sequence[int] = PORTS, auth: tuple[str, str] | None = None) -> OwnerState:
    """The first web UI of these loopback ports that has a job; else the last one found; else none."""
    best = OwnerState(False, None, "nothing answers")
    for port in ports:
        state = owner_busy(port, auth)
        if state.busy:
            return state
        if state.found:
            best = state
    return best
