"""The answers to GET requests: what the web UI tells about itself."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable

from autotune.engine import memory, output, sampling
from autotune.engine.clip import EXTENSION
from autotune.engine.jobs import LISTS
from autotune.engine.values import Json
from autotune.engine.webui import ReferenceWebUI

COMMIT = "a88e88912bcbae0531caccfc50fd639f6ea83fd0"


def answers(ui: ReferenceWebUI) -> dict[str, Callable[[], Json]]:
    """Path under /sdapi/v1 → what computes its answer."""
    return {
        "options": ui.options.everything,
        "cmd-flags": lambda: cmd_flags(ui),
        "memory": lambda: memory_now(ui),
        "sd-models": lambda: [c.describe() for c in ui.checkpoints],
        "sd-vae": list,
        "samplers": lambda: LISTS["samplers"],
        "schedulers": lambda: LISTS["schedulers"],
        "scripts": lambda: scripts(ui),
        "script-info": lambda: script_info(ui),
        "extensions": lambda: extensions(ui),
        "upscalers": list, "latent-upscale-modes": list, "hypernetworks": list, "face-restorers": list,
        "realesrgan-models": list, "prompt-styles": list, "loras": list,
        "embeddings": lambda: {"loaded": {}, "skipped": {}},
    }


def cmd_flags(ui: ReferenceWebUI) -> dict[str, Json]:
    """The parsed flags; as in A1111, values without a default come as text, secrets in clear."""
    return {k: str(v) if isinstance(v, int) and not isinstance(v, bool) and k in TEXTS else v
            for k, v in vars(ui.flags).items()}


TEXTS = ("port", "sub_quad_kv_chunk_size", "sub_quad_chunk_threshold")


def memory_now(ui: ReferenceWebUI) -> dict[str, Json]:
    """Bytes of RAM (this process against the machine) and, on CUDA, of the GPU and torch's allocator."""
    used, total = memory.resident(), memory.total()
    answer: dict[str, Json] = {"ram": {"free": float(total - used), "used": used, "total": float(total)},
                               "cuda": {"error": "unavailable"}}
    if ui.device.type == "cuda":
        answer["cuda"] = memory.cuda(ui.device)
    if ui.faults.concerns("spill", ui.attention):
        answer["ram"]["free"] = float(total // 200)
        whole = int(answer["cuda"].get("system", {}).get("total", 24 << 30))
        nearly_full = {"free": whole // 500, "used": whole - whole // 500, "total": whole}
        answer["cuda"] = {**answer["cuda"], "system": nearly_full}
        answer["cuda"].pop("error", None)
    return answer


def scripts(ui: ReferenceWebUI) -> dict[str, list[str]]:
    """Names of scripts, AnimateDiff's only when it is there."""
    return {tab: [n for n in names if ui.extension is not None or n != "animatediff"]
            for tab, names in LISTS["scripts"].items()}


def script_info(ui: ReferenceWebUI) -> list[dict[str, Json]]:
    """One entry a script, without its controls."""
    return [{"name": name, "is_alwayson": name == name.lower() and " " not in name, "is_img2img": tab == "img2img",
             "args": []} for tab, names in scripts(ui).items() for name in names]


def extensions(ui: ReferenceWebUI) -> list[dict[str, Json]]:
    """AnimateDiff's entry, when its folder is there."""
    if ui.extension is None:
        return []
    return [{"name": EXTENSION, "remote": "(remote)", "branch": "master", "commit_hash": COMMIT,
             "version": COMMIT[:8], "commit_date": "1726964276", "enabled": True}]


def sysinfo(ui: ReferenceWebUI) -> dict[str, Json]:
    """A short form of /internal/sysinfo."""
    import torch

    return {"Platform": platform.platform(), "Python": sys.version.split()[0], "Version": f"v{output.VERSION}",
            "Torch env info": {"torch_version": torch.__version__}, "Startup": {"device": str(ui.device)},
            "Samplers": list(sampling.SAMPLER_NAMES)}
