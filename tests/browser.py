"""A headless Chromium that tests look at pages with, spoken to over a pipe; absent where there is none."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import wait_for

if sys.platform != "win32":
    import fcntl

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 120.0
"""Seconds until the browser must have answered: a machine under load is slow."""


def find() -> str:
    """The browser's path; skips the test where there is none, or where it cannot be given a pipe."""
    if sys.platform == "win32":
        pytest.skip("the pipe to the browser is POSIX")
    found = next(filter(None, map(shutil.which, NAMES)), None)
    return found or pytest.skip("no Chromium is installed")


class Page:
    """One tab. ``messages``: what its console said and which errors its scripts raised, as text."""

    def __init__(self, send: Callable[[str, dict[str, Any]], dict[str, Any]], messages: list[str]) -> None:
        self._send, self.messages = send, messages
        for room in ("Page", "Runtime", "Log"):
            self(f"{room}.enable")

    def __call__(self, method: str, **params: Any) -> dict[str, Any]:
        """One call of the DevTools protocol, and its result."""
        return self._send(method, params)

    def look(self, width: int, height: int, *, scale: float = 1.0, phone: bool = False, **media: str) -> None:
        """The size of the window in CSS pixels and, as ``media`` features (with _ for -), how it is looked at."""
        self("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=phone)
        features = [{"name": name.replace("_", "-"), "value": value} for name, value in media.items()]
        self("Emulation.setEmulatedMedia", features=features)

    def open(self, file: Path, scripts: bool = True) -> None:
        """Opens a file and waits until it is loaded; ``scripts``: whether its own may run."""
        self("Emulation.setScriptExecutionDisabled", value=not scripts)
        self("Page.navigate", url=file.as_uri())
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression, awaited where it is a promise."""
        found = self("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, condition: str) -> None:
        """Waits until a JavaScript expression is true."""
        assert wait_for(lambda: bool(self.run(condition)), PATIENCE), condition

    def press(self, key: str, code: int) -> None:
        """Presses and releases a key, such as "ArrowRight" (39)."""
        text = {"text": " "} if key == " " else {}
        for kind in ("keyDown", "keyUp"):
            self("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **(
                text if kind == "keyDown" else {}))

    def picture(self, whole: bool = True) -> bytes:
        """The page as a PNG; ``whole``: also what is below the window."""
        return base64.b64decode(self("Page.captureScreenshot", captureBeyondViewport=whole)["data"])

    def pdf(self) -> bytes:
        """The page printed on A4."""
        made = self("Page.printToPDF", printBackground=False, paperWidth=8.27, paperHeight=11.69)
        return base64.b64decode(made["data"])


@contextmanager
def page() -> Iterator[Page]:
    """A tab of a browser of its own, which is gone afterwards with its folder."""
    program = find()
    with tempfile.TemporaryDirectory(prefix="autotune-browser-", ignore_cleanup_errors=True) as folder:
        ends = [os.pipe(), os.pipe()]
        # High numbers first: what the browser reads and writes must become 3 and 4 without one closing the other.
        high = [fcntl.fcntl(one, fcntl.F_DUPFD, 20) for one in (ends[0][0], ends[1][1])]

        def three_and_four() -> None:
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        process = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--no-first-run",
             "--hide-scrollbars", "--disable-dev-shm-usage", f"--user-data-dir={folder}", "about:blank"],
            preexec_fn=three_and_four, pass_fds=(3, 4), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True)
        for one in (*high, ends[0][0], ends[1][1]):
            os.close(one)
        pipe = _Pipe(ends[1][0], ends[0][1])
        try:
            target = pipe.call("Target.createTarget", {"url": "about:blank"})["targetId"]
            session = pipe.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
            yield Page(lambda method, params: pipe.call(method, params, session), pipe.messages)
            pipe.call("Browser.close", {})
        finally:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            pipe.close()


class _Pipe:
    """Messages of the DevTools protocol, each ended by a zero byte."""

    def __init__(self, reads: int, writes: int) -> None:
        self._in, self._out = os.fdopen(reads, "rb", buffering=0), os.fdopen(writes, "wb", buffering=0)
        self._left = b""
        self._number = 0
        self.messages: list[str] = []

    def call(self, method: str, params: dict[str, Any], session: str | None = None) -> dict[str, Any]:
        """Sends a call, and returns its result; what comes meanwhile is kept in ``messages``."""
        self._number += 1
        call = {"id": self._number, "method": method, "params": params, **({"sessionId": session} if session else {})}
        self._out.write(json.dumps(call).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                return dict(answer["result"])
            if answer.get("method") in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"):
                self.messages.append(json.dumps(answer["params"]))

    def _read(self) -> dict[str, Any]:
        import select

        while b"\0" not in self._left:
            ready, _, _ = select.select([self._in], [], [], PATIENCE)
            assert ready, "the browser does not answer"
            more = self._in.read(1 << 20)
            assert more, "the browser is gone"
            self._left += more
        line, _, self._left = self._left.partition(b"\0")
        return dict(json.loads(line))

    def close(self) -> None:
        self._in.close()
        self._out.close()
