"""A small stand-in for the user's own web UI: a launch.py that idles, computes, answers or is silent as told."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

LAUNCH = '''\
import base64, http.server, json, subprocess, sys, threading, time

mode = json.loads(sys.argv[1])

class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        if mode.get("silent"):
            time.sleep(60)
        status, body = mode.get("status", 200), {"detail": "no"}
        if "auth" in mode:
            wanted = "Basic " + base64.b64encode(mode["auth"].encode()).decode()
            status = 200 if self.headers.get("Authorization") == wanted else 401
        if not self.path.startswith(mode.get("below", "") + "/sdapi/v1/progress"):
            status = 404
        if status == 200:
            job = mode.get("job", "")
            body = {"progress": 0.5, "state": {"job": job, "job_count": 1 if job else 0}}
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

def burn():
    while True:
        sum(range(10000))

if mode.get("port", True):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
child = None
if mode.get("burn"):
    threading.Thread(target=burn, daemon=True).start()
if mode.get("child"):
    child = subprocess.Popen([sys.executable, "-c", "while True: sum(range(10000))"])
print("up", flush=True)
sys.stdin.read()
if child:
    child.kill()
    child.wait()
'''


def install(folder: Path) -> Path:
    """A folder that holds nothing but the stand-in."""
    folder.mkdir(parents=True)
    (folder / "launch.py").write_text(LAUNCH)
    return folder


@contextmanager
def up(
    root: Path, mode: str, *words: str, start: Sequence[str] = ("launch.py",), env: dict[str, str] | None = None,
    python: str = sys.executable, user: int | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """The stand-in, running; gone at the end."""
    line = [python, *start, mode, *words]
    process = subprocess.Popen(
        line, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **(env or {})}, user=user)
    try:
        assert process.stdout is not None and process.stdout.readline().strip() == b"up"
        yield process
    finally:
        process.communicate(timeout=30)


@contextmanager
def crowd(count: int) -> Iterator[None]:
    """Other programs that take all they can get."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: sum(range(10000))"]) for _ in range(count)]
    try:
        yield
    finally:
        for one in others:
            one.kill()
        for one in others:
            one.wait()
