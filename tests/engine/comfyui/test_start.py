"""Starts and ends: exit codes, streams, what is written, custom nodes, and what makes a start a trial."""

from __future__ import annotations

import base64
import signal
import socket
import sys
from pathlib import Path

import psutil
import pytest

from autotune.engine.create import create
from tests.engine.comfyui.running import Running, extra_nodes, graph

pytestmark = pytest.mark.slow
GUARD = '''
import base64, os
from aiohttp import web
from server import PromptServer
from comfy import cli_args, model_management
from comfy.ldm.modules import attention
import folder_paths, nodes

NODE_CLASS_MAPPINGS = {}
wanted = "Basic " + base64.b64encode(os.environ.pop("GUARD").encode()).decode()

@web.middleware
async def guard(request, handler):
    if request.headers.get("Authorization") != wanted:
        return web.Response(status=401)
    return await handler(request)

@PromptServer.instance.routes.get("/guard")
async def told(_request):
    return web.json_response({
        "attention": attention.optimized_attention.__name__, "vram": model_management.vram_state.name,
        "port": cli_args.args.port, "output": folder_paths.get_output_directory(),
        "sampler": "KSampler" in nodes.NODE_CLASS_MAPPINGS})

PromptServer.instance.app.middlewares.insert(0, guard)
'''


@pytest.mark.parametrize(("words", "code", "said"), [
    (["--no-such-flag"], 2, "error: unrecognized arguments: --no-such-flag"),
    (["--use-split-cross-attention", "--use-quad-cross-attention"], 2, "not allowed with argument"),
    (["--user-directory", "nope"], 2, "argument --user-directory: The path 'nope' does not exist."),
    (["--cache-ram", "1", "2", "3"], 2, "--cache-ram accepts at most two values"),
    (["--fast", "nope"], 2, "invalid PerformanceFeature value: 'nope'"),
    (["--use-sage-attention"], 255, "the `sageattention` package must be installed first."),
    (["--use-flash-attention"], 255, "the `flash-attn` package must be installed first."),
    (["--extra-model-paths-config", "nope.yaml"], 1, "FileNotFoundError"),
])
def test_a_start_that_fails(comfyui: Path, tmp_path: Path, words: list[str], code: int, said: str) -> None:
    with Running(comfyui, tmp_path, words) as one:
        assert one.ended() == code
        assert said in one.err.read_text(encoding="utf-8")


