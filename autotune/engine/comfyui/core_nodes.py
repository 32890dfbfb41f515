"""ComfyUI's own nodes for checkpoints, text, latents and sampling, as far as an animation's graph needs them."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autotune.engine import faults as fault_words
from autotune.engine import sampling, text
from autotune.engine.bars import Bars
from autotune.engine.comfyui import folder_paths, progress
from autotune.engine.comfyui.model import ComfyModel
from autotune.engine.comfyui.runtime import Runtime
from autotune.engine.sizes import SIZES
from autotune.engine.values import Json, Tensor

SAMPLERS: dict[str, str] = {
    "euler": "Euler", "euler_cfg_pp": "", "euler_ancestral": "Euler a", "euler_ancestral_cfg_pp": "", "heun": "Heun",
    "heunpp2": "", "exp_heun_2_x0": "", "exp_heun_2_x0_sde": "", "dpm_2": "DPM2", "dpm_2_ancestral": "DPM2 a",
    "lms": "LMS", "dpm_fast": "", "dpm_adaptive": "", "dpmpp_2s_ancestral": "DPM++ 2S a",
    "dpmpp_2s_ancestral_cfg_pp": "", "dpmpp_sde": "", "dpmpp_sde_gpu": "", "dpmpp_2m": "DPM++ 2M",
    "dpmpp_2m_cfg_pp": "", "dpmpp_2m_sde": "DPM++ 2M SDE", "dpmpp_2m_sde_gpu": "DPM++ 2M SDE",
    "dpmpp_2m_sde_heun": "", "dpmpp_2m_sde_heun_gpu": "", "dpmpp_3m_sde": "DPM++ 3M SDE",
    "dpmpp_3m_sde_gpu": "DPM++ 3M SDE", "ddpm": "", "lcm": "LCM", "ipndm": "", "ipndm_v": "", "deis": "",
    "res_multistep": "", "res_multistep_cfg_pp": "", "res_multistep_ancestral": "",
    "res_multistep_ancestral_cfg_pp": "", "gradient_estimation": "", "gradient_estimation_cfg_pp": "", "er_sde": "",
    "seeds_2": "", "seeds_3": "", "sa_solver": "", "sa_solver_pece": "", "ddim": "DDIM", "uni_pc": "UniPC",
    "uni_pc_bh2": "UniPC",
}
"""ComfyUI's samplers, in its order, with the name in `sampling`; without one it is computed as Euler."""
SCHEDULERS = ["simple", "sgm_uniform", "karras", "exponential", "ddim_uniform", "beta", "normal", "linear_quadratic",
              "kl_optimal"]
LATENT_PIXELS = 8
"""Pixels on each side of a latent, as EmptyLatentImage counts them; the tiny model has fewer."""
BIGGEST = 16384
TYPE_INFO = tuple[Any, ...]
Inputs = dict[str, dict[str, TYPE_INFO]]


class CannotSample(ValueError):
    """AnimateDiff-Evolved refuses: it raises a ValueError of its own words."""

    __module__, __qualname__ = "builtins", "ValueError"


@dataclass(frozen=True)
class Patched:
    """MODEL: a model and what nodes put onto it. ``motion``: the motion module's file; ``context``: frames at a time
    (length, stride, overlap), None for all of them."""

    model: ComfyModel
    motion: Path | None = None
    context: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class Clip:
    """CLIP: a stand-in that turns words into numbers without a network."""

    model: ComfyModel


@dataclass(frozen=True)
class Vae:
    """VAE of a checkpoint."""

    model: ComfyModel


class CheckpointLoaderSimple:
    """Reads a checkpoint."""

    RETURN_TYPES = ("MODEL", "CLIP", "VAE")
    FUNCTION, CATEGORY = "load_checkpoint", "model/loaders"
    OUTPUT_TOOLTIPS = ("denoises latents", "encodes prompts", "turns pictures into latents and back")
    DESCRIPTION = "Loads a checkpoint: the model that denoises latents, CLIP and VAE."

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Its inputs."""
        files = folder_paths.get_filename_list("checkpoints")
        return {"required": {"ckpt_name": (files, {"tooltip": "The checkpoint to load."})}}

    def load_checkpoint(self, ckpt_name: str) -> tuple[Patched, Clip, Vae]:
        """The three parts of the file."""
        run = Runtime.current
        model = ComfyModel(SIZES[str(run.marker["size"])], run.device, run.acting)
        model.load(Path(folder_paths.get_full_path_or_raise("checkpoints", ckpt_name)))
        return Patched(model), Clip(model), Vae(model)


class CLIPTextEncode:
    """Encodes a prompt."""

    RETURN_TYPES = ("CONDITIONING",)
    FUNCTION, CATEGORY = "encode", "model/conditioning"
    DESCRIPTION = "Encodes a prompt for the sampler."

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Its inputs."""
        return {"required": {"text": ("STRING", {"multiline": True, "dynamicPrompts": True, "tooltip": "The prompt."}),
                             "clip": ("CLIP", {"tooltip": "The CLIP model."})}}

    def encode(self, clip: Clip, text: str) -> tuple[list[tuple[str, Clip]]]:
        """The prompt itself: it becomes numbers when the sampler knows how long its rival is."""
        return ([(text, clip)],)


