"""A1111's HTTP API over one WebUI: routes, authentication, error bodies, timing header."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import secrets
import sys
import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from autotune.engine import broken_answers, control, jobs, reports, request_checks
from autotune.engine.control import Endpoint
from autotune.engine.values import Json
from autotune.engine.webui import ReferenceWebUI

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Answered in A1111's form; anything else is a fault of this program, which starlette answers and uvicorn logs.
FORESEEN = (RuntimeError, LookupError, ValueError, TypeError, ArithmeticError, OSError, AssertionError, ImportError,
            AttributeError, MemoryError)



class ProcessTime:
    """Adds X-Process-Time, seconds with four places, the wait for other jobs included; not to errors of the server."""

    def __init__(self, app: ASGIApp, log: bool = False) -> None:
        self.app, self.log = app, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()

        async def timed(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] != 500:
                seconds = f"{time.perf_counter() - started:.4f}".rstrip("0").rstrip(".")
                message["headers"] = [*message["headers"], (b"x-process-time", seconds.encode("ascii"))]
                if self.log:
                    print(f"API {scope['method']} {scope['path']} {message['status']} {seconds}", flush=True)
            await send(message)

        await self.app(scope, receive, timed)


class Auth:
    """HTTP Basic on /sdapi when --api-auth names users. Raises ValueError on a password with a colon."""

    def __init__(self, users: str | None) -> None:
        self.users: dict[str, str] = {}
        for pair in (users or "").split(","):
            if pair.strip():
                user, password = pair.split(":")
                self.users[user.strip()] = password.strip()

    def check(self, request: Request) -> None:
        """Raises HTTPException 401 in A1111's words."""
        if not self.users:
            return
        scheme, _blank, value = request.headers.get("authorization", "").partition(" ")
        try:
            user, _colon, password = base64.b64decode(value, validate=True).decode("utf-8").partition(":")
        except (binascii.Error, UnicodeDecodeError):
            user, password = "", ""
        if scheme.lower() != "basic" or not value:
            raise HTTPException(401, "Not authenticated")
        known = self.users.get(user)
        if known is None or not secrets.compare_digest(known.encode(), password.encode()):
            raise HTTPException(401, "Incorrect username or password")


def build(ui: ReferenceWebUI) -> Starlette:
    """The application for this web UI's flags. Raises ValueError when --api-auth is malformed."""
    auth, own = Auth(ui.flags.api_auth), Endpoints(ui)
    routes: list[Route] = []

    def add(path: str, endpoint: Endpoint, method: str = "GET") -> None:
        async def guarded(request: Request) -> Response:
            auth.check(request)
            return await endpoint(request)

        routes.append(Route(f"/sdapi/v1/{path}", guarded, methods=[method]))

    if ui.flags.api or ui.flags.nowebui:
        for path, answer in reports.answers(ui).items():
            add(path, _plain(answer))
        add("progress", own.progress)
        posts = {"txt2img": own.txt2img, "options": own.set_options, "interrupt": own.interrupt, "skip": own.skip}
        for path, action in {**posts, **control.actions(ui)}.items():
            add(path, action, "POST")
        routes.append(Route("/openapi.json", _document(routes)))
        routes.append(Route("/docs", _docs))
    if not ui.flags.nowebui:
        routes.append(Route("/internal/ping", _ping))
        routes.append(Route("/internal/sysinfo", _plain(lambda: reports.sysinfo(ui))))
        routes.append(Route("/", _page))
        routes.append(Route("/run/predict", own.predict, methods=["POST"]))
    handlers: dict[Any, Any] = {HTTPException: _http_error, request_checks.InvalidField: _invalid}
    handlers.update(dict.fromkeys(FORESEEN, _error))
    middleware = [Middleware(ProcessTime, log=bool(ui.flags.api_log))]
    return Starlette(routes=routes, middleware=middleware, exception_handlers=handlers)


def _plain(answer: Callable[[], Json]) -> Endpoint:
    async def endpoint(_request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(answer))

    return endpoint


async def _body(request: Request) -> dict[str, Json]:
    try:
        body = json.loads(await request.body())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise request_checks.InvalidField(["body"], "value is not a valid dict", "type_error.dict")
    return body


