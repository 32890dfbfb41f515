"""The client against answers as recorded on a real A1111, and against servers that answer badly."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from autotune.model.api import ApiProblem
from autotune.model.workload import Workload
from autotune.webui import running
from autotune.webui.a1111.client import Client, payload
from autotune.webui.running import OwnWebUI
from autotune.webui.transport import Transport
from tests.trial import badserver
from tests.trial.badserver import Handler, answers, reply, serving

CLIP = Workload(64, 64, 4, 2)
GIF = b"GIF89a-not-really;"


def rendered(images: object = None, info: object = None) -> dict[str, object]:
    files = [base64.b64encode(GIF).decode()] if images is None else images
    told = {"infotexts": ['a, AnimateDiff: "model: x"']} if info is None else info
    return {"images": files, "parameters": {}, "info": json.dumps(told)}


def problem(handler: Handler, limit: float = 5.0, **call: object) -> ApiProblem:
    with serving(handler) as port, pytest.raises(ApiProblem) as caught:
        Transport(f"http://127.0.0.1:{port}", ("autotune", "s3cret")).call("GET", "/x", limit=limit, **call)  # type: ignore[arg-type]
    return caught.value


@pytest.mark.parametrize(("handler", "kind", "status"), [
    (answers(b"{broken"), "not_json", 200),
    (answers(b"<html><h1>Gateway</h1></html>"), "not_json", 200),
    (answers(b"\xff\xfe\x00garbage"), "not_json", 200),
    (answers(b""), "not_json", 200),
    (answers(b"[" * 100_000), "not_json", 200),
    (answers({}, "302 Found", "Location: http://example.invalid/\r\n"), "redirect", 302),
    (answers(b"Internal Server Error", "500 Internal Server Error"), "status", 500),
    (answers({"detail": "Not Found"}, "404 Not Found"), "status", 404),
    (badserver.half, "closed", None),
    (badserver.hang_up, "closed", None),
])
def test_bad_answers_are_named(handler: Handler, kind: str, status: int | None) -> None:
    found = problem(handler)
    assert found.kind == kind
    assert status is None or found.status == status


def test_an_endless_body_is_cut_off_at_the_limit() -> None:
    found = problem(badserver.endless, most=3 * 1024 * 1024)
    assert found.kind == "too_large" and "3 MiB" in found.message


def test_ten_gigabytes_promised_are_not_begun() -> None:
    sent: list[int] = []

    def promises(connection: socket.socket, _request: bytes, _stop: threading.Event) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\nConnection: close\r\n\r\n")
        sent.append(connection.recv(1) == b"")

    assert problem(promises, limit=30.0).kind == "too_large"


GLUTTON = """
import resource, sys
from autotune.model.api import ApiProblem
from autotune.model.workload import Workload
from autotune.webui.a1111.client import Client, largest_answer
CLIP = Workload(512, 512, 16, 2)
import requests  # what it takes itself does not count
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    Client(sys.argv[1]).render(CLIP, 1, limit=120.0)
except ApiProblem as problem:
    print(problem.kind, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / largest_answer(CLIP))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss in KiB")
def test_ten_gigabytes_that_stream_in_take_no_more_memory_than_a_clip_may() -> None:
    with serving(badserver.endless) as port:
        words = [sys.executable, "-c", GLUTTON, f"http://127.0.0.1:{port}"]
        done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=200)
    kind, share = done.stdout.split()
    assert kind == "too_large" and float(share) < 1.25


@pytest.mark.parametrize("handler", [badserver.never, badserver.drip])
def test_no_answer_ends_at_the_time_limit(handler: Handler) -> None:
    begun = time.monotonic()
    assert problem(handler, limit=0.5).kind == "timeout"
    assert time.monotonic() - begun < 20


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(ApiProblem) as caught:
        Client(f"http://127.0.0.1:{port}").options()
    assert caught.value.kind == "unreachable"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-keyout", str(folder / "both.pem"), "-out", str(folder / "cert.pem")], check=True, capture_output=True)
    with (folder / "both.pem").open("ab") as file:
        file.write((folder / "cert.pem").read_bytes())
    return folder / "both.pem"


def test_the_owners_tls_server_with_its_own_certificate_is_asked(certificate: Path) -> None:
    with serving(answers(WORKING), certificate) as port:
        for words in (("--tls-keyfile", "x"), None):  # named on its command line, or that cannot be read
            assert running.ask(OwnWebUI(1, (("127.0.0.1", port),), words)).kind == "job"
        with pytest.raises(ApiProblem) as plain:
            Client(f"http://127.0.0.1:{port}").options()
        with pytest.raises(ApiProblem) as checked:
            Client(f"https://127.0.0.1:{port}").options()
    assert plain.value.kind in ("closed", "not_json") and checked.value.kind == "unreachable"


def test_tls_where_plain_http_is_spoken() -> None:
    with serving(badserver.hang_up) as port, pytest.raises(ApiProblem) as caught:
        Client(f"https://127.0.0.1:{port}", verify=False).job(1.0)
    assert caught.value.kind in ("unreachable", "closed", "timeout")


def test_errors_keep_the_web_uis_class_and_no_secret() -> None:
    body = {"error": "OutOfMemoryError", "detail": "", "body": "", "errors": "CUDA out of memory. pw s3cret here"}
    found = problem(answers(body, "500 Internal Server Error"))
    assert found.error == "OutOfMemoryError" and "CUDA out of memory" in found.excerpt
    assert "s3cret" not in str(found) + found.excerpt + found.message
    plain = problem(answers(b"trace s3cret " + b"A" * 5000, "500 Internal Server Error"))
    assert "s3cret" not in plain.excerpt and len(plain.excerpt) <= 300


