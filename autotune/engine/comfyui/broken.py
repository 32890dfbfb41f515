"""What a broken proxy or server may send instead of a prompt's history: faults on demand, for tests."""

from __future__ import annotations

from aiohttp import web

from autotune.engine.broken_answers import HUGE


async def instead(request: web.Request, hits: set[str]) -> web.StreamResponse | None:
    """The answer that a fault puts in place of the real one, None for none."""
    if "garbage" in hits:
        return web.Response(body=b'{"outputs": {"10\x00\xff\xfe', content_type="application/json")
    if "html" in hits:
        return web.Response(text="<html><body>502 Bad Gateway</body></html>", content_type="text/html")
    if "redirect" in hits:
        return web.Response(status=302, headers={"Location": "/login"})
    if not hits & {"half", "huge"}:
        return None
    answer = web.StreamResponse(headers={"Content-Type": "application/json"})
    if "half" in hits:
        answer.content_length = 100000
    await answer.prepare(request)
    try:
        await answer.write(b'{"outputs": {"10')
        for _ in range(HUGE >> 20 if "huge" in hits else 0):
            await answer.write(b"A" * (1 << 20))
    except ConnectionError:  # the client has had enough
        return answer
    if "half" in hits and request.transport is not None:
        request.transport.close()
    return answer
