"""Renders one txt2img job, from the request's body to the response's."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from autotune.engine import clip as animatediff
from autotune.engine import faults as fault_words
from autotune.engine import memory, output, sampling, text
from autotune.engine.bars import Bars
from autotune.engine.clip import Clip, Unusable
from autotune.engine.model import Model, NansException
from autotune.engine.modules import scripts
from autotune.engine.values import Json, Tensor
from autotune.engine.webui import ReferenceWebUI
from autotune.engine.weights import BrokenWeights

LISTS: dict[str, Json] = json.loads((Path(__file__).parent / "lists.json").read_text(encoding="utf-8"))


class OutOfMemoryError(RuntimeError):
    """What torch raises on CUDA under the same name; here only as a fault on demand."""


class EinopsError(RuntimeError):
    """AnimateDiff's error when format is ["Frame"] alone."""


@dataclass(frozen=True)
class RenderJob:
    """What one request asks for. ``parameters``: its body with the defaults; ``clip``: None for stills;
    ``seeds``: one for each frame or still."""

    parameters: dict[str, Json]
    clip: Clip | None
    seeds: tuple[int, ...]
    faults: frozenset[str]

    @property
    def sampler(self) -> str:
        """The sampler asked for, an unknown one replaced."""
        return sampling.resolve(str(self.parameters["sampler_name"] or self.parameters["sampler_index"]))

    @property
    def scheduler(self) -> str:
        """The schedule type's label."""
        wanted = str(self.parameters["scheduler"] or "Automatic")
        return next((s["label"] for s in LISTS["schedulers"] if wanted in (s["name"], s["label"])), "Automatic")


def run(ui: ReferenceWebUI, body: Mapping[str, Json]) -> tuple[dict[str, Json], set[str]]:
    """Render what a checked request asks for; with the answer, the names of the faults that hit this job.

    Raises what the API turns into its JSON errors.
    """
    import torch

    ui.jobs += 1
    started = time.monotonic()
    hits = ui.faults.of_job(ui.jobs, ui.attention)
    ui.faults.maybe_crash()
    ui.state.begin("scripts_txt2img")
    before = ui.options.overridden(body.get("override_settings") or {})
    try:
        ui.load()
        assert ui.model is not None
        _fail_on_demand(ui, hits)
        job = read(ui, body, hits)
        seen = _seen_by_scripts(ui, job)
        scripts.process(seen)
        with torch.inference_mode():
            answer = _render(ui, ui.model, job)
        scripts.postprocess(seen, answer)
        if hits & {"spill", "slow"}:
            fault_words.slowed(time.monotonic() - started, lambda: not ui.state.interrupted)
        return answer, hits
    finally:
        if body.get("override_settings_restore_afterwards", True):
            ui.options.data.update(before)
        ui.state.end()
        memory.give_back()  # after the latents are let go, and as A1111's own order is


def _seen_by_scripts(ui: ReferenceWebUI, job: RenderJob) -> SimpleNamespace:
    """The job as A1111 hands it to scripts of extensions, as far as ours look at it."""
    p, clip = job.parameters, job.clip
    animated = {"AnimateDiff": {"video_length": clip.length, "batch_size": clip.batch_size}} if clip else {}
    return SimpleNamespace(
        width=p["width"], height=p["height"], steps=p["steps"], cfg_scale=p["cfg_scale"], sampler_name=job.sampler,
        batch_size=len(job.seeds), n_iter=p["n_iter"], enable_hr=p.get("enable_hr", False),
        extra_generation_params=animated, sd_model_hash=ui.checkpoint().sha256[:10])


def _fail_on_demand(ui: ReferenceWebUI, hits: set[str]) -> None:
    """Raise or hang as the faults of this job say."""
    if "hang" in hits:
        while True:
            time.sleep(60)
    if "crash" in hits:
        fault_words.die()
    if "oom" in hits:
        raise OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of "
                               "24.00 GiB of which 1.21 GiB is free.")
    if "cuda_error" in hits:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")
    ui.dead = ui.dead or "dead_context" in hits
    if ui.dead:
        raise RuntimeError("CUDA error: device-side assert triggered")


