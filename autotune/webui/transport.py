"""One HTTP exchange with a web UI: bounded in time and size, no redirect followed, every fault named.

``requests`` is imported on first use.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn

from autotune.language.translate import _
from autotune.model.api import ApiProblem
from autotune.secrets.mask import MASK, masked

if TYPE_CHECKING:
    import requests

MIB = 1024 * 1024
PIECE = 256 * 1024
"""Bytes that are read at a time."""
EXCERPT = 300
"""Characters of an answer that an error quotes."""
LONG_TEXT = re.compile(r"[A-Za-z0-9+/=]{120,}")

@dataclass(frozen=True, slots=True)
class Answer:
    """A whole JSON answer; ``seconds`` from the call to the last byte, ``headers`` with lower-case names."""

    data: object
    headers: dict[str, str]
    seconds: float
    size: int
    status: int = 200


def _excerpt(body: bytes, secrets: tuple[str, ...]) -> str:
    text = body[: 8 * EXCERPT].decode("utf-8", errors="replace")
    for secret in secrets:
        text = text.replace(secret, MASK)
    text = masked(text)
    return " ".join(LONG_TEXT.sub("…", text).split())[:EXCERPT]


class _Watchdog:
    """Closes a response's socket at the deadline: an answer that comes byte by byte would never end a read."""

    def __init__(self, response: requests.Response, deadline: float) -> None:
        self.fired = False
        self._socket: socket.socket | None = None
        try:
            # Its own handle on the socket, so that it can be shut while another thread reads.
            self._socket = socket.fromfd(response.raw.fileno(), socket.AF_INET, socket.SOCK_STREAM)
        except (OSError, ValueError, AttributeError):
            # The whole answer came with its head; there is nothing to watch.
            self._socket = None
        self._timer = threading.Timer(max(0.0, deadline - time.perf_counter()), self._fire)
        self._timer.daemon = True

    def __enter__(self) -> _Watchdog:
        if self._socket is not None:
            self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        if self._socket is not None:
            self._timer.join()
            self._socket.close()

    def _fire(self) -> None:
        self.fired = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


