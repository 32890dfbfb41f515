"""A light stand-in for a web UI's launch.py: A1111's command line and a few endpoints, no computing at all.

For tests and benchmarks of the server room that need hundreds of starts; whatever concerns clips uses the
reference web UI. STANDIN_FAULTS, a comma list, makes it misbehave: fork, double_fork (a grandchild in a session
of its own), ignore_sigterm, ignore_all (SIGINT too), crash:S (dies S seconds after its start), exit:N, slow:S,
never (no port at all), open (listens on all addresses), no_auth, port_holder (a child that goes on holding the
port), dirty (writes into the install), extension (FOLDER/extensions/*/at_*.py are run at the start, at each POST and
at the end), late_fork (a child every 50 ms while it runs).
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import runpy
import shlex
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SLEEPER = "import signal,time;[signal.signal(s,signal.SIG_IGN) for s in (signal.SIGTERM,signal.SIGINT)];time.sleep(600)"


def faults() -> dict[str, str]:
    words = [word for word in os.environ.get("STANDIN_FAULTS", "").split(",") if word]
    return {name: value for name, _, value in (word.partition(":") for word in words)}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="launch.py")
    for name in ("--nowebui", "--api", "--no-prompt-history", "--opt-sdp-attention", "--no-half-vae", "--medvram",
                 "--share", "--listen", "--skip-install"):
        parser.add_argument(name, action="store_true")
    for name in ("--server-name", "--api-auth", "--ui-settings-file", "--ui-config-file", "--ckpt"):
        parser.add_argument(name)
    parser.add_argument("--port", type=int, default=7861)
    return parser.parse_args(sys.argv[1:] + shlex.split(os.environ.get("COMMANDLINE_ARGS", "")))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"
    args: argparse.Namespace
    options: dict[str, object]

    def log_message(self, format: str, *args: object) -> None:
        print(f"request {self.path}", flush=True)

    def answer(self, value: object, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Process-Time", "0.001")
        self.end_headers()
        self.wfile.write(body)

    def allowed(self) -> bool:
        auth = self.args.api_auth
        if not auth or "no_auth" in faults():
            return True
        wanted = "Basic " + base64.b64encode(auth.encode()).decode()
        if self.headers.get("Authorization") == wanted:
            return True
        self.answer({"error": "HTTPException", "detail": "Not authenticated", "body": "", "errors": ""}, 401)
        return False

    def do_GET(self) -> None:
        if not self.allowed():
            return
        if self.path.startswith("/sdapi/v1/options"):
            self.answer(self.options)
        elif self.path.startswith("/sdapi/v1/cmd-flags"):
            self.answer(vars(self.args))
        elif self.path.startswith("/sdapi/v1/progress"):
            self.answer({"progress": 0.0, "state": {"job": "", "job_count": 0}})
        else:
            self.answer({"detail": "Not Found"}, 404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if not self.allowed():
            return
        extensions("job")
        if self.path == "/sdapi/v1/options":
            self.options.update(json.loads(body))
            self.answer(None)
        else:
            self.answer({"detail": "Not Found"}, 404)


def extensions(when: str) -> None:
    if "extension" in faults():
        here = Path(__file__).parent
        for script in sorted(here.glob(f"extensions/*/at_{when}.py")):
            runpy.run_path(str(script), {"root": here})


def crash() -> None:
    """Ends as a fault in a native library ends a process."""
    if sys.platform == "win32":
        import ctypes

        ctypes.windll.kernel32.ExitProcess(0xC0000005)
    os.kill(os.getpid(), signal.SIGSEGV)


def misbehave(found: dict[str, str], port: int) -> None:
    for name in ("SIGTERM", "SIGINT") if "ignore_all" in found else ("SIGTERM",):
        if "ignore_sigterm" in found or "ignore_all" in found:
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    if "fork" in found:
        subprocess.Popen([sys.executable, "-c", SLEEPER])
    if "double_fork" in found:
        code = f"import subprocess,sys;subprocess.Popen([sys.executable,'-c',{SLEEPER!r}],start_new_session=True)"
        subprocess.run([sys.executable, "-c", code], check=True)
    if "port_holder" in found:
        code = f"import socket,time;s=socket.socket();s.bind(('127.0.0.1',{port}));s.listen();time.sleep(600)"
        subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    if "dirty" in found:
        here = Path(__file__).parent
        (here / "params.txt").write_text("a prompt", encoding="utf-8")
        (here / "extensions").mkdir(exist_ok=True)
        (here / "extensions" / "state.json").write_text('{"n": 2}', encoding="utf-8")
    if "late_fork" in found:
        def more() -> None:
            while True:
                subprocess.Popen([sys.executable, "-c", SLEEPER])
                time.sleep(0.05)
        threading.Thread(target=more, daemon=True).start()
    if "crash" in found:
        threading.Timer(float(found["crash"] or 0.1), crash).start()
    if "exit" in found:
        sys.exit(int(found["exit"]))
    time.sleep(float(found.get("slow", "0")))
    while "never" in found:
        time.sleep(1.0)


def main() -> None:
    args = parse()
    if "installs" in faults():
        print("Installing requirements", flush=True)
        time.sleep(float(faults()["installs"]))
    extensions("start")
    print(f"Launching API server with arguments: {' '.join(sys.argv[1:])} {os.environ.get('COMMANDLINE_ARGS')}",
          flush=True)
    found = faults()
    misbehave(found, args.port)
    config: dict[str, object] = {}
    if args.ui_settings_file:
        config = json.loads(Path(args.ui_settings_file).read_text(encoding="utf-8"))
    Handler.args, Handler.options = args, config
    host = "0.0.0.0" if "open" in found else (args.server_name or "0.0.0.0")
    ThreadingHTTPServer.allow_reuse_address = os.name == "posix"  # as uvicorn's: on Windows two could have one port
    try:
        server = ThreadingHTTPServer((host, args.port), Handler)
    except OSError as error:
        print(f"ERROR:    {error}", flush=True)
        sys.exit(3)
    print("Applying attention optimization: InvokeAI... done.", flush=True)
    print("Model loaded in 0.1s (load weights from disk: 0.1s).", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