def read(ui: ReferenceWebUI, body: Mapping[str, Json], hits: set[str]) -> RenderJob:
    """The job of a request; AnimateDiff's own failures are logged and leave stills, as in A1111."""
    parameters = {**LISTS["txt2img"], **body}
    clip = None
    scripts = {str(k).lower(): v for k, v in (parameters["alwayson_scripts"] or {}).items()}
    if ui.extension is not None and "animatediff" in scripts:
        try:
            clip = animatediff.read(scripts["animatediff"].get("args", []))
            if clip is not None:
                print("AnimateDiff process start.", flush=True)
                module = animatediff.motion_file(ui.extension, clip.model)
                if ui.model is not None:
                    ui.model.inject(module)
        except (Unusable, BrokenWeights, TypeError) as error:
            print(f"*** Error running before_process: {ui.extension / 'scripts' / 'animatediff.py'}\n    {error}",
                  flush=True)
            clip = None
    if "stills" in hits:
        clip = None
    seed = int(parameters["seed"]) if parameters["seed"] not in (-1, None, "") else random.randrange(1 << 32)
    count = clip.frames if clip else int(parameters["batch_size"]) * int(parameters["n_iter"])
    if clip is not None and set(clip.format) == {"Frame"}:
        raise EinopsError('Error while processing rearrange-reduction pattern "(b f) d c -> (b d) f c".')
    return RenderJob(parameters, clip, tuple(seed + i for i in range(count)), frozenset(hits))


def _render(ui: ReferenceWebUI, model: Model, job: RenderJob) -> dict[str, Json]:
    if job.clip is None:
        model.eject()
    p = job.parameters
    ui.state.steps, ui.state.job_count = int(p["steps"]), 1
    with Bars(int(p["steps"]), shown=not ui.flags.disable_console_progressbars) as bars:
        latents = sampling.sample(model, request(ui, model, job), lambda step, x: _report(ui, step, x, bars))
    if "nan" in job.faults:
        raise NansException("A tensor with NaNs was produced in Unet. Use --disable-nan-check commandline argument "
                            "to disable this check.")
    frames = model.decode(latents)
    frames = _spoil(frames, job.faults)
    values = {"steps": p["steps"], "sampler": job.sampler, "scheduler": job.scheduler,
              "cfg_scale": float(p["cfg_scale"]), "width": p["width"], "height": p["height"],
              "prompt": p["prompt"], "negative_prompt": p["negative_prompt"],
              "model_hash": ui.checkpoint().sha256[:10], "model": ui.checkpoint().path.stem}
    animated = job.clip.describe(model.motion_hash) if job.clip else ""
    texts = [output.infotext(values, seed, animated) for seed in job.seeds]
    _remember(ui, texts[0])
    images = _images(ui, job, frames, texts)
    if job.clip is not None:
        print("AnimateDiff process end.", flush=True)
    return {"images": images if p["send_images"] else [], "parameters": p,
            "info": json.dumps(_info(ui, job, texts, animated))}


def _spoil(frames: Tensor, faults: frozenset[str]) -> Tensor:
    """The frames with the faults on demand that concern their content."""
    if "black" in faults:
        return frames * 0
    if "constant" in faults:
        return frames * 0 + 0.5
    if "alike" in faults:
        return frames[:1].repeat(len(frames), 1, 1, 1)
    return frames[:-1] if "wrong_count" in faults else frames


def request(ui: ReferenceWebUI, model: Model, job: RenderJob) -> sampling.Request:
    """What the sampler gets: text conditioned and padded, guidance batched or not, windows."""
    p, width = job.parameters, model.size.text
    prompt, negative = str(p["prompt"]), str(p["negative_prompt"])
    pad = bool(ui.options.get("pad_cond_uncond") or ui.options.get("pad_cond_uncond_v0"))
    most = max(text.chunks(prompt), text.chunks(negative)) if pad else 1
    clip = job.clip or Clip(batch_size=1)
    batched = ui.options.get("batch_cond_uncond")
    if not isinstance(batched, bool):
        raise TypeError(f"batch_cond_uncond must be a truth value, not {batched!r}")
    if ui.faults.has("ignore_flags"):
        batched = True
    return sampling.Request(
        prompt=text.condition(prompt, width, model.device, most),
        negative=text.condition(negative, width, model.device, most),
        width=int(p["width"]), height=int(p["height"]), steps=int(p["steps"]), cfg_scale=float(p["cfg_scale"]),
        sampler=job.sampler, scheduler=job.scheduler, seeds=job.seeds, animated=job.clip is not None,
        context=clip.batch_size, stride=clip.stride, overlap=clip.window_overlap, batched=batched,
        closed_loop=clip.closed_loop)


