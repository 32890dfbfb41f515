"""Inspects everything that an install depends on: GPU, ComfyUI, its Python, nodes and models, as one value."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from autotune.flags.words import split
from autotune.language.translate import _
from autotune.machine import nvml, torch_probe
from autotune.model.errors import NothingToWorkOn
from autotune.model.machine import Machine, ProbedInstall
from autotune.webui.comfyui import custom_nodes, fingerprint, layout, models
from autotune.webui.comfyui.flags import known_flags
from autotune.webui.comfyui.install import Install, identify
from autotune.webui.reference import with_device

PACKAGES = ("xformers", "sageattention", "flash_attn", "comfy_kitchen", "comfy_aimdo", "cublas_ops")
"""What ComfyUI's flags need beside torch: attention kernels, fp8 kernels, dynamic VRAM, cuBLAS products."""


def inspect(
    root: Path, launch_file: Path | None, words: tuple[str, ...], time_limit: float = torch_probe.TIME_LIMIT_S
) -> Machine:
    """Everything about the install at ``root`` whose launch file gives the flags ``words``; changes nothing.

    ``time_limit``: seconds for its interpreter to answer. What cannot be found out is a line in ``warnings``. Raises
    NothingToWorkOn if its interpreter is not found; for nodes and models see ``require_clips``.
    """
    found = identify(root, words, launch_file)
    if found.python is None:
        raise _no_interpreter(found)
    gpus, warnings = nvml.seen()
    runtime, complaints = torch_probe.ask(found.python, time_limit, PACKAGES)
    warnings += [*complaints, *found.folders.faults]
    unknown = known_flags.unclassified(root)
    if unknown:
        warnings.append(_("flags that autotune does not know, and leaves alone: {flags}").format(
            flags=" ".join(unknown)))
    nodes = custom_nodes.animatediff(found)
    checkpoints = (path for __, path in models.listed(found.folders.of("checkpoints")))
    return Machine(
        gpus=gpus,
        webui=_facts(found, words),
        runtime=replace(with_device(runtime, root), switches={}),  # all its options are given at its start
        animatediff=nodes,
        models=tuple(path for path in checkpoints if models.is_sd15(path) is not False),
        settings=(),
        fingerprint=fingerprint.compose(found, words, nodes),
        warnings=tuple(warnings),
    )


def require_clips(machine: Machine) -> None:
    """Raises NothingToWorkOn where torch, AnimateDiff-Evolved, a motion module or a checkpoint is missing."""
    webui = machine.webui
    if machine.runtime.torch is None:
        raise NothingToWorkOn(_("{python}: torch cannot be imported there").format(python=webui.python),
                              _("Start ComfyUI once by hand: what it says tells what its Python lacks."))
    found = identify(webui.root, webui.flags, webui.launch_file)
    if machine.animatediff is None:
        raise NothingToWorkOn(
            _("the nodes of AnimateDiff-Evolved are not installed (or disabled, by their folder's name or a flag) in "
              "{folders}").format(folders=_named(found.folders.of("custom_nodes"))),
            _("install ComfyUI-AnimateDiff-Evolved by ComfyUI Manager, or clone "
              "https://github.com/Kosinkadink/ComfyUI-AnimateDiff-Evolved into custom_nodes"))
    if not machine.animatediff.motion_modules:
        raise NothingToWorkOn(
            _("AnimateDiff-Evolved finds no motion module for Stable Diffusion 1.5 in {folders}").format(
                folders=_named(custom_nodes.module_folders(found, machine.animatediff.root))),
            _("put one, such as mm_sd15_v3.safetensors, into {folder}").format(
                folder=found.base / "models" / "animatediff_models"))
    if not machine.models:
        raise _no_checkpoint(found)


def _no_interpreter(found: Install) -> NothingToWorkOn:
    where = _named(list(found.looked))
    return NothingToWorkOn(
        _("no Python is found that ComfyUI in {root} runs in; looked at {places}").format(
            root=found.root, places=where),
        _("make its virtual environment {folder}, or start ComfyUI as you do and run this again while it runs").format(
            folder=found.root / "venv"))


def _no_checkpoint(found: Install) -> NothingToWorkOn:
    places = found.folders.of("checkpoints")
    others = [name for name, __ in models.listed(places)]
    hint = _("put a Stable Diffusion 1.5 checkpoint into {folder}").format(folder=places[0])
    if not others:
        return NothingToWorkOn(_("no checkpoint in {folders}").format(folders=_named(places)), hint)
    return NothingToWorkOn(
        _("none of the checkpoints in {folders} is a whole Stable Diffusion 1.5, which AnimateDiff needs: "
          "{names}").format(folders=_named(places), names=", ".join(others[:5] + ["…"] * (len(others) > 5))), hint)


def _named(places: list[Path]) -> str:
    return ", ".join(map(str, places))


def _facts(found: Install, words: tuple[str, ...]) -> ProbedInstall:
    parts = split(words, known_flags.load(found.root))
    seen = layout.recognise(found.root, named=found.launch_file)
    return ProbedInstall(
        flavour=found.kind,
        version=found.version,
        commit=found.commit,
        root=found.root,
        python=found.python,
        launch_file=found.launch_file,
        flags=words,
        tuned_flags=parts.tuned,
        kept_flags=parts.kept,
        running=False,  # told by a room above: it takes asking processes and ports
        manageable=seen.manageable,
        why_not=seen.why_not,
        lacks=known_flags.lacks(found.root),
    )
