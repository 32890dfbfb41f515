"""The tab's buttons act for the page in a browser on this machine and for nobody else, over a real HTTP server."""

from __future__ import annotations

import http.client
import json
import secrets
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from autotune.webui.a1111.own_extension import SOURCE
from tests.waiting import wait_for

sys.path.insert(0, str(SOURCE))
from sd_webui_autotune import guard
from sd_webui_autotune.routes import BASE, Tab

uvicorn = pytest.importorskip("uvicorn")
PATH = "/home/somebody/webui"
TOKEN = "t" * 43
SHOWN = {
    "kind": "tab", "title": "autotune", "language": "en", "words": {}, "buttons": [], "watch": [],
    "sections": [{"title": "In use", "tone": "", "rows": [
        {"name": "", "text": "for all", "tone": "", "code": False, "local": False},
        {"name": "", "text": f"in {PATH}", "tone": "", "code": False, "local": True}]}],
}
Headers = list[tuple[str, str]]


class Counting:
    """In place of autotune: counts what it is asked to do."""

    def __init__(self, page: Path) -> None:
        self.pressed: list[tuple[str, ...]] = []
        self.page = page

    def ask(self, words: tuple[str, ...], limit: float) -> dict[str, Any]:
        if words[:2] == ("extension", "show"):
            return {**SHOWN, "page": str(self.page), "page_key": "1"}
        self.pressed.append(words)
        return {"kind": words[0], "message": "done", "changed": True}


class Served:
    """A server with the tab's routes on loopback, and how it is asked."""

    def __init__(self, app: Any, autotune: Counting, port: int) -> None:
        self.app, self.autotune, self.port = app, autotune, port

    def ask(self, method: str, path: str, headers: Headers, body: bytes = b"") -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.putrequest(method, f"{BASE}/{path}", skip_host=True, skip_accept_encoding=True)
            for name, value in headers:
                connection.putheader(name, value)
            if body:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def state(self, headers: Headers | None = None) -> dict[str, Any]:
        wanted = [("Host", f"127.0.0.1:{self.port}")] if headers is None else headers
        found: dict[str, Any] = {}

        def there() -> bool:
            code, data = self.ask("GET", "state", wanted)
            found.clear()
            found.update(json.loads(data), code=code)
            return "loading" not in found

        assert wait_for(there, 20)
        return found

    def good(self, host: str = "127.0.0.1") -> Headers:
        """The headers of a button of the page at that address."""
        place = f"{host}:{self.port}"
        return [("Host", place), ("Origin", f"http://{place}"), ("Sec-Fetch-Site", "same-origin"),
                ("X-Autotune-Token", self.state()["token"]), ("Content-Type", "application/json")]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    from starlette.applications import Starlette

    app = Starlette()
    page = tmp_path_factory.mktemp("page") / "report.html"
    page.write_text(f"<p>{PATH}")
    autotune = Counting(page)
    app.router.routes.extend(Tab(app, autotune, tunnelled=False).routes())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert wait_for(lambda: server.started, 20)
    yield Served(app, autotune, port)
    server.should_exit = True
    thread.join(20)


APPLY = b'{"verb": "apply"}'


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "127.8.9.10"])
def test_the_page_on_this_machine_may_press(served: Served, host: str) -> None:
    before = len(served.autotune.pressed)
    code, data = served.ask("POST", "press", [(name, value.lower() if name == "Origin" else value)
                                              for name, value in served.good(host)], APPLY)
    assert code == 200 and json.loads(data)["message"] == "done"
    assert served.autotune.pressed[before:] == [("apply", "--yes", "--no-start", "--cause", "tab")]


def changed(headers: Headers, name: str, *values: str) -> Headers:
    return [one for one in headers if one[0] != name] + [(name, value) for value in values]