def test_a_port_that_is_taken(comfyui: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with Running(comfyui, tmp_path, ["--port", str(port)]) as one:
            assert one.ended() == 1
            assert (f"Port {port} is already in use on address 127.0.0.1. Please close the other application or use a "
                    "different port with --port.") in one.log()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_an_owners_start_writes_what_a_real_one_does_and_ends_by_ctrl_c(tmp_path: Path) -> None:
    root = create(tmp_path / "ComfyUI", "tiny", "cpu", flavour="comfyui")
    (root / "temp").mkdir()
    (root / "temp" / "old_preview.png").write_bytes(b"")
    before = _files(root)
    with Running(root, tmp_path) as one:
        one.ready().render(graph())
        assert one.interrupt() == 0
        lines = one.err.read_text(encoding="utf-8").splitlines()
    assert lines[-1] == "Stopped server"
    assert any(line.endswith(f"To see the GUI go to: {one.base}") for line in lines)
    assert "[AnimateDiffEvo]" in one.out.read_text(encoding="utf-8")
    assert {name for name in _files(root) ^ before if "__pycache__" not in name} == {
        "temp", "temp/old_preview.png", "input/3d", "user/comfyui.db", "user/comfyui.db.lock",
        "output/clip_00001_.webp"}


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_sigterm_ends_it_at_once_unless_it_is_told_to_ignore_that(comfyui: Path, tmp_path: Path) -> None:
    with Running(comfyui, tmp_path) as one:
        one.ready().process.terminate()
        assert one.ended() == -signal.SIGTERM
    with Running(comfyui, tmp_path, faults="ignore_sigterm") as one:
        one.ready().process.terminate()
        assert one.get("/prompt").status_code == 200


def _files(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if "venv" not in path.parts}


def test_a_node_of_the_trials_own_guards_every_route(comfyui: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    words = [*extra_nodes(tmp_path, {"our_guard": GUARD}), "--output-directory", str(output),
             "--disable-all-custom-nodes", "--whitelist-custom-nodes", "ComfyUI-AnimateDiff-Evolved", "our_guard"]
    with Running(comfyui, tmp_path, words, more={"GUARD": "trial:secret"}) as one:
        one.ready()
        for path in ("/", "/prompt", "/api/prompt", "/queue", "/history/x", "/system_stats", "/internal/logs/raw",
                     "/view?filename=a", "/guard", "/api/guard", "/nothere", "/ws"):
            assert one.get(path).status_code == 401, path
            assert one.get(path, auth=("trial", "wrong")).status_code == 401, path
        header = {"Authorization": "Basic " + base64.b64encode(b"trial:secret").decode()}
        told = one.get("/api/guard", headers=header).json()
        assert told == {"attention": "attention_sub_quad", "vram": "DISABLED", "port": one.port,
                        "output": str(output), "sampler": True}
        assert "secret" not in one.log()


def test_custom_nodes_that_fail_and_those_that_are_left_out(comfyui: Path, tmp_path: Path) -> None:
    words = extra_nodes(tmp_path, {"syntax": "def", "needs": "import no_such_package_here", "bare": "",
                              "sound": "NODE_CLASS_MAPPINGS = {}", "gone.disabled": "1 / 0"})
    with Running(comfyui, tmp_path, words) as one:
        log = one.ready().log()
    folder = tmp_path / "nodes"
    assert f"Cannot import {folder / 'needs'} module for custom nodes: No module named 'no_such_package_here'" in log
    for name, failed in (("syntax", True), ("needs", True), ("bare", True), ("sound", False)):
        assert f" seconds{' (IMPORT FAILED)' if failed else ''}: {folder / name}\n" in log
    assert "gone" not in log


@pytest.mark.parametrize("words", [["--disable-all-custom-nodes"],
                                   ["--disable-all-custom-nodes", "--whitelist-custom-nodes", "another"]])
def test_without_custom_nodes_animatediff_is_missing(comfyui: Path, tmp_path: Path, words: list[str]) -> None:
    with Running(comfyui, tmp_path, words) as one:
        answer = one.ready().post("/prompt", {"prompt": graph()}).json()
    assert answer["error"]["type"] == "missing_node_type"
    assert answer["error"]["message"] == (
        "Node 'ADE_LoadAnimateDiffModel' not found. The custom node may not be installed.")


def test_what_does_nothing_here_is_said(comfyui: Path, tmp_path: Path) -> None:
    with Running(comfyui, tmp_path, ["--fast", "--reserve-vram", "2", "--disable-pinned-memory"]) as one:
        log = one.ready().log()
    assert "a stand-in for ComfyUI 0.26" in log
    for what in ("--reserve-vram", "--fast cublas_ops", "--fast fp8_matrix_mult"):
        assert f"Reference ComfyUI: {what} does nothing here." in log
    assert "--disable-pinned-memory" not in log


@pytest.mark.skipif(sys.platform == "win32", reason="sockets that children inherit")
def test_a_child_that_outlives_it_and_one_that_holds_its_port(comfyui: Path, tmp_path: Path) -> None:
    with Running(comfyui, tmp_path, faults="fork,hold_port") as one:
        children = psutil.Process(one.ready().process.pid).children()
        try:
            assert one.interrupt() == 0
            assert len([child for child in children if child.is_running()]) == 2
            with socket.create_connection(("127.0.0.1", one.port), timeout=10):
                pass  # the system takes it on behalf of the child's socket
        finally:
            for child in children:
                child.kill()
