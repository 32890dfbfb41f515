"""What the lines of ComfyUI's output mean.

Recorded from ComfyUI 0.26.0 and read in the source of 0.3.64. Newer versions put a coloured level before each line
("[INFO] "), so no pattern is bound to the start of a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from autotune.language.translate import N_
from autotune.webui.face import LogLines

ATTENTIONS = {
    "sage": "sage", "flash": "flash", "xformers": "xformers", "pytorch": "pytorch", "split": "split",
    "sub quadratic": "quad", "comfy kitchen": "ck",
}
"""The attention class that a line names, in small letters -> the level that autotune calls it."""
ATTENTION = re.compile(
    r"(?:^|\s)Using (?P<name>(?i:" + "|".join(ATTENTIONS) + r")) (?:optimization for )?(?:cross )?[Aa]ttention\b"
    r"(?! in VAE)")
FELL_BACK = re.compile(
    r"\bError running (?:sage attention|SageAttention3): |\bFlash Attention failed, using default SDPA\b")
"""A call of the attention class failed and another one computes instead, at every call, with no error."""

LINES = LogLines(
    # The server listens; models are loaded by the first prompt, which is a warm-up clip.
    ready=re.compile(r"\bTo see the GUI go to: "),
    installs=re.compile(
        r"(?:^|\] )\s*(?:Collecting |Downloading\b|Cloning into |Looking in indexes|Building wheel|Preparing metadata|"
        r"Installing collected packages|Successfully installed)"),
    installed=re.compile(r"\b(?:Import times for custom nodes|Starting server|To see the GUI go to)\b"),
    attention=ATTENTION,
    spoiled=FELL_BACK,
    spoiled_as="cuda_error",
    why_spoiled=N_("the attention class failed and ComfyUI computes with another: no clip of this set any more"),
)

_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
_VALUES: dict[str, re.Pattern[str]] = {
    "vram": re.compile(r"\bSet vram state to: (\w+)"),
    "async_offload": re.compile(r"\bUsing async weight offloading with (\d+) streams"),
    "pinned_memory": re.compile(r"\bEnabled pinned memory (\d+)"),
    "cache": re.compile(r"\bUsing (RAM pressure|LRU|classic) cache\b|\bDisabling intermediate node cache\b"),
}
_MARKS: dict[str, re.Pattern[str]] = {
    "fp16_accumulation": re.compile(r"\bEnabled fp16 accumulation\b"),
    "cublas_ops": re.compile(r"\bUsing cublas ops\b"),
    "dynamic_vram": re.compile(r"\bDynamicVRAM support detected and enabled\b"),
    "smart_memory_off": re.compile(r"\bDisabling smart memory management\b"),
}


def level_of(name: str | None) -> str | None:
    """The level of an attention class as a line names it; None without one."""
    return None if name is None else ATTENTIONS.get(name.lower(), name)


def told(lines: Iterable[str]) -> dict[str, Any]:
    """What the lines of a start say of its flags' effect; a key is missing where no line said anything.

    ``attention``: the level; ``vram``: ComfyUI's own word (NORMAL_VRAM); ``async_offload``: streams; ``pinned_memory``:
    MiB; ``cache``: "RAM pressure", "LRU", "none"; ``fp16_accumulation``, ``cublas_ops``, ``dynamic_vram``,
    ``smart_memory_off``: True; ``fallbacks``: the lines that say that another attention class computes instead.
    """
    found: dict[str, Any] = {}
    for line in lines:
        plain = _ESCAPES.sub("", line)
        named = ATTENTION.search(plain)
        if named:
            found["attention"] = level_of(named["name"])
        for key, pattern in _VALUES.items():
            value = pattern.search(plain)
            if value:
                said = value[1] or "none"
                found[key] = int(said) if said.isdigit() else said
        found.update({key: True for key, pattern in _MARKS.items() if pattern.search(plain)})
        if FELL_BACK.search(plain):
            found.setdefault("fallbacks", []).append(" ".join(plain.split())[:200])
    return found
