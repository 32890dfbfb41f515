"""Asks AUTOMATIC1111's API (docs/webuis.md, "The API" and "AnimateDiff over the API")."""

from __future__ import annotations

import base64
import binascii
import json
import threading
from collections.abc import Mapping
from typing import Any

from autotune.language.translate import _
from autotune.model.api import ApiProblem, Memory, Rendered
from autotune.model.flagset import SettingValue
from autotune.model.workload import Workload
from autotune.secrets.mask import MASK, is_guarded
from autotune.webui.a1111.flags import switches
from autotune.webui.face import Reported, RunningJob
from autotune.webui.transport import MIB, Answer, Transport

PROMPT = "a red balloon rising over hills"
NEGATIVE = "blurry"
"""Both fit one chunk of 75 tokens; unequal chunks make AnimateDiff index out of range (docs/webuis.md)."""

FPS = 8
LARGEST_ANSWER = 16 * MIB
PIXEL = 4
"""Bytes of answer that a pixel of a clip may take. A GIF of pure noise takes 1.5, in base64 2."""


def payload(
    workload: Workload, seed: int, motion_module: str | None, *, frames_too: bool = False
) -> dict[str, Any]:
    """The txt2img request of one AnimateDiff clip. ``motion_module`` None: the extension's own default.

    AnimateDiff's ``batch_size`` is the context: frames computed are the larger of it and the length, in windows that
    overlap where the clip is longer.
    """
    args: dict[str, Any] = {
        "enable": True, "video_length": workload.frames, "batch_size": workload.window, "fps": FPS,
        "loop_number": 0, "closed_loop": "R-P", "stride": 1, "overlap": -1, "interp": "Off",
        "format": ["GIF", "Frame"] if frames_too else ["GIF"], "request_id": "autotune",
    }
    if motion_module is not None:
        args["model"] = motion_module
    return {
        "prompt": PROMPT, "negative_prompt": NEGATIVE, "seed": seed, "subseed": seed,
        "steps": workload.steps, "cfg_scale": workload.cfg_scale, "sampler_name": workload.sampler,
        "width": workload.width, "height": workload.height, "batch_size": 1, "n_iter": 1,
        "send_images": True, "save_images": False, "do_not_save_samples": True, "do_not_save_grid": True,
        "alwayson_scripts": {"AnimateDiff": {"args": [args]}},
    }


def largest_answer(workload: Workload) -> int:
    """Bytes that the answer with a clip may have; a larger one is not read on."""
    return LARGEST_ANSWER + PIXEL * workload.width * workload.height * workload.frames


