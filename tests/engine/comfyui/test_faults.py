"""Every fault on demand does what its name says, in the words that ComfyUI has for it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image

from tests.engine.comfyui.running import Running, cached, graph, messages, seconds

OF_CONTENT = {"plain": (3, (64, 64)), "nan": (1, (64, 64)), "black": (1, (64, 64)), "constant": (1, (64, 64)),
              "alike": (1, (64, 64)), "stills": (1, (64, 64)), "wrong_count": (2, (64, 64)),
              "wrong_size": (3, (32, 32))}
"""Frames and size of the file; Pillow joins frames that are alike."""
ERRORS = {"oom": "torch.OutOfMemoryError", "cuda_error": "illegal memory access"}
BROKEN = ("garbage", "html", "redirect")
NAMES = (*OF_CONTENT, *ERRORS, "truncated", "cached", "fallback", *BROKEN, "half", "slow", "dead_context")
pytestmark = pytest.mark.slow
NUMBER = {name: number for number, name in enumerate(NAMES, start=1)}


@pytest.fixture(scope="module")
def entries(comfyui: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """One process that meets every fault of jobs in turn: what the history told of each prompt, and the process."""
    folder = tmp_path_factory.mktemp("faults")
    faults = ",".join(f"{name}:{number}" for name, number in NUMBER.items() if name != "plain")
    words = ["--output-directory", str(folder / "out"), "--database-url", "sqlite:///:memory:"]
    with Running(comfyui, folder, words, faults) as one:
        one.ready()
        found: dict[str, Any] = {"process": one}
        for name, number in NUMBER.items():
            prompt_id = one.begin(graph(seed=number), client_id="tests")
            _finished(one, prompt_id)
            found[name] = prompt_id if name in (*BROKEN, "half") else one.wait(prompt_id)
        yield found


def _finished(one: Running, prompt_id: str) -> None:
    while one.get(f"/api/jobs/{prompt_id}").json()["status"] in ("pending", "in_progress"):
        assert one.process.poll() is None, one.log()


@pytest.mark.parametrize("name", OF_CONTENT)
def test_of_what_is_rendered(entries: dict[str, Any], name: str) -> None:
    file = entries[name]["outputs"]["10"]["images"][0]
    data = entries["process"].get("/view", params=file).content
    with Image.open(io.BytesIO(data)) as picture:
        assert (getattr(picture, "n_frames", 1), picture.size) == OF_CONTENT[name]
        extremes = picture.convert("RGB").getextrema()
    assert all(low == high == 0 for low, high in extremes) == (name in ("black", "nan"))


@pytest.mark.parametrize("name", ERRORS)
def test_of_errors(entries: dict[str, Any], name: str) -> None:
    told = messages(entries[name])["execution_error"]
    assert ERRORS[name] in f"{told['exception_type']}: {told['exception_message']}"
    assert (told["node_id"], entries[name]["status"]["status_str"]) == ("8", "error")
    assert "!!! Exception during processing !!! CUDA" in entries["process"].log()


def test_memory_that_ran_out_is_given_back(entries: dict[str, Any]) -> None:
    assert entries["process"].log().count("Got an OOM, unloading all loaded models.") == 1
    assert "you ran out of memory on your GPU" in messages(entries["oom"])["execution_error"]["exception_message"]


def test_a_file_that_ends_too_early(entries: dict[str, Any]) -> None:
    data = entries["process"].get("/view", params=entries["truncated"]["outputs"]["10"]["images"][0]).content
    assert data.startswith(b"RIFF")
    assert int.from_bytes(data[4:8], "little") + 8 > len(data)


def test_what_is_handed_back_is_named_and_saved_all_the_same(entries: dict[str, Any]) -> None:
    assert {"8", "9"} <= set(cached(entries["cached"]))
    assert "10" not in cached(entries["cached"])
    assert entries["cached"]["outputs"]["10"]["images"][0] != entries["truncated"]["outputs"]["10"]["images"][0]


def test_a_kernel_that_fails_is_told_and_computes_elsewhere(entries: dict[str, Any]) -> None:
    assert entries["fallback"]["status"]["status_str"] == "success"
    assert "Error running sage attention: " in entries["process"].log()
    assert ", using pytorch attention instead." in entries["process"].log()


@pytest.mark.parametrize("name", BROKEN)
def test_of_answers(entries: dict[str, Any], name: str) -> None:
    answer = requests.get(f"{entries['process'].base}/history/{entries[name]}", timeout=60, allow_redirects=False)
    assert answer.status_code == (302 if name == "redirect" else 200)
    with pytest.raises(ValueError, match=r"Expecting|decode|Invalid"):
        answer.json()


def test_an_answer_that_ends_too_early(entries: dict[str, Any]) -> None:
    with pytest.raises(requests.exceptions.RequestException):
        _ = requests.get(f"{entries['process'].base}/history/{entries['half']}", timeout=60).content


def test_a_lost_context_stays_lost(entries: dict[str, Any]) -> None:
    told = messages(entries["dead_context"])["execution_error"]
    assert "device-side assert" in told["exception_message"]
    again = entries["process"].render(graph(seed=1000))
    assert "device-side assert" in messages(again)["execution_error"]["exception_message"]


def test_the_first_line_names_the_faults(entries: dict[str, Any]) -> None:
    first = entries["process"].out.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("Faults on demand (AUTOTUNE_ENGINE_FAULTS, for tests only): nan:2,black:3")


def test_memory_that_is_full_is_told_from_the_start_and_clips_take_longer(comfyui: Path, tmp_path: Path) -> None:
    with Running(comfyui, tmp_path, ["--output-directory", str(tmp_path / "out")], "spill:3") as one:
        device = one.ready().get("/system_stats").json()["devices"][0]
        assert device["vram_free"] < device["vram_total"] / 100
        took = [seconds(one.render(graph(seed=seed, size=96, steps=2))) for seed in range(3)]
        assert took[2] > 3 * took[1]


def test_hang_and_crash(comfyui: Path, tmp_path: Path) -> None:
    words = ["--output-directory", str(tmp_path)]
    with Running(comfyui, tmp_path, words, "crash:1@quad") as one:
        one.ready().begin(graph())
        assert one.ended() == 139
    with Running(comfyui, tmp_path, words, "hang:1") as one:
        first, second = (one.ready().begin(graph(seed=seed, size=16, frames=1)) for seed in (1, 2))
        _running(one, first)
        one.post("/interrupt", {})
        for _ in range(50):
            queue = one.get("/queue").json()
            assert [item[1] for item in (*queue["queue_running"], *queue["queue_pending"])] == [first, second]


def _running(one: Running, prompt_id: str) -> None:
    while one.get(f"/api/jobs/{prompt_id}").json()["status"] == "pending":
        assert one.process.poll() is None, one.log()


def test_flags_that_are_reported_and_do_nothing(comfyui: Path, tmp_path: Path) -> None:
    words = ["--use-split-cross-attention", "--cache-none", "--output-directory", str(tmp_path)]
    with Running(comfyui, tmp_path, words, "ignore_flags") as one:
        one.ready().render(graph(seed=1))
        again = one.render(graph(seed=1))
        log = one.log()
    assert "Using split optimization for attention" in log
    assert "Disabling intermediate node cache." in log
    assert set(cached(again)) == set(graph())


@pytest.mark.parametrize(("faults", "code"), [("start_crash", 1), ("unknown_flag@--port", 2), ("no_such_fault", 2)])
def test_at_the_start(comfyui: Path, tmp_path: Path, faults: str, code: int) -> None:
    with Running(comfyui, tmp_path, faults=faults) as one:
        assert one.ended() == code
