"""The server: ComfyUI's `PromptServer`, an aiohttp application that custom nodes may add routes and middlewares to."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import urllib.parse
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from aiohttp import WSMsgType, web

from autotune.engine import faults as fault_words
from autotune.engine.comfyui.prompt_queue import PromptQueue
from autotune.engine.comfyui.runtime import Runtime
from autotune.engine.values import Json

FEATURES: dict[str, Json] = {"supports_preview_metadata": True, "max_upload_size": 104857600,
                             "extension": {"manager": {"supports_v4": True}}, "node_replacements": True,
                             "assets": False}
"""What the server can, for the page."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Middleware = Any  # aiohttp's own name for it came late
LOOPBACK = ("127.0.0.1", "::1", "localhost")
POLICY = ("default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' "
          "'unsafe-inline'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self' data:; frame-src 'self'; "
          "object-src 'self';")
"""What pages may load with --disable-api-nodes."""


@web.middleware
async def same_origin(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuses what a page of another site asks of a server on loopback."""
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        return web.Response(status=403)
    host, origin = request.headers.get("Host", ""), request.headers.get("Origin", "")
    if host and origin:
        asked, asker = urllib.parse.urlsplit(f"//{host.lower()}"), urllib.parse.urlsplit(origin.lower())
        local = asked.hostname in LOOPBACK or (asked.hostname or "").startswith("127.")
        ports = (asked.port, asker.port) if asked.port and asker.port else (None, None)
        if local and asker.hostname and (asked.hostname, ports[0]) != (asker.hostname, ports[1]):
            logging.warning("WARNING: request with non matching host and origin %s != %s, returning 403",
                            asked.hostname if ports[0] is None else asked.netloc,
                            asker.hostname if ports[0] is None else asker.netloc)
            return web.Response(status=403)
    return web.Response() if request.method == "OPTIONS" else await handler(request)


@web.middleware
async def strict_policy(request: web.Request, handler: Handler) -> web.StreamResponse:
    """--disable-api-nodes: the page may load nothing from elsewhere."""
    response = web.Response() if request.method == "OPTIONS" else await handler(request)
    response.headers["Content-Security-Policy"] = POLICY
    return response


def any_origin(allowed: str) -> Middleware:
    """--enable-cors-header: pages of this origin may ask."""

    @web.middleware
    async def cors(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = web.Response() if request.method == "OPTIONS" else await handler(request)
        response.headers["Access-Control-Allow-Origin"] = allowed
        response.headers["Access-Control-Allow-Methods"] = "POST, GET, DELETE, PUT, OPTIONS, PATCH"
        response.headers["Access-Control-Allow-Headers"] = "Content-Type, Authorization"
        response.headers["Access-Control-Allow-Credentials"] = "true"
        return response

    return cors


class PromptServer:
    """The one server of the process. ``routes``: added until `add_routes`, each also under /api."""

    instance: ClassVar[PromptServer]

    def __init__(self, loop: asyncio.AbstractEventLoop, run: Runtime) -> None:
        PromptServer.instance = self
        self.loop, self.run = loop, run
        self.messages: asyncio.Queue[tuple[str, dict[str, Json], str | None]] = asyncio.Queue()
        self.prompt_queue = PromptQueue(self.queue_updated)
        self.number = 0
        self.client_id: str | None = None
        self.last_node_id: str | None = None
        self.sockets: dict[str, web.WebSocketResponse] = {}
        self.on_prompt_handlers: list[Callable[[Json], Json]] = []
        args = run.args
        allowed = args.enable_cors_header
        middlewares: list[Middleware] = [any_origin(allowed) if allowed else same_origin]
        if args.disable_api_nodes:
            middlewares.append(strict_policy)
        size = round(args.max_upload_size * 1024 * 1024)
        self.app = web.Application(client_max_size=size, middlewares=middlewares)
        self.routes = web.RouteTableDef()
        self.routes.get("/ws")(self.websocket)

    def add_on_prompt_handler(self, handler: Callable[[Json], Json]) -> None:
        """A custom node wants to see each prompt before it is checked."""
        self.on_prompt_handlers.append(handler)

    def add_routes(self) -> None:
        """Takes up all routes, each also under /api."""
        twins = web.RouteTableDef()
        for route in self.routes:
            if isinstance(route, web.RouteDef):
                twins.route(route.method, "/api" + route.path)(route.handler, **route.kwargs)
        self.app.add_routes(twins)
        self.app.add_routes(self.routes)

    def queue_info(self) -> dict[str, Json]:
        """How many prompts run or wait."""
        return {"exec_info": {"queue_remaining": self.prompt_queue.remaining()}}

    def queue_updated(self) -> None:
        """Tells all clients how many prompts there are."""
        self.send_sync("status", {"status": self.queue_info()})

    def send_sync(self, event: str, data: dict[str, Json], sid: str | None = None) -> None:
        """Sends a message from any thread: to one client, or to all."""
        self.loop.call_soon_threadsafe(self.messages.put_nowait, (event, data, sid))

    async def publish(self) -> None:
        """Sends messages for ever."""
        while True:
            await self.send(*await self.messages.get())

    async def send(self, event: str, data: dict[str, Json], sid: str | None) -> None:
        """Sends one message; a client that is gone is passed over."""
        wanted = list(self.sockets.values()) if sid is None else [self.sockets[sid]] if sid in self.sockets else []
        for one in wanted:
            try:
                await one.send_json({"type": event, "data": data})
            except (ConnectionError, RuntimeError) as error:
                logging.warning("send error: %s", error)

    async def websocket(self, request: web.Request) -> web.StreamResponse:
        """GET /ws?clientId=: messages on what is executed for this client, and on the queue."""
        answer = web.WebSocketResponse()
        await answer.prepare(request)
        sid = request.rel_url.query.get("clientId", "") or uuid.uuid4().hex
        self.sockets[sid] = answer
        try:
            await self.send("status", {"status": self.queue_info(), "sid": sid}, sid)
            if self.client_id == sid and self.last_node_id is not None:
                await self.send("executing", {"node": self.last_node_id}, sid)
            async for message in answer:
                if message.type == WSMsgType.TEXT and '"feature_flags"' in message.data:
                    await self.send("feature_flags", FEATURES, sid)
        finally:
            if self.sockets.get(sid) is answer:
                del self.sockets[sid]
        return answer

    async def listen(self) -> None:
        """Binds and serves until it is cancelled. Ends the process with 1 when the port is taken."""
        args = self.run.args
        runner = web.AppRunner(self.app, access_log=None)
        await runner.setup()
        if not args.dont_print_server:
            logging.info("Starting server\n")
        for host in addresses(args.listen):
            try:
                sock = bound(host, args.port)
            except OSError as error:
                if error.errno not in TAKEN:
                    raise
                logging.error("Port %s is already in use on address %s. Please close the other application or use a "
                              "different port with --port.", args.port, host)
                raise SystemExit(1) from error
            if self.run.faults.has("hold_port"):
                fault_words.hold_port(sock.fileno())
            await web.SockSite(runner, sock).start()
            if not args.dont_print_server:
                shown = f"[{host}]" if ":" in host else host
                logging.info("To see the GUI go to: http://%s:%s", shown, args.port)
        await self.publish()


TAKEN = (errno.EADDRINUSE, getattr(errno, "WSAEADDRINUSE", errno.EADDRINUSE), errno.EACCES)


def addresses(wanted: str) -> list[str]:
    """Where to listen: of the addresses that --listen names, those of loopback; 127.0.0.1 without one."""
    asked = [one.strip() for one in wanted.split(",") if one.strip()]
    local = [one for one in asked if one in LOOPBACK or one.startswith("127.")]
    if len(local) < len(asked):
        logging.info("Reference ComfyUI: ComfyUI would listen on %s here; this one stays on loopback.", wanted)
    return local or ["127.0.0.1"]


def bound(host: str, port: int) -> socket.socket:
    """A listening socket. Raises OSError when the port is taken."""
    from autotune.engine.server import bind

    return bind(host, port)
