"""The state of the job that runs now, which /progress tells and /interrupt and /skip change."""

from __future__ import annotations

import base64
import io
import time
from datetime import datetime, timezone

from autotune.engine.values import Json, Tensor


class JobState:
    """Written by the job's thread, read by requests; each field is replaced whole."""

    def __init__(self) -> None:
        self.interrupted = self.skipped = self.stopping = False
        self.job, self.job_count, self.job_no = "", 0, 0
        self.timestamp = "0"
        self.step = self.steps = 0
        self.latents: Tensor = None
        self.started = 0.0

    def begin(self, job: str) -> None:
        """A job starts."""
        self.interrupted = self.skipped = self.stopping = False
        self.job, self.job_count, self.job_no = job, -1, 0
        self.step, self.steps, self.latents = 0, 0, None
        self.timestamp = datetime.now(tz=timezone.utc).astimezone().strftime("%Y%m%d%H%M%S")
        self.started = time.monotonic()

    def end(self) -> None:
        """The job is over."""
        self.job, self.job_count, self.latents = "", 0, None

    def answer(self, picture: bool) -> dict[str, Json]:
        """The body of GET /progress; ``picture``: with a preview of what there is."""
        progress = 0.0
        eta = 0.0
        if self.job_count:
            progress = 0.01
            if self.job_count > 0:
                progress += self.job_no / self.job_count
            if self.steps > 0:
                progress += 1 / max(1, self.job_count) * self.step / self.steps
            progress = min(progress, 1.0)
            elapsed = time.monotonic() - self.started
            eta = elapsed / progress - elapsed
        latents = self.latents
        return {
            "progress": progress,
            "eta_relative": eta,
            "state": {
                "skipped": self.skipped, "interrupted": self.interrupted, "stopping_generation": self.stopping,
                "job": self.job, "job_count": self.job_count, "job_timestamp": self.timestamp,
                "job_no": self.job_no, "sampling_step": self.step, "sampling_steps": self.steps,
            },
            "current_image": preview(latents) if picture and latents is not None else None,
            "textinfo": None,
        }


def preview(latents: Tensor) -> str:
    """The first frame's latents as a small PNG in base64: a linear map to colours, computed on the device."""
    import torch
    from PIL import Image

    weights = torch.tensor([[0.3, 0.2, 0.2], [0.2, 0.3, 0.1], [-0.2, 0.2, 0.3], [-0.2, -0.3, -0.5]],
                           device=latents.device)
    with torch.inference_mode():
        colours = torch.einsum("chw,cr->hwr", latents[0].float(), weights)
        colours = ((colours / colours.std().clamp(min=1e-6) + 2) * 64).clamp(0, 255).byte().cpu().numpy()
    buffer = io.BytesIO()
    Image.fromarray(colours).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")
