"""Workflows in the API format, drawn and written down: loaders, texts, latents, samplers, decoders and what saves."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

CANARY = "xyzzy-plugh canary in a coal mine"
"""Words of a prompt that must be found nowhere."""

Graph = dict[str, Any]


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs, "_meta": {"title": f"My {class_type}"}}


def ten_nodes(seed: int = 1234567, prompt: str = CANARY) -> Graph:
    """An AnimateDiff clip of more frames than fit a window, enlarged, saved, and previewed as it was before."""
    return {
        "1": node("CheckpointLoaderSimple", ckpt_name="sd15.safetensors"),
        "2": node("CLIPTextEncode", text=prompt, clip=["1", 1]),
        "3": node("CLIPTextEncode", text="blurry, low quality", clip=["1", 1]),
        "4": node("EmptyLatentImage", width=64, height=48, batch_size=12),
        "5": node("ADE_LoadAnimateDiffModel", model_name="mm.safetensors"),
        "6": node("ADE_ApplyAnimateDiffModelSimple", motion_model=["5", 0]),
        "7": node("ADE_StandardUniformContextOptions", context_length=8, context_stride=1, context_overlap=4),
        "8": node("ADE_UseEvolvedSampling", model=["1", 0], beta_schedule="autoselect", m_models=["6", 0],
                  context_options=["7", 0]),
        "9": node("KSampler", seed=seed, steps=3, cfg=7.5, sampler_name="euler_ancestral", scheduler="normal",
                  denoise=1.0, model=["8", 0], positive=["2", 0], negative=["3", 0], latent_image=["4", 0]),
        "10": node("VAEDecode", samples=["9", 0], vae=["1", 2]),
        "11": node("ImageScaleBy", image=["10", 0], upscale_method="lanczos", scale_by=2.0),
        "12": node("SaveAnimatedWEBP", images=["11", 0], filename_prefix="AnimateDiff/clip", fps=8.0, lossless=True,
                   quality=85, method="default"),
        "13": node("PreviewImage", images=["10", 0]),
    }


SEEDS = st.integers(-1, (1 << 64) - 1)
TEXTS = st.text(st.characters(blacklist_categories=["Cs"]), max_size=12)
VALUES = st.one_of(TEXTS, st.integers(-5, 5000), st.floats(-4, 4), st.booleans(), st.none(),
                   st.lists(st.integers(0, 9), max_size=4), st.dictionaries(TEXTS, st.integers(0, 9), max_size=2))
NAMES = st.sampled_from(("text", "steps", "cfg", "denoise", "width", "height", "batch_size", "strength", "seed_mode",
                         "iter_seed_offset", "filename_prefix"))
CLASSES = st.sampled_from(("CLIPTextEncode", "KSampler", "VAEDecode", "SaveImage", "ImageScale", "PreviewImage",
                           "EmptyLatentImage", "LoraLoader", "SomebodysNode"))


@st.composite
def graphs(draw: st.DrawFn, seeds: bool = True) -> Graph:
    """Any graph without a circle: each node has links to earlier ones, values, and with ``seeds`` perhaps a seed."""
    made: Graph = {}
    for number in range(draw(st.integers(1, 9))):
        inputs: dict[str, Any] = {}
        for name in draw(st.lists(NAMES, max_size=4, unique=True)):
            value = draw(VALUES)
            inputs[name] = "clip" if name == "filename_prefix" else value
        for name in draw(st.lists(st.sampled_from(("model", "image", "clip", "samples")), max_size=2, unique=True)):
            earlier = [one for one in made if made[one]["class_type"] != "PrimitiveInt"]
            if earlier:
                inputs[name] = [draw(st.sampled_from(earlier)), draw(st.integers(0, 2))]
        kind = draw(st.sampled_from(("none", "seed", "noise_seed", "linked"))) if seeds else "none"
        if kind == "linked":
            made[f"p{number}"] = node("PrimitiveInt", value=draw(SEEDS))
            inputs["seed"] = [f"p{number}", 0]
        elif kind != "none":
            inputs[kind] = draw(SEEDS)
        made[str(number)] = node(draw(CLASSES), **inputs)
    return made


def changed(before: Graph, after: Graph) -> dict[tuple[str, str], tuple[Any, Any]]:
    """Where two graphs of the same nodes differ: (node, input) -> values before and after."""
    assert before.keys() == after.keys()
    found = {}
    for name, one in before.items():
        other = copy.deepcopy(after[name])
        for key in other["inputs"].keys() | one["inputs"].keys():
            values = (one["inputs"].get(key, "absent"), other["inputs"].get(key, "absent"))
            if values[0] != values[1] or type(values[0]) is not type(values[1]):
                found[name, key] = values
        assert {**one, "inputs": 0} == {**other, "inputs": 0}, "more than inputs changed"
    return found
