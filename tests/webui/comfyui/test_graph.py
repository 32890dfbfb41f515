"""The smallest graph: nodes and inputs that ComfyUI and AnimateDiff-Evolved have, samplers under their own names."""

from __future__ import annotations

import pytest

from autotune.model.api import ApiProblem
from autotune.model.workload import Workload
from autotune.webui.comfyui.graph import Graph, of_still, of_workload, sampler_of
from autotune.webui.comfyui.workflow import link_of

CLIP = Workload(512, 384, 16, 20, cfg_scale=6.5, sampler="DPM++ 2M Karras", context=16)
REQUIRED = {
    "CheckpointLoaderSimple": {"ckpt_name"}, "CLIPTextEncode": {"text", "clip"},
    "EmptyLatentImage": {"width", "height", "batch_size"}, "ADE_LoadAnimateDiffModel": {"model_name"},
    "ADE_ApplyAnimateDiffModelSimple": {"motion_model"}, "ADE_UseEvolvedSampling": {"model", "beta_schedule"},
    "ADE_StandardUniformContextOptions": {"context_length", "context_stride", "context_overlap"},
    "KSampler": {"model", "seed", "steps", "cfg", "sampler_name", "scheduler", "positive", "negative", "latent_image",
                 "denoise"},
    "VAEDecode": {"samples", "vae"},
    "SaveAnimatedWEBP": {"images", "filename_prefix", "fps", "lossless", "quality", "method"},
}
"""Required inputs as GET /object_info of ComfyUI 0.26.0 with AnimateDiff-Evolved 1.5.7 names them."""
OPTIONAL = {"ADE_UseEvolvedSampling": {"m_models", "context_options"}}


def sound(graph: Graph) -> None:
    for node in graph.prompt.values():
        given, kind = set(node["inputs"]), node["class_type"]
        assert REQUIRED[kind] <= given <= REQUIRED[kind] | OPTIONAL.get(kind, set())
        sources = [source for value in node["inputs"].values() if (source := link_of(value)) is not None]
        assert all(source in graph.prompt for source in sources)
    assert set(graph.computed) <= set(graph.prompt) and set(graph.shown) <= set(graph.computed)


def test_a_clip_has_the_workload_s_figures() -> None:
    graph = of_workload(CLIP, 7, "mm.ckpt", "a.safetensors")
    sound(graph)
    nodes = {node["class_type"]: node["inputs"] for node in graph.prompt.values()}
    assert (nodes["EmptyLatentImage"]["width"], nodes["EmptyLatentImage"]["height"]) == (512, 384)
    assert nodes["EmptyLatentImage"]["batch_size"] == 16
    sampler = nodes["KSampler"]
    assert (sampler["seed"], sampler["steps"], sampler["cfg"]) == (7, 20, 6.5)
    assert (sampler["sampler_name"], sampler["scheduler"]) == ("dpmpp_2m", "karras")
    assert nodes["ADE_LoadAnimateDiffModel"]["model_name"] == "mm.ckpt"
    assert nodes["CheckpointLoaderSimple"]["ckpt_name"] == "a.safetensors"
    assert "ADE_StandardUniformContextOptions" not in nodes
    assert nodes["SaveAnimatedWEBP"]["lossless"] is True


@pytest.mark.parametrize(("frames", "context", "window"), [
    (16, None, None), (16, 16, None), (16, 24, None), (32, 16, 16), (24, 8, 8), (48, 16, 16)])
def test_windows_where_a_clip_is_longer_than_one(frames: int, context: int | None, window: int | None) -> None:
    graph = of_workload(Workload(64, 64, frames, 2, context=context), 1, "mm", "a")
    sound(graph)
    nodes = {node["class_type"]: node["inputs"] for node in graph.prompt.values()}
    found = nodes.get("ADE_StandardUniformContextOptions")
    assert (None if found is None else found["context_length"]) == window
    if found is not None:
        assert found["context_overlap"] == found["context_length"] // 4


def test_only_the_seed_differs_between_two_clips() -> None:
    one, other = (of_workload(CLIP, seed, "mm", "a") for seed in (1, 2))
    other.prompt["sampler"]["inputs"]["seed"] = 1
    assert one == other


def test_a_still_needs_no_motion_module() -> None:
    graph = of_still(3, "a.safetensors")
    sound(graph)
    assert not any(node["class_type"].startswith("ADE_") for node in graph.prompt.values())


def test_without_models_there_is_no_clip() -> None:
    with pytest.raises(ApiProblem, match="motion module"):
        of_workload(CLIP, 1, None, "a")
    with pytest.raises(ApiProblem, match="checkpoint"):
        of_workload(CLIP, 1, "mm", None)


@pytest.mark.parametrize(("name", "expected"), [
    ("Euler a", ("euler_ancestral", "normal")), ("Euler", ("euler", "normal")),
    ("DPM++ 2M Karras", ("dpmpp_2m", "karras")), ("DPM++ 2M SDE Exponential", ("dpmpp_2m_sde", "exponential")),
    ("DPM++ 2M", ("dpmpp_2m", "normal")), ("DDIM", ("ddim", "ddim_uniform")), ("LCM", ("lcm", "sgm_uniform")),
    ("UniPC", ("uni_pc", "normal")), ("dpm++  3m sde karras", ("dpmpp_3m_sde", "karras")),
    ("euler_ancestral", ("euler_ancestral", "normal")), ("dpmpp_2m karras", ("dpmpp_2m", "karras")),
    ("dpmpp_2m sgm_uniform", ("dpmpp_2m", "sgm_uniform")), ("res_multistep beta", ("res_multistep", "beta")),
    ("ddim ddim_uniform", ("ddim", "ddim_uniform")), ("something_new", ("something_new", "normal")),
])
def test_samplers_under_both_names(name: str, expected: tuple[str, str]) -> None:
    assert sampler_of(name) == expected
