"""The fingerprint of an install: what can make a result stale when it changes. From files and NVML; starts nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from autotune.flags.words import split
from autotune.machine import fingerprint_parts as shared
from autotune.model.machine import AnimateDiff, Fingerprint
from autotune.secrets.mask import masked_words
from autotune.webui import motion_modules
from autotune.webui.comfyui import custom_nodes, models
from autotune.webui.comfyui.flags.known_flags import load
from autotune.webui.comfyui.install import Install, identify

PACKAGES = ("torch", "xformers", "sageattention", "flash_attn")
"""Packages whose coming, going or new version changes which flags there are to choose from."""
_MODULE = re.compile(r"(.+?) (\d+) (\d+)(?:, |$)")
_CHOICE = re.compile(r"--(?:cuda-device|default-device)[ =]\S+ ?")


def from_files(root: Path, words: Sequence[str], launch_file: Path | None = None) -> Fingerprint:
    """The fingerprint of an install whose ``launch_file`` gives ``words``: the same as ``machine.inspect`` gives."""
    found = identify(root, words, launch_file)
    return compose(found, words, custom_nodes.animatediff(found))


def compose(found: Install, words: Sequence[str], animatediff: AnimateDiff | None) -> Fingerprint:
    """The fingerprint of an inspected install, ``words`` its launch file's. Each part is a text, '' where unknown.

    ``motion_module``: "NAME SIZE FRAMES" of each, for ``narrowed`` to choose from.
    """
    checkpoint = models.first_sd15(models.listed(found.folders.of("checkpoints")))
    nodes = (path for path in custom_nodes.nodes(found) if animatediff is None or path != animatediff.root)
    modules = animatediff.motion_modules if animatediff else ()
    return shared.sign({
        **shared.gpu_parts(),
        "os": shared.system(),
        "webui_flavour": found.kind,
        "webui_version": found.version or "",
        "webui_commit": found.commit or "",
        "animatediff": shared.animatediff(animatediff),
        "extensions": ", ".join(map(custom_nodes.described, nodes)),
        **shared.packages(found.python, PACKAGES),
        "checkpoint": shared.name_and_size(checkpoint[1]) if checkpoint else "",
        "motion_module": ", ".join(f"{one.name} {one.size} {models.frames_of(one.path)}" for one in modules),
        "kept_flags": " ".join(masked_words(split(words, load(found.root)).kept)),
    })


def shared_parts(fingerprint: Fingerprint) -> list[tuple[str, str]]:
    """Without the flags that choose a GPU."""
    return [(name, _CHOICE.sub("", value).strip() if name == "kept_flags" else value)
            for name, value in fingerprint.parts]


def narrowed(parts: Mapping[str, str], context: int) -> dict[str, str]:
    """Of the motion modules only the one that a tune would use, so that another one that is added is no change."""
    sizes: dict[str, str] = {}
    frames: dict[str, int] = {}
    for name, size, most in _MODULE.findall(parts["motion_module"]):  # a name may have a comma in it
        sizes[name], frames[name] = size, int(most)
    used = motion_modules.preferred_module(frames, context)
    return {**parts, "motion_module": f"{used} {sizes[used]}" if used is not None else ""}