HOSTILE = {
    "no token": ("X-Autotune-Token",),
    "another token": ("X-Autotune-Token", "x" * 43),
    "a token cut short": ("X-Autotune-Token", ""),
    "no origin": ("Origin",),
    "an opaque origin": ("Origin", "null"),
    "another site": ("Origin", "https://evil.example"),
    "the same host, another port": ("Origin", "http://127.0.0.1:1"),
    "another scheme": ("Origin", "https://127.0.0.1:{port}"),
    "another name for this machine": ("Origin", "http://localhost:{port}"),
    "a name that begins alike": ("Origin", "http://127.0.0.1:{port}.evil.example"),
    "a rebound name": ("Host", "evil.example:{port}"),
    "a tunnel's name": ("Host", "abc.gradio.live"),
    "no host": ("Host",),
    "another port": ("Host", "127.0.0.1:1"),
    "no port": ("Host", "127.0.0.1"),
    "an address of the network": ("Host", "192.168.1.5:{port}"),
    "every address": ("Host", "0.0.0.0:{port}"),
    "a number": ("Host", "2130706433:{port}"),
    "a user": ("Host", "127.0.0.1@evil.example:{port}"),
    "a path": ("Host", "127.0.0.1:{port}/"),
    "a name below": ("Host", "localhost.evil.example:{port}"),
    "bare IPv6": ("Host", "::1:{port}"),
    "a form": ("Content-Type", "text/plain"),
    "another form": ("Content-Type", "application/x-www-form-urlencoded"),
    "no type": ("Content-Type",),
    "cross-site": ("Sec-Fetch-Site", "cross-site"),
    "same-site": ("Sec-Fetch-Site", "same-site"),
    "typed": ("Sec-Fetch-Site", "none"),
    **{f"forwarded by {name}": (name, "127.0.0.1") for name in (
        "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "Via", "X-Real-IP", "CF-Connecting-IP",
        "CF-Ray", "True-Client-IP", "X-Original-Host", "X-Client-IP", "Fly-Client-IP", "CDN-Loop", "ngrok-trace-id")},
}


@pytest.mark.parametrize("name", HOSTILE)
def test_whoever_else_is_refused(served: Served, name: str) -> None:
    header, *values = HOSTILE[name]
    headers = changed(served.good(), header, *(value.format(port=served.port) for value in values))
    if header == "Host" and values:  # as its own page would send it
        headers = changed(headers, "Origin", f"http://{values[0].format(port=served.port)}")
    before = len(served.autotune.pressed)
    code, data = served.ask("POST", "press", headers, APPLY)
    # A request without a host is refused by the server itself.
    assert code == 403 or (name == "no host" and code == 400), data
    assert len(served.autotune.pressed) == before


@pytest.mark.parametrize("header", ["Host", "Origin", "X-Autotune-Token", "Content-Type", "Sec-Fetch-Site"])
def test_a_header_that_is_sent_twice_is_refused(served: Served, header: str) -> None:
    good = served.good()
    twice = [one for one in good if one[0] == header]
    code, _ = served.ask("POST", "press", [*good, *twice], APPLY)
    assert code in (400, 403)


@pytest.mark.parametrize("body", [
    b"", b"{", b"[]", b'"apply"', b"null", b"{}", b'{"verb": null}', b'{"verb": "tune"}', b'{"verb": ["apply"]}',
    b'{"verb": "apply", "flags": "--share"}', b'{"verb": "apply --flags x"}', b'{"verb":"apply"}' + b" " * 2000,
    b"[" * 999, b'{"verb": "\xff"}'])
def test_only_known_verbs_are_carried_out(served: Served, body: bytes) -> None:
    before = len(served.autotune.pressed)
    code, _ = served.ask("POST", "press", served.good(), body)
    assert code == 403 and len(served.autotune.pressed) == before


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "HEAD"])
def test_only_a_post_presses(served: Served, method: str) -> None:
    before = len(served.autotune.pressed)
    code, _ = served.ask(method, "press", served.good(), APPLY)
    assert code == 405 and len(served.autotune.pressed) == before


REMOTE: dict[str, Headers] = {
    "through a tunnel": [("Host", "abc.gradio.live")],
    "with a rebound name": [("Host", "evil.example:{port}")],
    "forwarded": [("Host", "127.0.0.1:{port}"), ("X-Forwarded-For", "203.0.113.9")],
    "by a page of another site": [("Host", "127.0.0.1:{port}"), ("Sec-Fetch-Site", "cross-site")],
    "by a page of another site in an old browser": [("Host", "127.0.0.1:{port}"), ("Origin", "https://evil.example")],
}


