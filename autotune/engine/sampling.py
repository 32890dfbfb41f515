"""Samplers by A1111's names, through diffusers' schedulers, with guidance and AnimateDiff's context windows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from autotune.engine import diffusers_import
from autotune.engine.animated_model import AnimatedModel
from autotune.engine.values import Tensor

TRAINED: dict[str, Any] = {"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012,
                           "beta_schedule": "scaled_linear"}
DPM = ("scheduling_dpmsolver_multistep", "DPMSolverMultistepScheduler")
DEFAULT = "DPM++ 2M"

# A1111's name: module and class of diffusers, options, whether "Automatic" means Karras sigmas.
TABLE: dict[str, tuple[str, str, dict[str, Any], bool]] = {
    "DPM++ 2M": (*DPM, {"algorithm_type": "dpmsolver++"}, True),
    "DPM++ 2M SDE": (*DPM, {"algorithm_type": "sde-dpmsolver++"}, False),
    "DPM++ 3M SDE": (*DPM, {"algorithm_type": "dpmsolver++", "solver_order": 3}, False),
    "Euler a": ("scheduling_euler_ancestral_discrete", "EulerAncestralDiscreteScheduler", {}, False),
    "Euler": ("scheduling_euler_discrete", "EulerDiscreteScheduler", {}, False),
    "LMS": ("scheduling_lms_discrete", "LMSDiscreteScheduler", {}, False),
    "Heun": ("scheduling_heun_discrete", "HeunDiscreteScheduler", {}, False),
    "DPM2": ("scheduling_k_dpm_2_discrete", "KDPM2DiscreteScheduler", {}, True),
    "DPM2 a": ("scheduling_k_dpm_2_ancestral_discrete", "KDPM2AncestralDiscreteScheduler", {}, True),
    "DPM++ 2S a": ("scheduling_dpmsolver_singlestep", "DPMSolverSinglestepScheduler", {}, True),
    "DDIM": ("scheduling_ddim", "DDIMScheduler", {"clip_sample": False, "set_alpha_to_one": False}, False),
    "PLMS": ("scheduling_pndm", "PNDMScheduler", {"skip_prk_steps": True}, False),
    "UniPC": ("scheduling_unipc_multistep", "UniPCMultistepScheduler", {}, False),
    "LCM": ("scheduling_lcm", "LCMScheduler", {}, False),
}


class SamplingInterrupted(Exception):
    """The user interrupted the job: what there is goes on to the decoder."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to sample. ``seeds`` one a frame; ``context`` frames go through the UNet at a time.

    ``animated`` False: each seed is a still of its own. ``batched``: cond and uncond go in one batch. ``start``:
    latents that are noised and sampled from, with the last ``denoise`` share of a schedule, which has ``steps`` steps.
    """

    prompt: Tensor
    negative: Tensor
    width: int
    height: int
    steps: int
    cfg_scale: float
    sampler: str
    scheduler: str
    seeds: tuple[int, ...]
    animated: bool
    context: int
    stride: int
    overlap: int
    batched: bool
    closed_loop: str = "R-P"
    start: Tensor = None
    denoise: float = 1.0


def resolve(name: str) -> str:
    """The sampler that a name of a request comes to: an unknown one is DPM++ 2M, as in A1111."""
    return name if name in SAMPLER_NAMES else DEFAULT


SAMPLER_NAMES = (
    "DPM++ 2M", "DPM++ SDE", "DPM++ 2M SDE", "DPM++ 2M SDE Heun", "DPM++ 2S a", "DPM++ 3M SDE", "Euler a", "Euler",
    "LMS", "Heun", "DPM2", "DPM2 a", "DPM fast", "DPM adaptive", "Restart", "DDIM", "DDIM CFG++", "PLMS", "UniPC",
    "LCM",
)


def scheduler_of(sampler: str, kind: str) -> Any:  # noqa: ANN401  (diffusers' schedulers share no base)
    """diffusers' scheduler for A1111's sampler and schedule type; says so where there is no exact one."""
    name = sampler if sampler in TABLE else DEFAULT
    if name != sampler:
        print(f"Reference web UI: sampler {sampler} is computed as {name}.")
    module, cls, options, karras = TABLE[name]
    try:
        maker = diffusers_import.scheduler(module, cls)
    except ImportError:  # LMS needs scipy
        print(f"Reference web UI: sampler {sampler} needs a package that is absent; computed as Euler.")
        module, cls, options, karras = TABLE["Euler"]
        maker = diffusers_import.scheduler(module, cls)
    wanted = dict(TRAINED, **options)
    asked = kind.lower() == "karras" or (karras and kind.lower() == "automatic")
    if asked and name not in ("DDIM", "PLMS", "LCM", "Euler a"):
        wanted["use_karras_sigmas"] = True
    return maker(**wanted)


def windows(frames: int, context: int, stride: int, overlap: int, step: int = 0,
            closed_loop: str = "R-P") -> list[list[int]]:
    """Frame numbers of each context window of a step, AnimateDiff's uniform schedule: they overlap, wrap at the end,
    and begin elsewhere in each step, so that no seam stays in one place.

    ``stride``: how many scales there are, each with twice the gap between frames; none that is wider than the clip
    needs. ``closed_loop`` "A" goes on over the end of the clip until the first window is met again, "N" is rendered
    as "R-P".
    """
    if frames <= context:
        return [list(range(frames))]
    found: list[list[int]] = []
    shift = _halving(step)
    for power in range(min(max(1, stride), math.ceil(math.log2(frames / context)) + 1)):
        gap = 1 << power
        begin = round(frames * shift)
        ends = frames + begin - (0 if closed_loop == "A" else overlap)
        found.extend([(first + i * gap) % frames for i in range(context)]
                     for first in range(int(shift * gap) + begin, ends, max(1, context * gap - overlap)))
    return found


def _halving(step: int) -> float:
    """0, 1/2, 1/4, 3/4, 1/8, …: the bits of a step's number in reverse behind the point."""
    return int(f"{step:b}"[::-1], 2) / (1 << step.bit_length())