class EmptyLatentImage:
    """Latents of nothing, one a frame."""

    RETURN_TYPES = ("LATENT",)
    FUNCTION, CATEGORY = "generate", "model/latent"
    OUTPUT_TOOLTIPS = ("empty latents",)
    DESCRIPTION = "Makes empty latents for the sampler."

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Its inputs."""
        side = {"default": 512, "min": 16, "max": BIGGEST, "step": 8, "tooltip": "Pixels."}
        return {"required": {"width": ("INT", dict(side)), "height": ("INT", dict(side)),
                             "batch_size": ("INT", {"default": 1, "min": 1, "max": 4096, "tooltip": "How many."})}}

    def generate(self, width: int, height: int, batch_size: int = 1) -> tuple[dict[str, Tensor]]:
        """Zeros, a latent for each eight pixels a side."""
        import torch

        shape = (batch_size, 4, height // LATENT_PIXELS, width // LATENT_PIXELS)
        return ({"samples": torch.zeros(shape), "downscale_ratio_spacial": LATENT_PIXELS},)


class KSampler:
    """Samples: nearly all of a clip's time."""

    RETURN_TYPES = ("LATENT",)
    FUNCTION, CATEGORY = "sample", "model/sampling"
    OUTPUT_TOOLTIPS = ("the denoised latents",)
    DESCRIPTION = "Denoises latents with a model and two conditionings."

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Its inputs."""
        return {"required": {
            "model": ("MODEL", {"tooltip": "The model."}),
            "seed": ("INT", {"default": 0, "min": 0, "max": (1 << 64) - 1, "control_after_generate": True,
                             "tooltip": "The seed of the noise."}),
            "steps": ("INT", {"default": 20, "min": 1, "max": 10000, "tooltip": "Steps."}),
            "cfg": ("FLOAT", {"default": 8.0, "min": 0.0, "max": 100.0, "step": 0.1, "round": 0.01,
                              "tooltip": "Guidance."}),
            "sampler_name": (list(SAMPLERS), {"tooltip": "The sampler."}),
            "scheduler": (SCHEDULERS, {"tooltip": "The schedule."}),
            "positive": ("CONDITIONING", {"tooltip": "What to draw."}),
            "negative": ("CONDITIONING", {"tooltip": "What to leave out."}),
            "latent_image": ("LATENT", {"tooltip": "What to begin with."}),
            "denoise": ("FLOAT", {"default": 1.0, "min": 0.0, "max": 1.0, "step": 0.01,
                                  "tooltip": "The share of the schedule that is sampled."})}}

    def sample(self, model: Patched, latent_image: dict[str, Tensor], steps: int, sampler_name: str,
               **given: Any) -> tuple[dict[str, Tensor]]:  # noqa: ANN401 - numbers, texts and conditionings
        """The sampled latents; ``given``: the other inputs. Raises what the faults on demand say."""
        run = Runtime.current
        fail_on_demand(run)
        started = time.monotonic()
        plain = {"steps": steps, "sampler": sampler_of(sampler_name), "cfg_scale": given["cfg"],
                 "scheduler": given["scheduler"], "seed": given["seed"]}
        prompts = (given["positive"][0][0], given["negative"][0][0])
        wanted = _request(model, prompts, latent_image, given["denoise"], plain)
        if wanted.start is not None and given["denoise"] <= 0:
            return (latent_image,)
        _prepare(model, wanted)
        with Bars(steps, shown=True, total=False) as bars:

            def report(step: int, _latents: Tensor) -> None:
                fault_words.slow_kernel(bars.since_last(), run.slower)
                run.check_interrupt()
                bars.update(step)
                progress.tell(step, steps)

            latents = sampling.sample(model.model, wanted, report).cpu()
        if run.hits & {"spill", "slow"}:
            fault_words.slowed(time.monotonic() - started, lambda: not run.interrupted.is_set())
            run.check_interrupt()
        return ({"samples": latents * float("nan") if "nan" in run.hits else latents},)


def _prepare(model: Patched, wanted: sampling.Request) -> None:
    """Brings the model to the device and switches the motion module on or off, as AnimateDiff-Evolved logs it."""
    model.model.bring()
    if model.motion is None:
        model.model.eject()
        return
    frames, length = len(wanted.seeds), model.context[0] if model.context else None
    most = int(model.model.size.unet.get("motion_max_seq_length", 32))
    if length is None or frames <= length:
        ade(f"Regular sampling activated - latents passed in ({frames}) less or equal to context_length {length}.")
    else:
        ade(f"Sliding context window activated - latents passed in ({frames}) greater than context_length {length}.")
    if min(frames, length or frames) > most:
        name = model.motion.name
        raise CannotSample(f"Without a context window, AnimateDiff model {name} has upper limit of {most} frames, but "
                           f"received {frames} latents." if length is None else
                           f"AnimateDiff model {name} has upper limit of {most} frames for a context window, but "
                           f"received context length of {length}.")
    model.model.inject(model.motion)
    ade(f"Using motion module {model.motion.name}:v2.")


def ade(message: str) -> None:
    """A line of AnimateDiff-Evolved's own log, which goes to stdout."""
    print(f"[AnimateDiffEvo] - \033[0;32mINFO\033[0m - {message}", flush=True)


