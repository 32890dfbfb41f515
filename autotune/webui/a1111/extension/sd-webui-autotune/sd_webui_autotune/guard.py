"""Decides whether a request comes from the page in a browser on this very machine. Pure: values in, a word out.

A web UI may be reached from other machines (``--listen``), through a tunnel (``--share``: its requests come from
127.0.0.1), and from the pages of other sites in the user's own browser (which may also point a name of theirs at
127.0.0.1). None of these may press a button, so all that tells them apart must be right at once.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
from collections.abc import Sequence
from dataclasses import dataclass

TOKEN = "x-autotune-token"  # noqa: S105 - the name of a header
LARGEST_BODY = 1000
"""Bytes; what a button sends has about twenty."""
FORWARDED = ("forwarded", "via", "true-client-ip", "client-ip", "x-real-ip", "x-client-ip", "x-cluster-client-ip",
             "x-host", "x-remote-ip", "x-remote-addr", "x-sendfile-type", "proxy-connection", "x-arr-ssl",
             "x-scheme", "cdn-loop", "fastly-client-ip", "fly-client-ip")
FORWARDED_BEGIN = ("x-forwarded", "cf-", "x-original", "x-envoy", "x-amz-cf-", "x-azure", "x-proxy", "ngrok-",
                   "x-ngrok", "x-tunnel", "tailscale-")
"""Headers, and how names of headers begin, that a browser never sends and that proxies and tunnels add."""
TUNNELS = ("ngrok", "cloudflared", "localhostrun", "remotemoe", "jprq", "bore")
"""Flags of the web UI, and of its extension for tunnels, that open it by a tunnel which may pass requests on bare."""


@dataclass(frozen=True)
class Asked:
    """One request. ``client``: the address it came from; ``scheme``: http or https; ``port``: the one it was accepted
    on; ``headers``: (lower-case name, value), each as often as it was sent."""

    client: str
    scheme: str
    port: int
    headers: Sequence[tuple[str, str]]

    def every(self, name: str) -> list[str]:
        """All values of one header."""
        return [value for one, value in self.headers if one == name]


def why_remote(asked: Asked, tunnelled: bool) -> str | None:
    """Why a request may be somebody else's, in one word; None: it is of this machine, for this address.

    ``tunnelled``: the web UI was started with a flag of TUNNELS.
    """
    if tunnelled:
        return "tunnel"
    if not _is_loopback(asked.client):
        return "client"
    if any(name in FORWARDED or name.startswith(FORWARDED_BEGIN) for name, _ in asked.headers):
        return "forwarded"
    hosts = asked.every("host")
    if len(hosts) != 1 or not _is_ours(hosts[0], asked):
        return "host"
    # A page of another site cannot help saying so, in any browser that says it at all.
    if any(site not in ("same-origin", "none") for site in asked.every("sec-fetch-site")):
        return "site"
    if any(origin != _own_origin(asked) for origin in asked.every("origin")):
        return "origin"
    return None


def why_refused(asked: Asked, tunnelled: bool, token: str) -> str | None:
    """Why a button's request is refused, in one word; None: it may act."""
    why = why_remote(asked, tunnelled)
    if why is not None:
        return why
    if asked.every("origin") != [_own_origin(asked)]:
        return "origin"
    if asked.every("sec-fetch-site") not in ([], ["same-origin"]):
        return "site"
    given = asked.every(TOKEN)
    if len(given) != 1 or not hmac.compare_digest(given[0].encode("utf-8", "replace"), token.encode("ascii")):
        return "token"
    kinds = [kind.partition(";")[0].strip().lower() for kind in asked.every("content-type")]
    return None if kinds == ["application/json"] else "type"


def verb_of(body: bytes, known: Sequence[str]) -> str | None:
    """The verb that a button's request asks for; None for anything else than one of the ``known`` ones."""
    if len(body) > LARGEST_BODY:
        return None
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or set(found) != {"verb"}:
        return None
    verb = found["verb"]
    return verb if isinstance(verb, str) and verb in known else None


def _is_loopback(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _own_origin(asked: Asked) -> str:
    """The origin of a page at the address that a request names: to be asked once its host is known to be ours."""
    return f"{asked.scheme}://{asked.every('host')[0].lower()}"


def _is_ours(host: str, asked: Asked) -> bool:
    """Whether a Host header names this machine by a loopback address or as localhost, with the port it came to."""
    name, colon, port = host.lower().rpartition(":")
    if not colon or host.endswith("]"):
        name, port = host.lower(), {"http": "80", "https": "443"}.get(asked.scheme, "")
    if not (port.isascii() and port.isdigit() and int(port) == asked.port and port == str(int(port))):
        return False
    if name == "localhost":
        return True
    bracketed = name.startswith("[") and name.endswith("]")
    bare = name[1:-1] if bracketed else name
    return bracketed == (":" in bare) and _is_loopback(bare)