def _report(ui: ReferenceWebUI, step: int, latents: Tensor, bars: Bars) -> None:
    fault_words.slow_kernel(bars.since_last(), ui.slower_kernels.get(ui.attention, 1.0))
    bars.update(step)
    ui.state.step, ui.state.latents = step, latents
    if ui.state.interrupted or ui.state.skipped:
        raise sampling.SamplingInterrupted


def _remember(ui: ReferenceWebUI, infotext: str) -> None:
    """params.txt in the data folder, unless --no-prompt-history."""
    if not ui.flags.no_prompt_history:
        (ui.data / "params.txt").write_text(infotext, encoding="utf-8")


def _images(ui: ReferenceWebUI, job: RenderJob, frames: Tensor, texts: list[str]) -> list[str]:
    """The response's images in base64; files are saved as A1111 and AnimateDiff save them."""
    pictures = output.pictures(frames)
    folder = ui.root / (ui.options.get("outdir_samples") or ui.options.get("outdir_txt2img_samples"))
    singles = [output.png(picture, infotext) for picture, infotext in zip(pictures, texts, strict=False)]
    if job.parameters["save_images"]:
        for seed, data in zip(job.seeds, singles, strict=False):
            output.next_file(folder / output.today(), f"{seed}.png").write_bytes(data)
    if job.clip is None:
        return [output.base64_of(data) for data in singles]
    images = []
    if "GIF" in job.clip.format:
        shown = pictures[: job.clip.length]
        if "wrong_size" in job.faults:
            shown = [picture.resize((picture.width // 2, picture.height // 2)) for picture in shown]
        data = output.gif(shown, job.clip.fps, job.clip.loop_number, texts[0])
        if "truncated" in job.faults:
            data = data[: len(data) // 2]
        tail = f"{job.seeds[0]}-{job.clip.request_id}" if job.clip.request_id else str(job.seeds[0])
        output.next_file(folder / "AnimateDiff" / output.today(), f"{tail}.gif").write_bytes(data)
        images.append(output.base64_of(data))
    for name in sorted(set(job.clip.format) - {"GIF", "PNG", "Frame"}):
        print(f"Reference web UI: format {name} is not made here.")
    if "Frame" in job.clip.format or not images:
        images.extend(output.base64_of(data) for data in singles)
    return images


def _info(ui: ReferenceWebUI, job: RenderJob, texts: list[str], animated: str) -> dict[str, Json]:
    """The response's `info`, A1111's keys in its order."""
    p, count, chosen = job.parameters, len(job.seeds), ui.checkpoint()
    subseed = int(p["subseed"]) if p["subseed"] not in (-1, None) else random.randrange(1 << 32)
    return {
        "prompt": p["prompt"], "all_prompts": [p["prompt"]] * count, "negative_prompt": p["negative_prompt"],
        "all_negative_prompts": [p["negative_prompt"]] * count, "seed": job.seeds[0], "all_seeds": list(job.seeds),
        "subseed": subseed, "all_subseeds": [subseed + i for i in range(count)], "subseed_strength": 0,
        "width": p["width"], "height": p["height"], "sampler_name": job.sampler,
        "cfg_scale": float(p["cfg_scale"]), "steps": p["steps"],
        "batch_size": count if job.clip else p["batch_size"], "restore_faces": False,
        "face_restoration_model": None, "sd_model_name": chosen.path.stem, "sd_model_hash": chosen.sha256[:10],
        "sd_vae_name": None, "sd_vae_hash": None, "seed_resize_from_w": -1, "seed_resize_from_h": -1,
        "denoising_strength": None, "extra_generation_params": {"AnimateDiff": animated} if animated else {},
        "index_of_first_image": 0, "infotexts": texts, "styles": [], "job_timestamp": ui.state.timestamp,
        "clip_skip": 1, "is_using_inpainting_conditioning": False, "version": output.VERSION,
    }
