"""Tells autotune what each clip of the owner's took: one line of figures a clip, in autotune's own folder of records.

Nothing but figures is written: no prompt, no seed, no name of a picture. Where the agent runs it takes them from there,
to say since when clips are slower. A web UI that autotune itself started tells nothing.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from modules import scripts, shared

NOTE = Path(__file__).resolve().parent.parent / "autotune.json"
TRIAL = "AUTOTUNE_RUN"
MOST_BYTES = 65536
"""Bytes from which on the file is begun anew: the agent has read it long before."""


def figures(p: Any, seconds: float, number: int) -> dict[str, Any] | None:
    """What is told of a job that took ``seconds``; None for one that is no single, whole clip of one pass."""
    clip = (getattr(p, "extra_generation_params", None) or {}).get("AnimateDiff")
    if not isinstance(clip, dict) or p.n_iter != 1 or getattr(p, "enable_hr", False):
        return None
    if shared.state.interrupted or shared.state.skipped:
        return None
    length, context = int(clip.get("video_length") or 0), int(clip.get("batch_size") or 0)
    return {
        "at": time.time(), "pid": os.getpid(), "parent": os.getppid(), "number": number, "seconds": round(seconds, 4),
        "width": int(p.width), "height": int(p.height), "frames": max(length, context), "context": context,
        "steps": int(p.steps), "sampler": str(p.sampler_name), "guided": float(p.cfg_scale) != 1.0,
        "model": str(getattr(p, "sd_model_hash", None) or ""),
    }


def tell(record: dict[str, Any]) -> None:
    """Adds a line to the file that the installer's note names; a clip must not fail because that cannot be done."""
    try:
        place = Path(json.loads(NOTE.read_bytes())["use"])
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        begun = place.exists() and place.stat().st_size < MOST_BYTES
        with place.open("a" if begun else "w", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
    except (OSError, ValueError, KeyError, TypeError):
        return


if TRIAL not in os.environ:

    class Times(scripts.Script):  # type: ignore[misc]  # the web UI's own class is not known here
        """Takes the time of each job, from its first step's preparation to its saved files."""

        _clips = 0
        _began: float | None = None

        def title(self) -> str:
            return "autotune: what clips take"

        def show(self, is_img2img: bool) -> object:  # noqa: ARG002
            return scripts.AlwaysVisible

        def process(self, p: Any, *args: Any) -> None:  # noqa: ARG002
            Times._began = time.perf_counter()

        def postprocess(self, p: Any, processed: Any, *args: Any) -> None:  # noqa: ARG002
            began, Times._began = Times._began, None
            if began is None:
                return
            record = figures(p, time.perf_counter() - began, Times._clips + 1)
            if record is not None:
                Times._clips += 1
                tell(record)
