"""Options changed in a running A1111 of ours, until its log says which attention class was applied."""

from __future__ import annotations

import time
from collections.abc import Mapping

from autotune.model.flagset import SettingValue
from autotune.trial import Server
from autotune.webui.a1111.client import Client
from autotune.webui.a1111.flags.attention import OPTION


def client_of(server: Server) -> Client:
    """Its API, with the calls that only a web UI of this kind has."""
    assert isinstance(server.client, Client)
    return server.client


def switch(server: Server, settings: Mapping[str, SettingValue], patience: float = 3.0) -> str | None:
    """NAME of the attention that the log says was applied, None when there never was such a line.

    A wrong attention title is accepted, echoed and not applied, so the log is waited for: up to ``patience`` seconds
    for its line, which only comes when the value really changed. Raises ApiProblem when an option did not take.
    """
    client, before = client_of(server), server.log.applied
    changes = OPTION in settings and client.options().get(OPTION) != settings[OPTION]
    client.set_options(settings)
    until = time.monotonic() + patience
    while changes and server.log.applied == before and time.monotonic() < until:
        time.sleep(0.02)
    return server.log.attention
