"""Listening and ending, as A1111 does with and without its page."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from types import FrameType

import uvicorn
from starlette.applications import Starlette

from autotune.engine import faults as fault_words
from autotune.engine.webui import ReferenceWebUI

UI_PORT, API_PORT = 7860, 7861
TRIES = 100
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def address(ui: ReferenceWebUI) -> str:
    """Where to listen: loopback, whatever the flags say; the log tells where A1111 would have listened."""
    wanted = ui.flags.server_name
    if ui.flags.listen or (ui.flags.nowebui and not wanted):
        print("Reference web UI: A1111 would listen on 0.0.0.0 here; this one stays on 127.0.0.1.", flush=True)
        return "127.0.0.1"
    if wanted and wanted not in LOOPBACK and not wanted.startswith("127."):
        print(f"Reference web UI: does not listen on {wanted}; it stays on 127.0.0.1.", flush=True)
        return "127.0.0.1"
    return wanted or "127.0.0.1"


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises OSError when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(128)
    except OSError:
        sock.close()
        raise
    return sock


def serve(ui: ReferenceWebUI, app: Starlette) -> int:
    """Listen until told to end; returns the process's exit code."""
    return _serve_api(ui, app) if ui.flags.nowebui else _serve_page(ui, app)


def _server(ui: ReferenceWebUI, app: Starlette) -> uvicorn.Server:
    config = uvicorn.Config(app, timeout_keep_alive=ui.flags.timeout_keep_alive, lifespan="off", ws="none")
    return uvicorn.Server(config)


def _serve_api(ui: ReferenceWebUI, app: Starlette) -> int:
    """--nowebui: SIGTERM or SIGINT closes the port and waits for the job; SIGINT after that ends at once."""
    host, port = address(ui), ui.flags.port or API_PORT
    try:
        sock = bind(host, port)
    except OSError as error:
        print(f"ERROR:    [Errno {error.errno}] error while attempting to bind on address ('{host}', {port}): "
              f"{os.strerror(error.errno or 0).lower()}", file=sys.stderr, flush=True)
        return 3
    if ui.faults.has("hold_port"):
        fault_words.hold_port(sock.fileno())
    server = _server(ui, app)
    if ui.faults.has("ignore_sigterm"):
        real = server.handle_exit

        def stubborn(sig: int, frame: FrameType | None) -> None:
            if sig != signal.SIGTERM:
                real(sig, frame)

        server.handle_exit = stubborn  # type: ignore[method-assign]
    print(f"INFO:     Uvicorn running on http://{host}:{port} (Press CTRL+C to quit)", flush=True)
    try:
        server.run(sockets=[sock])
    except KeyboardInterrupt:
        os._exit(0)  # A1111's own handler does the same: no waiting for the job's thread
    return 0


def _serve_page(ui: ReferenceWebUI, app: Starlette) -> int:
    """The full UI: SIGTERM ends it at once, SIGINT too; the next free port unless --port names one."""
    host = address(ui)
    ports = [ui.flags.port] if ui.flags.port else range(UI_PORT, UI_PORT + TRIES)
    sock = None
    for port in ports:
        try:
            sock = bind(host, port)
            break
        except OSError:
            continue
    if sock is None:
        print(f"OSError: Cannot find empty port in range: {ports[0]}-{ports[-1]}. You can specify a different port by "
              "setting the GRADIO_SERVER_PORT environment variable or passing the `server_port` parameter to "
              "`launch()`.", file=sys.stderr, flush=True)
        return 1
    if ui.faults.has("hold_port"):
        fault_words.hold_port(sock.fileno())
    server = _server(ui, app)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
    signal.signal(signal.SIGINT, _leave)
    thread.start()
    print(f"Running on local URL:  http://{host}:{sock.getsockname()[1]}\n\nTo create a public link, set `share=True` "
          "in `launch()`.", flush=True)
    while not ui.stop_asked.wait(0.5):
        if not thread.is_alive():
            return 1
    print("Stopping server...", flush=True)
    server.should_exit = True
    thread.join(5)
    return 0


def _leave(number: int, _frame: FrameType | None) -> None:
    print(f"Interrupted with signal {number}", flush=True)
    os._exit(0)