@pytest.mark.parametrize("name", REMOTE)
def test_who_looks_from_elsewhere_sees_and_is_given_nothing(served: Served, name: str) -> None:
    headers = [(one, value.format(port=served.port)) for one, value in REMOTE[name]]
    state = served.state(headers)
    assert state["may_press"] is False and "token" not in state and state["page"] is False
    assert "for all" in json.dumps(state) and PATH not in json.dumps(state)
    code, data = served.ask("GET", "page", headers)
    assert code == 404 and PATH.encode() not in data
    local = served.state()
    assert local["may_press"] is True and PATH in json.dumps(local) and local["page"] is True
    code, data = served.ask("GET", "page", [("Host", f"localhost:{served.port}")])
    assert code == 200 and PATH.encode() in data


def test_the_web_uis_own_login_counts(served: Served) -> None:
    """As gradio has it: `auth` says that one is asked for, and its own route says who somebody is."""
    from starlette.routing import Route

    good = served.good()
    served.app.auth = {"me": "secret"}
    served.app.router.routes.append(Route("/user", lambda request: request.cookies.get("access-token") == "mine"))
    try:
        for method, path in (("GET", "state"), ("GET", "page"), ("POST", "press")):
            body = APPLY if method == "POST" else b""
            assert served.ask(method, path, good, body)[0] == 401
            assert served.ask(method, path, [*good, ("Cookie", "access-token=mine")], body)[0] == 200
    finally:
        del served.app.auth
        served.app.router.routes.pop()


# without a server


GOOD = guard.Asked("127.0.0.1", "http", 7860, [
    ("host", "localhost:7860"), ("origin", "http://localhost:7860"), ("sec-fetch-site", "same-origin"),
    (guard.TOKEN, TOKEN), ("content-type", "application/json")])
WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=255), max_size=60)
HOSTS = st.one_of(WORDS, st.from_regex(r"[a-z0-9.\[\]:@-]{1,30}(:[0-9]{1,6})?", fullmatch=True),
                  st.builds("{}:7860".format, st.ip_addresses().map(str)))


def test_what_is_good_is_good() -> None:
    assert guard.why_refused(GOOD, False, TOKEN) is None
    assert guard.why_refused(GOOD, True, TOKEN) == "tunnel"
    six = [("host", "[::1]:7860"), ("origin", "http://[::1]:7860"), *GOOD.headers[2:]]
    assert guard.why_refused(replace(GOOD, client="::1", headers=six), False, TOKEN) is None
    plain = [("host", "localhost"), ("origin", "https://localhost"), *GOOD.headers[2:]]
    assert guard.why_refused(replace(GOOD, scheme="https", port=443, headers=plain), False, TOKEN) is None


@pytest.mark.parametrize("at", range(len(GOOD.headers)))
def test_a_header_that_comes_twice_is_refused_whatever_the_server_lets_through(at: int) -> None:
    for value in (GOOD.headers[at][1], "other"):
        headers = [*GOOD.headers, (GOOD.headers[at][0], value)]
        assert guard.why_refused(replace(GOOD, headers=headers), False, TOKEN) is not None


@settings(max_examples=500)
@given(st.sampled_from(range(len(GOOD.headers))), HOSTS)
def test_no_other_value_of_a_header_is_good(at: int, value: str) -> None:
    name, right = GOOD.headers[at]
    assume(value.lower() != right)
    assume(not (name == "content-type" and value.partition(";")[0].strip().lower() == right))
    headers = [*GOOD.headers[:at], (name, value), *GOOD.headers[at + 1:]]
    assert guard.why_refused(replace(GOOD, headers=headers), False, TOKEN) is not None