class Endpoints:
    """The endpoints that change what the web UI does or tell what it is doing."""

    def __init__(self, ui: ReferenceWebUI) -> None:
        self.ui = ui

    async def progress(self, request: Request) -> Response:
        """GET /progress: the state of the job, with a preview unless the request leaves it out."""
        previews = bool(self.ui.options.get("live_previews_enable"))
        answer = await run_in_threadpool(self.ui.state.answer, previews)
        if request.query_params.get("skip_current_image", "false").lower() in ("true", "1"):
            answer["current_image"] = None  # decoded all the same, as in A1111
        return JSONResponse(answer)

    async def txt2img(self, request: Request) -> Response:
        """POST /txt2img: one job; its faults on demand may replace the answer."""
        answer, faults = await self._render(await _body(request))
        return broken_answers.instead(faults) or JSONResponse(answer)

    async def predict(self, request: Request) -> Response:
        """POST /run/predict, gradio's path: what the page's Generate button does, outside the API and its credentials.

        ``data`` holds one txt2img request; the answer only says how long it took, as there is no page.
        """
        data = (await _body(request)).get("data")
        if not isinstance(data, list) or len(data) != 1 or not isinstance(data[0], dict):
            where = ["body", "data"]
            raise request_checks.InvalidField(where, "value is not a list of one request", "value_error")
        started = time.perf_counter()
        await self._render(data[0])
        return JSONResponse({"data": [], "is_generating": False, "duration": time.perf_counter() - started})

    async def _render(self, request: dict[str, Json]) -> tuple[dict[str, Json], set[str]]:
        body = request_checks.txt2img(request)
        request_checks.scripts(body, self.ui.extension is not None)
        return await asyncio.wrap_future(self.ui.submit(lambda: jobs.run(self.ui, body)))

    async def set_options(self, request: Request) -> Response:
        """POST /options: sets and saves options, after the jobs that were asked for before."""
        changes, ui = await _body(request), self.ui

        def work() -> None:
            wanted = changes.get("sd_model_checkpoint")
            known = {n for c in ui.checkpoints for n in (c.title, c.path.name, c.path.stem)}
            if wanted is not None and wanted not in known:
                raise RuntimeError(f"model {wanted!r} not found")
            for key, value in changes.items():
                ui.options.set(key, value)
            ui.options.save()

        await asyncio.wrap_future(ui.submit(work))
        return JSONResponse(None)

    async def interrupt(self, _request: Request) -> Response:
        """POST /interrupt: the job ends with what there is."""
        self.ui.state.interrupted = True
        return JSONResponse({})

    async def skip(self, _request: Request) -> Response:
        """POST /skip: as interrupt, for one picture of several."""
        self.ui.state.skipped = True
        return JSONResponse(None)


async def _ping(_request: Request) -> Response:
    return JSONResponse({})


async def _page(_request: Request) -> Response:
    return HTMLResponse("<!doctype html><title>Stable Diffusion</title><p>The reference web UI of autotune has no page "
                        "to draw with; POST /run/predict does what its button would, and its API is under /sdapi/v1 "
                        "when --api is given.")


async def _docs(_request: Request) -> Response:
    return HTMLResponse("<!doctype html><title>API</title><p>See <a href='/openapi.json'>/openapi.json</a>.")


def _document(routes: list[Route]) -> Endpoint:
    paths: dict[str, dict[str, Json]] = {}
    for route in routes:
        for method in sorted((route.methods or set()) - {"HEAD"}):
            paths.setdefault(route.path, {})[method.lower()] = {"responses": {"200": {"description": "OK"}}}
    document = {"openapi": "3.0.2", "info": {"title": "FastAPI", "version": "0.1.0"}, "paths": paths}

    async def endpoint(_request: Request) -> Response:
        return JSONResponse(document)

    return endpoint


async def _http_error(_request: Request, error: HTTPException) -> Response:
    if error.status_code in (404, 405):
        return JSONResponse({"detail": error.detail}, status_code=error.status_code)
    body = {"error": "HTTPException", "detail": error.detail, "body": "", "errors": ""}
    return JSONResponse(body, status_code=error.status_code)


async def _invalid(_request: Request, error: request_checks.InvalidField) -> Response:
    return JSONResponse({"detail": [{"loc": error.where, "msg": error.message, "type": error.kind}]}, status_code=422)


async def _error(request: Request, error: Exception) -> Response:
    print(f"*** API error: {request.method}: {request.url} {type(error).__name__}: {error}", file=sys.stderr)
    traceback.print_exception(error, file=sys.stderr)
    body = {"error": type(error).__name__, "detail": "", "body": "", "errors": str(error)}
    return JSONResponse(body, status_code=500)