class Client:
    """One web UI's API. Every method raises ApiProblem, and nothing else, when the answer is not usable."""

    def __init__(self, base_url: str, auth: tuple[str, str] | None = None, *, verify: bool = True) -> None:
        self.transport = Transport(base_url, auth, verify=verify)
        self.base_url = self.transport.base_url

    def _get(self, path: str, limit: float = 10.0) -> object:
        return self.transport.call("GET", path, limit=limit).data

    def _object(self, path: str, limit: float = 10.0) -> dict[str, Any]:
        data = self._get(path, limit)
        if not isinstance(data, dict):
            raise ApiProblem("shape", _("{path} is not a JSON object").format(path=path), status=200)
        return data

    def answers(self, limit: float = 10.0) -> None:
        """Returns when it answers a cheap request."""
        self.options(limit)

    def render(
        self,
        workload: Workload,
        seed: int,
        *,
        motion_module: str | None = None,
        limit: float = 600.0,
        cancel: threading.Event | None = None,
    ) -> Rendered:
        """Renders one clip; blocks until it is done."""
        answer = self.transport.call(
            "POST", "/sdapi/v1/txt2img", payload(workload, seed, motion_module),
            limit=limit, most=largest_answer(workload), cancel=cancel)
        return _rendered(answer)

    def still(self, limit: float = 60.0) -> None:
        """A 64x64 image of one step: the cheapest proof that a model is there and renders."""
        body = {"prompt": PROMPT, "negative_prompt": NEGATIVE, "seed": 1, "steps": 1, "width": 64, "height": 64,
                "save_images": False, "do_not_save_samples": True, "do_not_save_grid": True}
        _rendered(self.transport.call("POST", "/sdapi/v1/txt2img", body, limit=limit))

    def options(self, limit: float = 10.0) -> dict[str, Any]:
        """All options now in force."""
        return self._object("/sdapi/v1/options", limit)

    def set_options(self, values: Mapping[str, SettingValue], limit: float = 120.0) -> None:
        """Sets options and reads them back. Raises ApiProblem (shape) when one did not take.

        A POST waits for a running job. A callback that fails is reverted with status 200, so the answer alone
        proves nothing; a wrong attention title is echoed and not applied, so for that look at the log.
        """
        self.transport.call("POST", "/sdapi/v1/options", dict(values), limit=limit)
        now = self.options()
        wrong = [name for name, value in values.items() if name not in now or now[name] != value]
        if wrong:
            raise ApiProblem("shape", _("options did not take: {names}").format(names=", ".join(sorted(wrong))),
                             status=200)

    def cmd_flags(self) -> dict[str, Any]:
        """The command line as the web UI parsed it; values of secret flags are replaced by "***"."""
        flags = self._object("/sdapi/v1/cmd-flags")
        return {name: MASK if value and is_guarded(name) else value for name, value in flags.items()}

    def memory(self) -> Memory:
        """Memory of the process and the device."""
        data = self._object("/sdapi/v1/memory")
        cuda = _part(data, "cuda")
        events = _part(cuda, "events")
        return Memory(
            cuda_used=_mib(_part(cuda, "system"), "used"),
            cuda_total=_mib(_part(cuda, "system"), "total"), reserved_peak=_mib(_part(cuda, "reserved"), "peak"),
            active_peak=_mib(_part(cuda, "active"), "peak"),
            oom_count=events["oom"] if isinstance(events.get("oom"), int) else None)

    def job(self, limit: float = 5.0) -> RunningJob:
        """The running job; with live previews off it costs the server nothing."""
        data = self._object("/sdapi/v1/progress?skip_current_image=true", limit)
        state = _part(data, "state")
        job, count = str(state.get("job") or ""), state.get("job_count")
        fraction = data.get("progress")
        return RunningJob(bool(job) or (isinstance(count, int) and count != 0), job,
                   float(fraction) if isinstance(fraction, (int, float)) else 0.0,
                   *(found if isinstance(found := state.get(name), int) else 0
                     for name in ("sampling_step", "sampling_steps")))

    def reported(self, attention: str | None = None) -> Reported:
        """Its command line as parsed, and its options, switches as PyTorch has them; ``attention`` is passed on."""
        options = self.options()
        if any(key in options for key in switches.OPTIONS.values()):
            options = switches.as_torch_has(options, self._switches())
        return Reported(self.cmd_flags(), options, attention)

    def _switches(self) -> dict[str, Any] | None:
        """What autotune's extension reads from PyTorch; None where it is not loaded."""
        try:
            return self._object("/autotune-switches")
        except ApiProblem as problem:
            if problem.status == 404:
                return None
            raise

    def interrupt(self, limit: float = 5.0) -> None:
        """Asks the running job to end; it then answers 200 with what it has."""
        self.transport.call("POST", "/sdapi/v1/interrupt", {}, limit=limit)

    def was_interrupted(self, limit: float = 5.0) -> bool:
        """Whether the job that ended last was interrupted or skipped, by whomever; with no job running.

        The web UI keeps both marks until its next job begins, and then decodes no preview for the answer.
        """
        state = _part(self._object("/sdapi/v1/progress?skip_current_image=true", limit), "state")
        return any(state.get(name) is True for name in ("interrupted", "skipped", "stopping_generation"))


def _rendered(answer: Answer) -> Rendered:
    data = answer.data
    if not isinstance(data, dict) or not isinstance(data.get("images"), list):
        raise ApiProblem("shape", _("txt2img answers without images"), status=200)
    images: list[bytes] = []
    for text in data["images"]:
        if not isinstance(text, str):
            raise ApiProblem("shape", _("an image is not text"), status=200)
        try:
            # Some flavours put a data URL in front.
            images.append(base64.b64decode(text.rsplit(",", 1)[-1], validate=True))
        except (binascii.Error, ValueError):
            raise ApiProblem("shape", _("an image is not base64"), status=200) from None
    infotext = ""
    try:
        info = json.loads(data.get("info") or "{}")
        texts = info.get("infotexts") if isinstance(info, dict) else None
        infotext = str(texts[0]) if isinstance(texts, list) and texts else ""
    except (ValueError, TypeError):
        infotext = ""
    try:
        process_time: float | None = float(answer.headers.get("x-process-time", ""))
    except ValueError:
        process_time = None
    # A clip without its name there is a picture, or a row of them: the extension was passed over.
    lacks = "" if "AnimateDiff" in infotext else _("AnimateDiff is not named in the answer's infotext")
    return Rendered(tuple(images), infotext, answer.seconds, process_time, lacks)


def _part(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = data.get(name)
    return value if isinstance(value, dict) else {}


def _mib(data: Mapping[str, Any], name: str) -> float | None:
    value = data.get(name)
    return value / MIB if isinstance(value, (int, float)) and not isinstance(value, bool) else None
