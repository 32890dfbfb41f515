"""The failure class of a start or clip in ComfyUI's own words; for all else the words that all web UIs share."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from autotune.model import failures
from autotune.model.cause import tidy_line
from autotune.model.failures import Classified, Evidence
from autotune.model.study import Failure

_TAG = re.compile(r"^\[(?:ERROR|CRITICAL)\] ?")
"""What newer versions put before such a line, after its colour."""
_AT_START: tuple[tuple[Failure, re.Pattern[str]], ...] = (
    ("bad_flag", re.compile(r"\bTo use the `--[\w-]+` feature, the `[\w-]+` package must be installed first")),
    ("port", re.compile(r"\bPort \d+ is already in use on address\b")),
    ("startup", re.compile(r"\bASSETS_STARTUP_FAILED\b")),
    ("startup", re.compile(r"\bDatabase is locked\. Another ComfyUI process\b")),
)
"""What ComfyUI says just before it ends by itself: a package that a flag needs (exit 255), its port, its database."""
_MODEL = r"\.(?:safetensors|sft|ckpt|pt2?|pth|bin|pkl|gguf)"
_OF_PROMPT: tuple[tuple[Failure, re.Pattern[str]], ...] = (
    # AnimateDiff-Evolved on a motion module that does not fit the checkpoint, or the number of frames
    ("not_animated", re.compile(
        r"\bis not a valid (?:SD1\.5 nor SDXL|AnimateDiff) motion module\b|\bMotionCompatibilityError\b"
        r"|\bMotion model \S+ is not compatible with\b|\bAnimateDiff model .* has upper limit of \d+ frames\b"
        r"|\bMotion (?:module|model) '[^']*' (?:is intended for|is not an|does not contain)\b")),
    # nodes that are not there, and models that cannot be loaded
    ("startup", re.compile(
        r"\bmissing_node_type\b|\binvalid_prompt: .*\bdoes not exist\b|^value_not_in_list: .*?'[^']*" + _MODEL +
        r"' not in \[|\bCould not detect model type of\b|\bSafetensorError\b|\bUnpicklingError\b"
        r"|\bPytorchStreamReader failed\b|\bFileNotFoundError: .*" + _MODEL)),
)
"""What POST /prompt or a prompt's history says, with the type of the error in front."""


def judge(evidence: Evidence) -> Classified | None:
    """The class of a failure and the line that names its cause; None when nothing failed."""
    plain = replace(evidence, log_tail=tuple(_untagged(evidence.log_tail)))
    if plain.interrupted:
        return failures.judge(plain)
    if plain.starting and not plain.timed_out:
        found = _named(reversed(plain.log_tail), _AT_START)
        if found is not None:
            return found
    if plain.body and plain.http_status is not None and plain.http_status >= 400:
        found = _named([plain.body], _OF_PROMPT)
        if found is not None and failures.class_named_in(plain.body) in (None, "startup", "port"):
            return found
    return failures.judge(plain)


def _named(lines: Iterable[str], signs: tuple[tuple[Failure, re.Pattern[str]], ...]) -> Classified | None:
    """The class of the first line that has words of one."""
    for line in lines:
        for failure, pattern in signs:
            if pattern.search(line):
                return Classified(failure, " ".join(line.split())[:200])
    return None


def _untagged(lines: Iterable[str]) -> Iterable[str]:
    """Lines without colours and without the level in front."""
    return (_TAG.sub("", tidy_line(line)) for line in lines)
