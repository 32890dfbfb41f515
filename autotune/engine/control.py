"""The API's server-stop, server-kill and server-restart, which are there only with --api-server-stop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from autotune.engine.webui import ReferenceWebUI

RESTART_MARK = "SD_WEBUI_RESTART"
"""Set by webui.sh: it starts launch.py again while tmp/restart exists."""

Endpoint = Callable[[Request], Awaitable[Response]]


def actions(ui: ReferenceWebUI) -> dict[str, Endpoint]:
    """Each path with its endpoint; none without the flag."""
    if not ui.flags.api_server_stop:
        return {}

    async def stop(_request: Request) -> Response:
        ui.stop_asked.set()  # nobody waits for it under --nowebui, as in A1111
        return Response("Stopping.", media_type="application/json")

    async def kill(_request: Request) -> Response:
        _leave_soon()
        return JSONResponse(None)

    async def restart(_request: Request) -> Response:
        if not os.environ.get(RESTART_MARK):
            return Response(status_code=501)
        (ui.root / "tmp").mkdir(exist_ok=True)
        (ui.root / "tmp" / "restart").touch()
        _leave_soon()
        return JSONResponse(None)

    return {"server-stop": stop, "server-kill": kill, "server-restart": restart}


def _leave_soon() -> None:
    """End the process once the answer had time to go out."""
    asyncio.get_running_loop().call_later(0.1, os._exit, 0)
