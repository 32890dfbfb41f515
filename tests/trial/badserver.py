"""A small HTTP server that answers badly on purpose: one behaviour a path's last word, or one for all."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Handler = Callable[[socket.socket, bytes, threading.Event], None]


def reply(connection: socket.socket, body: bytes, status: str = "200 OK", more: str = "") -> None:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{more}\r\n"
    connection.sendall(head.encode() + body)


def answers(body: object, status: str = "200 OK", more: str = "") -> Handler:
    """Always this: bytes as they are, anything else as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda connection, _request, _stop: reply(connection, data, status, more)


def endless(connection: socket.socket, _request: bytes, stop: threading.Event) -> None:
    """Ten gigabytes and more, until the caller hangs up."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n")
    piece = b'"' + b"a" * 65535
    while not stop.is_set():
        connection.sendall(piece)


def drip(connection: socket.socket, _request: bytes, stop: threading.Event) -> None:
    """One byte now and then, for ever."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    while not stop.wait(0.1):
        connection.sendall(b" ")


def never(_connection: socket.socket, _request: bytes, stop: threading.Event) -> None:
    """Takes the request and says nothing."""
    stop.wait(60)


def half(connection: socket.socket, _request: bytes, _stop: threading.Event) -> None:
    """Promises a thousand bytes, sends ten, closes."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nConnection: close\r\n\r\n" + b'{"images":')


def hang_up(_connection: socket.socket, _request: bytes, _stop: threading.Event) -> None:
    """Closes without a word."""


@contextmanager
def serving(handler: Handler, certificate: Path | None = None) -> Iterator[int]:
    """The port of a server that answers every request with ``handler``, over TLS with a ``certificate``."""
    stop = threading.Event()
    tls = None
    if certificate is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(0.1)
    threads: list[threading.Thread] = []

    def one(plain: socket.socket) -> None:
        with plain:
            plain.settimeout(10)
            request = b""
            try:
                connection = tls.wrap_socket(plain, server_side=True) if tls is not None else plain
                while b"\r\n\r\n" not in request:
                    piece = connection.recv(65536)
                    if not piece:
                        return
                    request += piece
                handler(connection, request, stop)
            except OSError:
                return  # the client hung up, which is what several tests are about

    def loop() -> None:
        while not stop.is_set():
            try:
                connection, _ = listening.accept()
            except TimeoutError:
                continue
            thread = threading.Thread(target=one, args=(connection,), daemon=True)
            thread.start()
            threads.append(thread)

    main = threading.Thread(target=loop, daemon=True)
    main.start()
    try:
        yield listening.getsockname()[1]
    finally:
        stop.set()
        main.join(5)
        for thread in threads:
            thread.join(5)
        listening.close()
