"""A user's graph of a dozen nodes: windows over a long clip, scaling, a preview, and values from nodes of their own."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from tests.engine.comfyui.running import Running, cached, graph, messages

pytestmark = pytest.mark.slow


def test_a_long_clip_in_windows_scaled_and_previewed(running: Running) -> None:
    prompt = graph(seed=5, frames=12, size=64, steps=2)
    prompt["8"]["inputs"].update(sampler_name="euler_ancestral", seed=["14", 0])
    prompt["7"]["inputs"]["context_options"] = ["11", 0]
    prompt["11"] = {"class_type": "ADE_StandardUniformContextOptions",
                    "inputs": {"context_length": 8, "context_stride": 1, "context_overlap": 4}}
    prompt["12"] = {"class_type": "ImageScaleBy",
                    "inputs": {"image": ["9", 0], "upscale_method": "lanczos", "scale_by": 2.0}}
    prompt["10"]["inputs"].update(images=["12", 0], filename_prefix="AnimateDiff/clip")
    prompt["13"] = {"class_type": "PreviewImage", "inputs": {"images": ["9", 0]}, "_meta": {"title": "Look"}}
    prompt["14"] = {"class_type": "PrimitiveInt", "inputs": {"value": 77}}
    entry = running.render(prompt)
    assert entry["status"]["status_str"] == "success", entry
    saved = entry["outputs"]["10"]["images"][0]
    assert (saved["subfolder"], saved["type"]) == ("AnimateDiff", "output")
    with Image.open(io.BytesIO(running.get("/view", params=saved).content)) as clip:
        assert (getattr(clip, "n_frames", 1), clip.size) == (12, (128, 128))
    previews = entry["outputs"]["13"]["images"]
    assert [one["type"] for one in previews] == ["temp"] * 12
    assert running.get("/view", params=previews[0]).status_code == 200
    assert "context_length 8" in running.log()

    prompt["14"]["inputs"]["value"] = 78
    assert not {"8", "9", "10", "12", "13", "14"} & set(cached(running.render(prompt)))


def test_more_frames_than_the_motion_module_can_is_its_error(running: Running) -> None:
    told = messages(running.render(graph(frames=33)))["execution_error"]
    assert (told["exception_type"], told["node_id"]) == ("ValueError", "8")
    assert told["exception_message"] == (
        "Without a context window, AnimateDiff model mm_sd15_v2.safetensors has upper limit of 32 frames, but received "
        "33 latents.\n")


def test_the_loader_of_the_first_generation(running: Running) -> None:
    prompt = graph(seed=6)
    for node in ("5", "6"):
        del prompt[node]
    prompt["7"] = {"class_type": "ADE_AnimateDiffLoaderGen1", "inputs": {
        "model": ["1", 0], "model_name": "mm_sd15_v2.safetensors", "beta_schedule": "autoselect"}}
    assert running.render(prompt)["outputs"]["10"]["animated"] == [True]


def test_stills_without_a_motion_module(running: Running) -> None:
    prompt = graph(seed=7, frames=2)
    prompt["8"]["inputs"]["model"] = ["1", 0]
    prompt["10"] = {"class_type": "SaveImage", "inputs": {"images": ["9", 0], "filename_prefix": "still"}}
    names = [one["filename"] for one in running.render(prompt)["outputs"]["10"]["images"]]
    assert names == ["still_00001_.png", "still_00002_.png"]
