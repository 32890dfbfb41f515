"""A web UI with the tab, in a real browser, on the page that a real gradio draws, for tests that click through it."""

from __future__ import annotations

import http.server
import json
import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import browser, gradio_packages, reference
from tests.e2e.agent.test_owner import SHORT
from tests.e2e.agent.test_story import SLOW, SLOWED
from tests.e2e.engine.live import free_port
from tests.verbs.test_extension import tree
from tests.waiting import wait_for

PATIENCE = 280.0
"""Seconds that a tune of tiny clips may take on a machine with much else to do."""
CONFIG = """\
profile = "{profile}"
[agent]
policy = "notify"
first_tune = false
settle_seconds = 1
poll_seconds = 5
[when]
idle_minutes = 0.0001
quiet_minutes = 0
cpu_busy_percent = 100
[triggers]
kept_flags = "nothing"
"""
LAUNCH = f'#!/bin/bash\n# mine\nexport COMMANDLINE_ARGS="{SLOW} --api"\n'


@dataclass(frozen=True)
class Place:
    """An install with the tab, and how autotune is called for it."""

    root: Path

    @property
    def state(self) -> Path:
        return self.root.parent / "state"

    @property
    def launch_file(self) -> Path:
        return self.root / "webui-user.sh"

    def autotune(self, *words: str) -> dict[str, Any]:
        """One command of the owner's, which must succeed; its document."""
        place = ["--webui", str(self.root), "--state-dir", str(self.state),
                 "--config", str(self.root.parent / "config.toml"), "--json", "-q"]
        done = subprocess.run([sys.executable, "-m", "autotune", *words, *place], capture_output=True, text=True,
                              check=False, env={**os.environ, **SLOWED})
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def words_by_bash(self) -> list[str]:
        """The flags as the start script itself gets them."""
        done = subprocess.run(["bash", "-c", '. "$1"; printf %s "$COMMANDLINE_ARGS"', "bash", str(self.launch_file)],
                              capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"]})
        return shlex.split(done.stdout)


def prepare(folder: Path, config: pytest.Config, version: str) -> Place:
    """An install whose page that gradio draws; the tab is installed in it."""
    browser.find()
    packages = gradio_packages.folder(version, gradio_packages.cache_folder(config))
    assert gradio_packages.version_in(packages) == version
    root = reference.copy(folder / "webui")
    gradio_packages.give_to(root, packages)
    place = Place(root)
    place.launch_file.write_text(LAUNCH)
    profile = folder / "short.toml"
    profile.write_text(SHORT)
    (folder / "config.toml").write_text(CONFIG.format(profile=profile.as_posix()))
    before = tree(root / "extensions")
    place.autotune("extension", "install")
    (folder / "before.json").write_text(json.dumps(before))
    return place


@contextmanager
def running(place: Place, *words: str) -> Iterator[str]:
    """The owner's web UI with its page, started from its folder; gives its address."""
    port = free_port()
    (python,) = place.root.glob("venv/bin/python")
    log = place.root.parent / "owner.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [python, "launch.py", "--api", "--port", str(port), *words], cwd=place.root, stdout=out, stderr=out,
            env={**os.environ, "GRADIO_ANALYTICS_ENABLED": "False", "COMMANDLINE_ARGS": ""})
    try:
        begun = wait_for(lambda: b"Running on local URL" in log.read_bytes() or process.poll() is not None, 120)
        assert begun and process.poll() is None, log.read_text()[-3000:]
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


class Tab:
    """The tab on a page of the browser."""

    def __init__(self, page: browser.Page, address: str) -> None:
        self.page, self.address = page, address
        page.look(1280, 1000)

    def open(self) -> None:
        """Loads the page and goes to the tab, as a visitor would."""
        self.page("Page.navigate", url=f"{self.address}/")
        self.page.wait(f"document.readyState === 'complete' && {TAB_BUTTON} !== undefined")
        self.page.run(f"{TAB_BUTTON}.click()")
        self.page.wait("document.querySelectorAll('.autotune-button').length > 1")
        self.page.wait("getComputedStyle(document.querySelector('.autotune-button')).borderRadius === '8px'")

    @property
    def text(self) -> str:
        found: str = self.page.run("document.querySelector('#autotune_tab_place').innerText")
        return found

    def offers(self, verb: str) -> bool:
        """Whether a button can be pressed."""
        return bool(self.page.run(f"(b => !!b && !b.disabled)({button(verb)})"))

    def press(self, verb: str) -> None:
        """Clicks with the mouse, where the button is; waits until it was carried out."""
        self.page.wait(f"(b => !!b && !b.disabled)({button(verb)})")
        self.page.run(f"{button(verb)}.scrollIntoView({{block: 'center'}})")
        x, y = self.page.run(f"(r => [r.x + r.width / 2, r.y + r.height / 2])({button(verb)}.getBoundingClientRect())")
        for kind in ("mousePressed", "mouseReleased"):
            self.page("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        self.page.wait("(d => !!d && !!d.innerText && !d.classList.contains('autotune-plain'))"
                       "(document.querySelector('.autotune-said'))")

    @property
    def said(self) -> str:
        """What came of the newest press."""
        found: str = self.page.run("document.querySelector('.autotune-said').innerText")
        return found


TAB_BUTTON = "[...document.querySelectorAll('button')].find(b => b.textContent.trim() === 'autotune')"


def button(verb: str) -> str:
    return f"document.querySelector('button[data-verb=\"{verb}\"]')"


@contextmanager
def another_site(page: str) -> Iterator[int]:
    """A site with one page, at an origin of its own on this machine; gives its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *words: object) -> None:
            """Nothing: tests are quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
