"""Weight files that are broken or of something else: the errors that ComfyUI has for them; the process goes on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.engine.comfyui.running import CHECKPOINT, MOTION, Running, graph, messages

pytestmark = pytest.mark.slow
BROKEN = "safetensors._safetensors_rust.SafetensorError"


@pytest.fixture(scope="module")
def process(comfyui: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One that sees broken files in a folder of its own."""
    folder = tmp_path_factory.mktemp("models")
    whole = (comfyui / "models" / "checkpoints" / CHECKPOINT).read_bytes()
    files = {"corrupt": b"\x00" * 64, "empty": b"", "truncated": whole[: len(whole) // 2], "twin": whole}
    for name, data in files.items():
        (folder / f"{name}.safetensors").write_bytes(data)
    save_file({"a": np.zeros(3, dtype=np.float32)}, folder / "foreign.safetensors")
    (folder / "motion").mkdir()
    shutil.copyfile(folder / "foreign.safetensors", folder / "motion" / "foreign.safetensors")
    config = folder / "extra.yaml"
    config.write_text(json.dumps({"ours": {"checkpoints": str(folder), "animatediff_models": str(folder / "motion")}}))
    words = ["--extra-model-paths-config", str(config), "--output-directory", str(folder / "out")]
    with Running(comfyui, folder, words) as one:
        yield one.ready()


@pytest.mark.parametrize(("name", "kind", "text"), [
    ("corrupt", BROKEN, "Error while deserializing header"), ("empty", BROKEN, "Error while deserializing header"),
    ("truncated", BROKEN, "Error while deserializing header"),
    ("foreign", "RuntimeError", "ERROR: Could not detect model type of: "),
])
def test_a_checkpoint_that_cannot_be_read(process: Running, name: str, kind: str, text: str) -> None:
    prompt = graph()
    prompt["1"]["inputs"]["ckpt_name"] = f"{name}.safetensors"
    told = messages(process.render(prompt))["execution_error"]
    assert (told["node_id"], told["node_type"], told["exception_type"]) == ("1", "CheckpointLoaderSimple", kind)
    assert told["exception_message"].startswith(text)
    assert told["current_inputs"] == {"ckpt_name": [f"{name}.safetensors"]}


def test_a_motion_module_that_is_none(process: Running) -> None:
    prompt = graph()
    prompt["5"]["inputs"]["model_name"] = "foreign.safetensors"
    told = messages(process.render(prompt))["execution_error"]
    assert (told["node_id"], told["exception_type"]) == ("5", "ValueError")
    assert told["exception_message"] == (
        "'foreign.safetensors' is not a valid SD1.5 nor SDXL motion module - contained -1 downblocks.\n")


def test_lists_name_what_further_folders_hold(process: Running) -> None:
    names = process.get("/models/checkpoints").json()
    assert {CHECKPOINT, "twin.safetensors", "foreign.safetensors"} <= set(names)
    asked = process.get("/object_info/ADE_LoadAnimateDiffModel").json()["ADE_LoadAnimateDiffModel"]
    assert asked["input"]["required"]["model_name"][0] == ["foreign.safetensors", MOTION]


def test_another_checkpoint_is_another_model(process: Running) -> None:
    prompt = graph(seed=3)
    prompt["1"]["inputs"]["ckpt_name"] = "twin.safetensors"
    entry = process.render(prompt)
    assert messages(entry)["execution_cached"]["nodes"] == []
    assert entry["status"]["status_str"] == "success"
