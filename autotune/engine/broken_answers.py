"""Answers as a broken proxy or web UI may send them instead of JSON: faults on demand, for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

HUGE = 10 << 30
"""Bytes that `huge` goes on sending."""


def instead(hits: set[str]) -> Response | None:
    """The answer that a fault of this job puts in place of the real one, None for none."""
    if "garbage" in hits:
        return Response(b'{"images": ["R0lG\x00\xff\xfe', media_type="application/json")
    if "html" in hits:
        return HTMLResponse("<html><body>502 Bad Gateway</body></html>")
    if "redirect" in hits:
        return RedirectResponse("/login", status_code=302)
    if "half" in hits:
        return StreamingResponse(_half(), media_type="application/json", headers={"content-length": "100000"})
    if "huge" in hits:
        return StreamingResponse(_huge(), media_type="application/json")
    return None


async def _half() -> AsyncIterator[bytes]:
    yield b'{"images": ["R0lGODlh'


async def _huge() -> AsyncIterator[bytes]:
    yield b'{"images": ["'
    block = b"A" * (1 << 20)
    for _ in range(HUGE // len(block)):
        yield block
