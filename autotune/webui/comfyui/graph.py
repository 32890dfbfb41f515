"""The graphs that a trial renders: the smallest one that makes an AnimateDiff clip, or the user's own workflow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from autotune.language.translate import _
from autotune.model.api import ApiProblem
from autotune.model.workload import Workload

PROMPT = "a red balloon rising over hills"
NEGATIVE = "blurry"
"""Both fit one chunk of 75 tokens, so that every clip encodes as much text as the next."""
FPS = 8.0
PREFIX = "autotune"
"""What files are called that the graph saves; they go to the trial's own output folder."""
MOST_OVERLAP = 4
"""Part of a context window by which windows overlap: a quarter, as ADE's own 4 of 16."""

SAMPLERS = {
    "euler a": "euler_ancestral", "euler": "euler", "lms": "lms", "heun": "heun", "dpm2": "dpm_2",
    "dpm2 a": "dpm_2_ancestral", "dpm++ 2s a": "dpmpp_2s_ancestral", "dpm++ 2m": "dpmpp_2m", "dpm++ sde": "dpmpp_sde",
    "dpm++ 2m sde": "dpmpp_2m_sde", "dpm++ 2m sde heun": "dpmpp_2m_sde_heun", "dpm++ 3m sde": "dpmpp_3m_sde",
    "dpm fast": "dpm_fast", "dpm adaptive": "dpm_adaptive", "ddim": "ddim", "unipc": "uni_pc", "lcm": "lcm",
}
"""KSampler's sampler for each that a profile may name as AUTOMATIC1111 does, in small letters (``SAMPLER_NAMES`` and
``KSAMPLER_NAMES`` of comfy/samplers.py). PLMS and Restart have no counterpart."""
SCHEDULERS = {
    "karras": "karras", "exponential": "exponential", "sgm uniform": "sgm_uniform", "simple": "simple",
    "normal": "normal", "ddim": "ddim_uniform", "beta": "beta", "kl optimal": "kl_optimal",
}
"""KSampler's scheduler for the last words of such a name."""
OWN_SCHEDULER = {"ddim": "ddim_uniform", "lcm": "sgm_uniform"}
"""Schedulers of samplers that are made for one."""


@dataclass(frozen=True, slots=True)
class Graph:
    """A graph as POST /prompt takes it; ``computed``: nodes that must not come from the cache; ``shown``: nodes whose
    outputs may be the clip; ``files``: names that may be of files or folders in the owner's input folder ("name.png",
    "name.png [input]"), which the trial's has to have as well."""

    prompt: dict[str, Any]
    computed: tuple[str, ...]
    shown: tuple[str, ...]
    files: tuple[str, ...] = ()


def of_workload(workload: Workload, seed: int, motion_module: str | None, checkpoint: str | None) -> Graph:
    """The graph of one clip with this seed. ``checkpoint``, ``motion_module``: names as their loaders list them; a
    workflow of the user's names its own.

    Raises ApiProblem where there is none: no checkpoint or motion module, or a workflow's file that is another by now.
    """
    if workload.workflow is not None:
        from autotune.webui.comfyui import workflow

        nodes, found = workflow.with_seed(workload, seed)
        return Graph(nodes, found.computed, found.computed, found.files)
    if checkpoint is None:
        raise ApiProblem("shape", _("ComfyUI has no checkpoint to render with"), status=200)
    if motion_module is None:
        raise ApiProblem("shape", _("no motion module to render a clip with"))
    graph = _still(workload, seed, checkpoint)
    graph["motion"] = _node("ADE_LoadAnimateDiffModel", model_name=motion_module)
    graph["animated"] = _node("ADE_ApplyAnimateDiffModelSimple", motion_model=["motion", 0])
    graph["evolved"] = _node("ADE_UseEvolvedSampling", model=["model", 0], beta_schedule="autoselect",
                             m_models=["animated", 0])
    if workload.frames > workload.window:
        graph["windows"] = _node("ADE_StandardUniformContextOptions", context_length=workload.window,
                                 context_stride=1, context_overlap=workload.window // MOST_OVERLAP)
        graph["evolved"]["inputs"]["context_options"] = ["windows", 0]
    graph["sampler"]["inputs"]["model"] = ["evolved", 0]
    return Graph(graph, ("sampler", "decode", "save"), ("save",))


def of_still(seed: int, checkpoint: str) -> Graph:
    """The graph of the cheapest picture there is, 64x64 in one step: proof that the checkpoint loads and renders."""
    return Graph(_still(Workload(64, 64, 1, 1), seed, checkpoint), ("sampler", "decode", "save"), ("save",))


def sampler_of(name: str) -> tuple[str, str]:
    """KSampler's (sampler_name, scheduler) of a profile's sampler: as AUTOMATIC1111 calls it ("DPM++ 2M Karras"), or as
    ComfyUI does ("dpmpp_2m", "dpmpp_2m karras"). An unknown name is passed on: ComfyUI says what it knows."""
    words = " ".join(name.lower().split())
    if words in SAMPLERS:
        return SAMPLERS[words], OWN_SCHEDULER.get(words, "normal")
    for ending, scheduler in SCHEDULERS.items():
        for last in (ending, scheduler):
            sampler = words.removesuffix(f" {last}")
            if sampler != words:
                return SAMPLERS.get(sampler, sampler), scheduler
    return words, OWN_SCHEDULER.get(words, "normal")


def _still(workload: Workload, seed: int, checkpoint: str) -> dict[str, Any]:
    """Nodes that render ``workload.frames`` pictures apart from one another, by their ids."""
    sampler, scheduler = sampler_of(workload.sampler)
    return {
        "model": _node("CheckpointLoaderSimple", ckpt_name=checkpoint),
        "wanted": _node("CLIPTextEncode", text=PROMPT, clip=["model", 1]),
        "unwanted": _node("CLIPTextEncode", text=NEGATIVE, clip=["model", 1]),
        "latents": _node("EmptyLatentImage", width=workload.width, height=workload.height,
                         batch_size=workload.frames),
        "sampler": _node("KSampler", model=["model", 0], positive=["wanted", 0], negative=["unwanted", 0],
                         latent_image=["latents", 0], seed=seed, steps=workload.steps, cfg=workload.cfg_scale,
                         sampler_name=sampler, scheduler=scheduler, denoise=1.0),
        "decode": _node("VAEDecode", samples=["sampler", 0], vae=["model", 2]),
        # Lossless at the fastest method and effort: 0.12 s for 16 frames of 512x512, where the default takes 1.5 s and
        # PNG files 0.55 s, for files of like size. It is part of the seconds that are measured.
        "save": _node("SaveAnimatedWEBP", images=["decode", 0], filename_prefix=PREFIX, fps=FPS, lossless=True,
                      quality=0, method="fastest"),
    }


def _node(class_type: str, **inputs: Any) -> dict[str, Any]:  # noqa: ANN401 - a value of JSON
    return {"class_type": class_type, "inputs": inputs}