@settings(max_examples=500)
@given(HOSTS)
def test_a_host_that_names_no_loopback_address_is_refused_with_its_own_origin(host: str) -> None:
    """The judge of a host is the system's own reader of addresses."""
    name, _, port = host.lower().rpartition(":")
    try:
        found = socket.inet_pton(socket.AF_INET, name)
        loopback = found[0] == 127
    except (OSError, UnicodeError, ValueError):
        loopback = name in ("localhost",) or (name.startswith("[") and name.endswith("]"))
    headers = [("host", host), ("origin", f"http://{host.lower()}"), *GOOD.headers[2:]]
    if guard.why_refused(replace(GOOD, headers=headers), False, TOKEN) is None:
        assert loopback and port == "7860"


@given(st.ip_addresses())
def test_only_loopback_clients_may_press(address: Any) -> None:
    why = guard.why_refused(replace(GOOD, client=str(address)), False, TOKEN)
    mapped = getattr(address, "ipv4_mapped", None) or address
    assert (why is None) == mapped.is_loopback


@given(st.binary(max_size=1200))
def test_any_body_is_a_known_verb_or_none(body: bytes) -> None:
    assert guard.verb_of(body, ("apply",)) in (None, "apply")


IN_A_NETWORK = """
import http.client, json, sys, threading, time
sys.path.insert(0, sys.argv[1]); sys.path.insert(0, sys.argv[2])
from tests.webui.test_tab_guard import Counting, Tab, uvicorn
from starlette.applications import Starlette
from pathlib import Path
app, autotune = Starlette(), Counting(Path(sys.argv[3]))
app.router.routes.extend(Tab(app, autotune, False).routes())
server = uvicorn.Server(uvicorn.Config(app, host="0.0.0.0", port=7860, log_level="error", lifespan="off"))
threading.Thread(target=server.run, daemon=True).start()
while not server.started: time.sleep(0.05)
def ask(address, method, path, headers, body=None):
    connection = http.client.HTTPConnection(address, 7860, timeout=20)
    connection.request(method, "/autotune-tab/" + path, body, headers)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())
state = {"loading": True}
while "loading" in state: state = ask("127.0.0.1", "GET", "state", {})[1]
token = state["token"]
for address in ("127.0.0.1", "10.9.8.7"):
    place = address + ":7860"
    for host in (place, "127.0.0.1:7860"):
        headers = {"Host": host, "Origin": "http://" + host, "X-Autotune-Token": token,
                   "Content-Type": "application/json"}
        seen = ask(address, "GET", "state", {"Host": host})[1]
        code = ask(address, "POST", "press", headers, json.dumps({"verb": "undo"}))[0]
        print(json.dumps([address, host, code, seen["may_press"], "token" in seen, len(autotune.pressed)]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a network of its own")
def test_a_visitor_at_the_machines_own_address_sees_and_cannot_press(tmp_path: Path) -> None:
    """As with --listen: in a network that only this test has, so that nothing is opened to others."""
    unshare, ip = shutil.which("unshare"), shutil.which("ip")
    if unshare is None or ip is None:
        pytest.skip("needs unshare and ip")
    root = str(Path(__file__).parents[2])
    up = f"{ip} link set lo up && {ip} addr add 10.9.8.7/24 dev lo && exec \"$@\""
    words = [unshare, "--net", "--map-root-user", "sh", "-c", up, "sh", sys.executable, "-c", IN_A_NETWORK, root,
             str(SOURCE), str(tmp_path / "page")]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    if "unshare" in done.stderr or "Operation not permitted" in done.stderr:
        pytest.skip(f"no network of its own: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    here, here_again, there, there_again = (json.loads(line) for line in done.stdout.splitlines())
    assert here[2:] == [200, True, True, 1] and here_again[2:] == [200, True, True, 2]
    assert there[2:] == [403, False, False, 2] and there_again[2:] == [403, False, False, 2]


def test_every_start_has_a_token_of_its_own(tmp_path: Path) -> None:
    from starlette.applications import Starlette

    tokens = {Tab(Starlette(), Counting(tmp_path), tunnelled=False)._token for _ in range(20)}
    assert len(tokens) == 20 and all(len(token) >= len(secrets.token_urlsafe(32)) for token in tokens)