def sample(model: AnimatedModel, wanted: Request, report: Callable[[int, Tensor], None]) -> Tensor:
    """The latents of all frames: (frames, 4, height / factor, width / factor).

    ``report(step, latents)`` is called after each step and may raise SamplingInterrupted, which ends the sampling.

    Raises ZeroDivisionError for 0 steps, IndexError where prompt and negative prompt differ in chunks (on CUDA
    a device-side assert), NansException.
    """
    import torch

    if wanted.steps < 1:
        raise ZeroDivisionError("integer division or modulo by zero")
    schedule = scheduler_of(wanted.sampler, wanted.scheduler)
    latents, steps = _begin(model, wanted, schedule)
    generator = torch.Generator().manual_seed(wanted.seeds[0])
    extra = {"generator": generator} if "generator" in schedule.step.__code__.co_varnames else {}
    for number, step in enumerate(steps):
        inner = schedule.scale_model_input(latents, step)
        guided = _guided(model, wanted, inner, step.to(model.device), number)
        latents = schedule.step(guided, step, latents, **extra).prev_sample
        try:
            report((number + 1) * wanted.steps // len(steps), latents)
        except SamplingInterrupted:
            break
    return latents


def _begin(model: AnimatedModel, wanted: Request, schedule: Any) -> tuple[Tensor, list[Tensor]]:  # noqa: ANN401
    """The latents that sampling begins with, and the steps of the schedule that it takes."""
    noise = _noise(model, wanted)
    if wanted.start is None:
        schedule.set_timesteps(wanted.steps, device="cpu")
        return noise * float(schedule.init_noise_sigma), list(schedule.timesteps)
    schedule.set_timesteps(max(wanted.steps, int(wanted.steps / wanted.denoise)), device="cpu")
    left_out = (len(schedule.timesteps) // schedule.num_inference_steps
                * max(0, schedule.num_inference_steps - wanted.steps))
    if hasattr(schedule, "set_begin_index"):
        schedule.set_begin_index(left_out)
    steps = list(schedule.timesteps)[left_out:]
    return schedule.add_noise(wanted.start.to(noise), noise, steps[0].reshape(1)), steps


def _noise(model: AnimatedModel, wanted: Request) -> Tensor:
    """Each frame's own noise from its own seed, drawn on the CPU so that every device starts alike."""
    import torch

    shape = (4, wanted.height // model.size.factor, wanted.width // model.size.factor)
    noise = [torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in wanted.seeds]
    return torch.stack(noise).to(model.device)


def _guided(model: AnimatedModel, wanted: Request, latents: Tensor, step: Tensor, number: int) -> Tensor:
    """Classifier-free guidance over all context windows; overlapping answers are averaged."""
    import torch

    frames = latents.shape[0]
    if not wanted.animated:
        return torch.cat([_cond_and_uncond(model, wanted, still, step) for still in latents.split(1)])
    total = torch.zeros_like(latents)
    count = torch.zeros(frames, 1, 1, 1, device=latents.device)
    for window in windows(frames, wanted.context, wanted.stride, wanted.overlap, number, wanted.closed_loop):
        total[window] += _cond_and_uncond(model, wanted, latents[window], step)
        count[window] += 1
    return total / count


def _cond_and_uncond(model: AnimatedModel, wanted: Request, latents: Tensor, step: Tensor) -> Tensor:
    import torch

    clip = latents.permute(1, 0, 2, 3).unsqueeze(0)  # (1, 4, frames, h, w)
    same = wanted.prompt.shape == wanted.negative.shape
    if wanted.batched and same:
        text = torch.cat([wanted.prompt, wanted.negative])
        cond, uncond = model.predict(torch.cat([clip, clip]), step, text).chunk(2)
    else:
        cond = model.predict(clip, step, wanted.prompt)
        if wanted.animated and not same:
            # Here AnimateDiff takes the second half of a batch that only has the first.
            frames = latents.shape[0]
            cond = cond[:, :, torch.arange(frames, 2 * frames, device=cond.device)]
        uncond = model.predict(clip, step, wanted.negative)
    guided = uncond + (cond - uncond) * wanted.cfg_scale
    return guided.squeeze(0).permute(1, 0, 2, 3)