class Transport:
    """Requests to one web UI. Safe to use from several threads; each call has a connection of its own."""

    def __init__(
        self, base_url: str, auth: tuple[str, str] | None = None, *, verify: bool = True
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._auth = auth
        self._verify = verify
        self._secrets = (auth[1],) if auth and auth[1] else ()

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        limit: float = 10.0,
        most: int = 16 * MIB,
        cancel: threading.Event | None = None,
        accept: Sequence[int] = (),
    ) -> Answer:
        """One exchange of at most ``limit`` seconds and ``most`` bytes of answer. Raises ApiProblem only.

        ``cancel`` is looked at between pieces of the answer; ``accept``: statuses of errors whose JSON is an answer.
        """
        start = time.perf_counter()
        response, data = self._exchange(method, path, body, limit, most, cancel)
        return self._judge(path, response, data, time.perf_counter() - start, accept)

    def fetch(
        self, path: str, body: object = None, *, method: str = "GET", limit: float = 10.0, most: int = 16 * MIB,
        cancel: threading.Event | None = None,
    ) -> bytes:
        """As ``call``, for an answer that is a file or empty: its bytes. Raises ApiProblem only."""
        response, data = self._exchange(method, path, body, limit, most, cancel)
        if response.status_code != 200:
            self._refuse(path, response.status_code, data)
        return data

    def _exchange(
        self, method: str, path: str, body: object, limit: float, most: int, cancel: threading.Event | None
    ) -> tuple[requests.Response, bytes]:
        """The head and the whole body of an answer, whatever its status. Raises ApiProblem."""
        import requests

        deadline = time.perf_counter() + limit
        if not self._verify:
            import urllib3

            # Said by the caller, on purpose: the user's own certificate on loopback.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        # No proxy, .netrc or CA bundle of the surroundings: these are loopback addresses and our credentials.
        with requests.Session() as session:
            session.trust_env = False
            session.auth = self._auth
            try:
                with session.request(
                    method, self.base_url + path, json=body, stream=True, allow_redirects=False,
                    timeout=(min(limit, 5.0), limit), verify=self._verify,
                    headers={"Accept": "application/json", "Accept-Encoding": "identity"},
                ) as response:
                    data = self._read(response, deadline, most, cancel)
            except requests.exceptions.Timeout:
                raise ApiProblem("timeout",
                                 _("no answer from {path} within {limit:g} s").format(path=path, limit=limit)) from None
            except requests.exceptions.ChunkedEncodingError:
                raise ApiProblem("closed",
                                 _("the connection broke while {path} was answered").format(path=path)) from None
            except requests.exceptions.ConnectionError as error:
                raise self._connection_problem(path, error) from None
            except (requests.exceptions.RequestException, ValueError) as error:
                raise ApiProblem("unreachable", f"{path}: {type(error).__name__}") from None
            return response, data

    def _connection_problem(self, path: str, error: Exception) -> ApiProblem:
        text = repr(error)
        if "Read timed out" in text:
            return ApiProblem("timeout", _("{path} stopped answering").format(path=path))
        if "NewConnectionError" in text or "Connection refused" in text or "MaxRetryError" in text:
            said = _("no TLS to {address}") if "SSL" in text else _("no connection to {address}")
            return ApiProblem("unreachable", said.format(address=self.base_url))
        return ApiProblem("closed", _("the connection broke while {path} was asked or answered").format(path=path))

    def _read(
        self, response: requests.Response, deadline: float, most: int, cancel: threading.Event | None
    ) -> bytes:
        import requests

        length = response.headers.get("Content-Length", "")
        if length.isdigit() and int(length) > most:
            raise ApiProblem("too_large", _("the answer is larger than {size} MiB").format(size=most // MIB),
                             status=response.status_code)
        pieces: list[bytes] = []
        size = 0
        with _Watchdog(response, deadline) as watchdog:
            try:
                for piece in response.iter_content(PIECE):
                    size += len(piece)
                    if size > most:
                        raise ApiProblem("too_large",
                                         _("the answer is larger than {size} MiB").format(size=most // MIB),
                                         status=response.status_code)
                    if cancel is not None and cancel.is_set():
                        raise ApiProblem("cancelled", _("given up"), status=response.status_code)
                    pieces.append(piece)
            except requests.exceptions.RequestException:
                if not watchdog.fired:
                    raise
            if watchdog.fired:
                raise ApiProblem("timeout", _("the answer did not end in time"), status=response.status_code)
        if length.isdigit() and size < int(length):
            raise ApiProblem("closed", _("{size} of {length} bytes came").format(size=size, length=length),
                             status=response.status_code)
        return b"".join(pieces)

    def _judge(
        self, path: str, response: requests.Response, data: bytes, seconds: float, accept: Sequence[int]
    ) -> Answer:
        status = response.status_code
        try:
            value: object = json.loads(data)
        except (ValueError, RecursionError):
            if status >= 300:
                self._refuse(path, status, data)
            raise ApiProblem("not_json", _("{path} answers something that is not JSON").format(path=path),
                             status=status, excerpt=_excerpt(data, self._secrets)) from None
        if status >= 300 and status not in accept:
            self._refuse(path, status, data, value)
        headers = {name.lower(): text for name, text in response.headers.items()}
        return Answer(value, headers, seconds, len(data), status)

    def _refuse(self, path: str, status: int, data: bytes, value: object = None) -> NoReturn:
        """Raises ApiProblem for an answer that is no success; ``value``: its JSON, if it is that."""
        if status < 400:
            raise ApiProblem("redirect",
                             _("{path} answers with a redirect ({status})").format(path=path, status=status),
                             status=status)
        error, detail, told = "", "", str(status)
        if isinstance(value, dict):
            error = str(value.get("error") or "")
            detail = _excerpt(str(value.get("errors") or value.get("detail") or "").encode(), self._secrets)
            told = f"{status} {error}: {detail}".rstrip(": ")
        raise ApiProblem("status", _("{path} answers {status}").format(path=path, status=told), status=status,
                         error=error, excerpt=detail or _excerpt(data, self._secrets))
