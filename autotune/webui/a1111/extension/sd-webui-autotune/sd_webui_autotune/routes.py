"""The tab's routes in the web UI's own server: what it shows, its buttons, and the newest page."""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from . import guard
from .commands import BUTTONS, Autotune, Buttons, Shown

BASE = "/autotune-tab"
PRIVATE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
           "Cross-Origin-Resource-Policy": "same-origin"}
PAGE = {**PRIVATE, "Content-Security-Policy": "sandbox allow-scripts; frame-ancestors 'self'; default-src 'none'; "
        "img-src data:; media-src data:; font-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"}
"""The page is shown as one of no site: it can reach nothing of the web UI, and nothing on the network."""


class Tab:
    """The routes of one start of the web UI. ``app``: its application; ``tunnelled``: see guard.TUNNELS."""

    def __init__(self, app: Any, autotune: Autotune, tunnelled: bool) -> None:
        self._app, self._tunnelled = app, tunnelled
        self._started, self._begun_with = time.time(), b""
        self._token = secrets.token_urlsafe(32)
        self._shown = Shown(autotune)
        self._buttons = Buttons(autotune, self._shown)

    def routes(self) -> list[Route]:
        """To be put into the application's."""
        return [Route(f"{BASE}/state", self._for_users(self.state), methods=["GET"]),
                Route(f"{BASE}/press", self._for_users(self.press), methods=["POST"]),
                Route(f"{BASE}/page", self._for_users(self.page), methods=["GET"]),
                Route(f"{BASE}/style", self.style, methods=["GET"])]

    def _for_users(self, endpoint: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Any]:
        async def guarded(request: Request) -> Response:
            if not _logged_in(self._app, request):
                return JSONResponse({"detail": "not logged in"}, 401, PRIVATE)
            return await endpoint(request)

        return guarded

    async def state(self, request: Request) -> Response:
        """What the tab shows. Who is not at this machine gets neither the token, nor anything that names a path."""
        document = self._shown.document()
        why = guard.why_remote(_asked(request), self._tunnelled)
        if document is None:
            return JSONResponse({"loading": True}, headers=PRIVATE)
        local = why is None
        shown = {
            "title": document.get("title", ""), "language": document.get("language", "en"),
            "words": document.get("words", {}), "buttons": document.get("buttons", []),
            "sections": [{**one, "rows": [line for line in one["rows"] if local or not line["local"]]}
                         for one in document.get("sections", [])],
            "page": bool(document.get("page")) and local,
            "page_key": document.get("page_key", ""),
            "may_press": local,
            "pending": self._is_pending(document),
            "reading": self._shown.is_reading,
        }
        if local:
            shown["token"] = self._token
            shown["trouble"] = document if document.get("kind") == "error" else document.get("trouble")
        return JSONResponse(shown, headers=PRIVATE)

    def _is_pending(self, document: dict[str, Any]) -> bool:
        """Whether the launch file is another one than this web UI was started with."""
        try:
            path = Path(document["launch_file"])
            data, changed = path.read_bytes(), path.stat().st_mtime > self._started
        except (KeyError, TypeError, OSError):
            return False
        if not changed:
            self._begun_with = data
        return data != self._begun_with

    async def press(self, request: Request) -> Response:
        """A button. 403 unless everything says that it is one of this page, in a browser on this machine."""
        why = guard.why_refused(_asked(request), self._tunnelled, self._token)
        verb = guard.verb_of(await _body(request), tuple(BUTTONS)) if why is None else None
        if verb is None:
            return JSONResponse({"detail": f"refused: {why or 'verb'}"}, 403, PRIVATE)
        done = await run_in_threadpool(self._buttons.press, verb)
        if done is None:
            return JSONResponse({"detail": "busy"}, 409, PRIVATE)
        failed = done.get("kind") == "error"
        return JSONResponse({"ok": not failed, "message": done.get("message", ""), "hint": done.get("hint", ""),
                             "restart": bool(done.get("changed"))}, headers=PRIVATE)

    async def page(self, request: Request) -> Response:
        """The newest page on a tune, for who is at this machine: it names the web UI's folder."""
        document = self._shown.document() or {}
        local = guard.why_remote(_asked(request), self._tunnelled) is None
        name = document.get("page") if local else None
        try:
            data = await run_in_threadpool(Path(name).read_bytes) if name else None
        except OSError:
            data = None
        if data is None:
            return JSONResponse({"detail": "no page"}, 404, PRIVATE)
        return Response(data, media_type="text/html", headers=PAGE)


    async def style(self, _request: Request) -> Response:
        """How it looks. Newer versions of gradio serve no styles among the files of extensions."""
        data = await run_in_threadpool(Path(__file__).with_name("tab.css").read_bytes)
        return Response(data, media_type="text/css", headers=PRIVATE)


def _asked(request: Request) -> guard.Asked:
    server = request.scope.get("server") or ("", 0)
    headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in request.headers.raw]
    return guard.Asked(request.client.host if request.client else "", request.scope.get("scheme", ""),
                       server[1] or 0, headers)


async def _body(request: Request) -> bytes:
    """The body, cut where it is longer than any of ours."""
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > guard.LARGEST_BODY:
            break
    return data


def _logged_in(app: Any, request: Request) -> bool:
    """Whether the request is of somebody whom the web UI's own login knows, where it asks for one."""
    if getattr(app, "auth", None) is None and getattr(app, "auth_dependency", None) is None:
        return True
    for route in app.routes:
        if getattr(route, "path", "") == "/user":  # gradio's own: who is this?
            return bool(route.endpoint(request))
    return False