def _request(model: Patched, prompts: tuple[str, str], latent_image: dict[str, Tensor], denoise: float,
             rest: dict[str, Any]) -> sampling.Request:
    """What `sampling` is to do; empty latents say only how large the picture is."""
    size, device = model.model.size, model.model.device
    latents, empty = latent_image["samples"], "downscale_ratio_spacial" in latent_image
    side = LATENT_PIXELS if empty else size.factor
    height, width = int(latents.shape[2]) * side, int(latents.shape[3]) * side
    frames = int(latents.shape[0])
    most = max(map(text.chunks, prompts))
    prompt, negative = (text.condition(words, size.text, device, most) for words in prompts)
    seed = int(rest.pop("seed"))
    seeds = tuple((seed * 1_000_003 + frame * 7_919 + 1) % (1 << 63) for frame in range(frames))
    context = model.context or (frames, 1, 0)
    started = not empty and (denoise < 1.0 or bool(latents.any()))
    return sampling.Request(
        prompt=prompt, negative=negative, width=width, height=height, seeds=seeds, animated=model.motion is not None,
        context=context[0], stride=context[1], overlap=context[2], batched=True,
        start=latents if started else None, denoise=max(denoise, 1e-3), **rest)


def sampler_of(name: str) -> str:
    """The sampler of `sampling` for ComfyUI's name; says so where another is computed."""
    if not SAMPLERS[name]:
        logging.info("Reference ComfyUI: sampler %s is computed as euler.", name)
    return SAMPLERS[name] or "Euler"


def fail_on_demand(run: Runtime) -> None:
    """Raises or hangs as the faults of this prompt say."""
    import torch

    if "hang" in run.hits:
        while True:
            time.sleep(60)
    if "crash" in run.hits:
        fault_words.die()
    if "oom" in run.hits:
        raise torch.cuda.OutOfMemoryError(
            "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 24.00 GiB of which 1.21 "
            "GiB is free.")
    broken = getattr(torch, "AcceleratorError", RuntimeError)
    if "cuda_error" in run.hits:
        raise broken("CUDA error: an illegal memory access was encountered")
    run.dead = run.dead or "dead_context" in run.hits
    if run.dead:
        raise broken("CUDA error: device-side assert triggered")


class VAEDecode:
    """Turns latents into pictures."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION, CATEGORY = "decode", "model/latent"
    OUTPUT_TOOLTIPS = ("the pictures",)
    DESCRIPTION = "Decodes latents into pictures."

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Its inputs."""
        return {"required": {"samples": ("LATENT", {"tooltip": "The latents."}),
                             "vae": ("VAE", {"tooltip": "The VAE."})}}

    def decode(self, vae: Vae, samples: dict[str, Tensor]) -> tuple[Tensor]:
        """The pictures, (n, height, width, 3) in 0..1."""
        from autotune.engine.comfyui.runtime import spoiled

        return (spoiled(vae.model.decode(samples["samples"]), Runtime.current.hits),)


class VAEEncode:
    """Turns pictures into latents."""

    RETURN_TYPES = ("LATENT",)
    FUNCTION, CATEGORY = "encode", "model/latent"
    DESCRIPTION = "Encodes pictures into latents."

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Its inputs."""
        return {"required": {"pixels": ("IMAGE",), "vae": ("VAE",)}}

    def encode(self, vae: Vae, pixels: Tensor) -> tuple[dict[str, Tensor]]:
        """The latents, of pictures cut to multiples of eight pixels."""
        height, width = (int(side) // LATENT_PIXELS * LATENT_PIXELS for side in pixels.shape[1:3])
        return ({"samples": vae.model.encode(pixels[:, :height, :width, :3])},)


class RepeatLatentBatch:
    """The same latents several times."""

    RETURN_TYPES = ("LATENT",)
    FUNCTION, CATEGORY = "repeat", "model/latent"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Its inputs."""
        return {"required": {"samples": ("LATENT",), "amount": ("INT", {"default": 1, "min": 1, "max": 64})}}

    def repeat(self, samples: dict[str, Tensor], amount: int) -> tuple[dict[str, Tensor]]:
        """The batch, ``amount`` times."""
        return ({**samples, "samples": samples["samples"].repeat(amount, 1, 1, 1)},)


NODES: dict[str, type] = {one.__name__: one for one in (
    KSampler, CheckpointLoaderSimple, CLIPTextEncode, VAEDecode, VAEEncode, EmptyLatentImage, RepeatLatentBatch)}
NAMES: dict[str, str] = {
    "KSampler": "KSampler", "CheckpointLoaderSimple": "Load Checkpoint", "CLIPTextEncode": "CLIP Text Encode (Prompt)",
    "VAEDecode": "VAE Decode", "VAEEncode": "VAE Encode", "EmptyLatentImage": "Empty Latent Image",
    "RepeatLatentBatch": "Repeat Latent Batch",
}
Described = dict[str, Json]