def test_a_cancelled_call_ends_between_pieces() -> None:
    cancel = threading.Event()
    cancel.set()
    assert problem(badserver.endless, cancel=cancel).kind == "cancelled"


def test_a_redirect_is_not_followed_with_credentials() -> None:
    seen: list[bytes] = []

    def note(connection: socket.socket, request: bytes, _stop: threading.Event) -> None:
        seen.append(request)
        reply(connection, b"{}")

    with serving(note) as other:
        elsewhere = answers({}, "307 Temporary Redirect", f"Location: http://127.0.0.1:{other}/\r\n")
        assert problem(elsewhere).kind == "redirect"
    assert not seen


def test_credentials_with_a_colon_go_as_they_are() -> None:
    seen: list[bytes] = []

    def note(connection: socket.socket, request: bytes, _stop: threading.Event) -> None:
        seen.append(request)
        reply(connection, b"{}")

    with serving(note) as port:
        Client(f"http://127.0.0.1:{port}", ("me", "a:b")).options()
    assert base64.b64encode(b"me:a:b") in seen[0]


def test_txt2img_asks_for_one_clip_and_decodes_it() -> None:
    asked: list[dict[str, object]] = []

    def note(connection: socket.socket, request: bytes, _stop: threading.Event) -> None:
        head, _, body = request.partition(b"\r\n\r\n")
        lengths = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
        length = int(lengths[0].split()[-1])
        while len(body) < length:
            body += connection.recv(65536)
        asked.append(json.loads(body))
        reply(connection, json.dumps(rendered()).encode(), more="X-Process-Time: 1.25\r\n")

    with serving(note) as port:
        clip = Client(f"http://127.0.0.1:{port}").render(CLIP, 7, motion_module="mm.ckpt")
    assert clip.images == (GIF,) and "AnimateDiff" in clip.infotext
    assert clip.process_time == 1.25 and clip.seconds > 0
    assert asked == [payload(CLIP, 7, "mm.ckpt")]
    args = asked[0]["alwayson_scripts"]["AnimateDiff"]["args"][0]  # type: ignore[index]
    assert args["video_length"] == args["batch_size"] == 4 and args["format"] == ["GIF"]
    assert args["enable"] is True and asked[0]["save_images"] is False


def test_a_clip_longer_than_the_context_is_asked_for_in_windows() -> None:
    args = payload(Workload(512, 512, 24, 8, context=16), 1, None)["alwayson_scripts"]["AnimateDiff"]["args"][0]
    assert (args["video_length"], args["batch_size"]) == (24, 16)
    assert (args["stride"], args["overlap"], args["closed_loop"]) == (1, -1, "R-P")  # the extension's own defaults


@pytest.mark.parametrize("body", [
    [], {}, {"images": "text"}, {"images": [5]}, {"images": ["no base64!"]}, None, "text",
])
def test_txt2img_of_another_shape(body: object) -> None:
    with serving(answers(body)) as port, pytest.raises(ApiProblem) as caught:
        Client(f"http://127.0.0.1:{port}").render(CLIP, 1)
    assert caught.value.kind == "shape"


@pytest.mark.parametrize("info", [[], "text", {"infotexts": []}, {"infotexts": None}])
def test_txt2img_without_an_infotext(info: object) -> None:
    with serving(answers(rendered(info=info))) as port:
        assert Client(f"http://127.0.0.1:{port}").render(CLIP, 1).infotext == ""


def test_cmd_flags_are_redacted() -> None:
    flags = {"api_auth": "a:b", "gradio_auth": None, "ngrok": "tok", "port": 7861, "hf_token_out": "x", "medvram": True}
    with serving(answers(flags)) as port:
        found = Client(f"http://127.0.0.1:{port}").cmd_flags()
    assert found == {"api_auth": "***", "gradio_auth": None, "ngrok": "***", "port": 7861, "hf_token_out": "***",
                     "medvram": True}


def test_options_are_read_back() -> None:
    with serving(answers({"a": 1})) as port:
        client = Client(f"http://127.0.0.1:{port}")
        client.set_options({"a": 1})
        with pytest.raises(ApiProblem) as caught:
            client.set_options({"a": 2, "b": 1})
    assert caught.value.kind == "shape" and "a, b" in caught.value.message


@pytest.mark.parametrize(("body", "full"), [
    ({"ram": {"used": 1048576}, "cuda": {"error": "unavailable"}}, None),
    ({"ram": [], "cuda": None}, None),
    ({"cuda": {"system": {"used": 1048576, "total": 4194304}, "reserved": {"peak": 2097152},
               "events": {"oom": 2}}}, 0.25),
])
def test_memory_in_mib(body: object, full: float | None) -> None:
    with serving(answers(body)) as port:
        memory = Client(f"http://127.0.0.1:{port}").memory()
    if full is None:
        assert memory.cuda_used is None
    else:
        assert (memory.cuda_used, memory.cuda_total, memory.reserved_peak, memory.oom_count) == (1.0, 4.0, 2.0, 2)


WORKING = {"progress": 0.4, "state": {"job": "txt2img", "job_count": 1, "sampling_step": 2, "sampling_steps": 5}}
