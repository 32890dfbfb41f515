"""The pretend web UI itself. It computes nothing: it waits as long as its engine would take, and draws a moving bar."""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event
from typing import Any

from PIL import Image

SECONDS = {"plain": 0.15, "swift": 0.09, "dull": 0.3}
parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int, default=7070)
parser.add_argument("--engine", choices=sorted(SECONDS), default="plain")
parser.add_argument("--name", default="")
args = parser.parse_args()
pause = Event()
if args.name == "inkless":
    raise SystemExit("pretend: out of ink")


def clip(job: dict[str, Any]) -> bytes:
    frames = [Image.new("L", (job["width"], job["height"])) for _ in range(job["frames"])]
    for number, frame in enumerate(frames):
        frame.paste(200, (0, 0, 8 + 8 * number, job["height"]))
    made = io.BytesIO()
    frames[0].save(made, "GIF", save_all=True, append_images=frames[1:])
    return made.getvalue()


class Handler(BaseHTTPRequestHandler):
    def answer(self, body: bytes = b"") -> None:
        asked = base64.b64decode(self.headers.get("Authorization", "Basic ").removeprefix("Basic ")).decode()
        allowed = asked == os.environ.get("PRETEND_USER", "")
        said: dict[str, Any] = {}
        if allowed and self.path == "/v2/animate":
            pause.wait(SECONDS[args.engine])
            said = {"gif": base64.b64encode(clip(json.loads(body))).decode()}
        elif allowed:
            said = {"args": vars(args)}
        data = json.dumps(said).encode()
        self.send_response(200 if allowed else 401)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = answer

    def do_POST(self) -> None:
        self.answer(self.rfile.read(int(self.headers["Content-Length"])))


print("pretend is up", flush=True)
ThreadingHTTPServer(("127.0.0.1", args.port), Handler).serve_forever()
