"""Checks of ``doctor`` on an install's files and flags: folders, checkpoints, motion modules, nodes, attention."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from autotune.language.translate import N_, _
from autotune.machine.weights import damage
from autotune.model.machine import Machine
from autotune.model.versions import version_order
from autotune.webui import model_checks
from autotune.webui.comfyui import custom_nodes, folders, models
from autotune.webui.comfyui.install import Install, identify
from autotune.webui.face import Check, Classes
from autotune.webui.model_checks import MOST_NAMED, NO_CLIP

STARTUP: Classes = ("startup",)
MUST_EXIST = ("--user-directory", "--front-end-root")
"""Flags whose folder ComfyUI's parser looks for: without it, it ends."""
PACKAGES = {"--use-sage-attention": "sageattention", "--use-flash-attention": "flash_attn"}
"""Flags with which ComfyUI ends at its start where a package cannot be imported."""
GEN_2 = "animatediff/nodes_gen2.py"
"""Where AnimateDiff-Evolved defines the nodes of the graph that trials render, since November 2023."""


def of_install(machine: Machine, launch_file: Path | None) -> Iterator[Check]:
    """All checks of an install that need nothing but its files and what the probe found. Nothing is started, so that
    nodes whose import fails are not seen here."""
    install = identify(machine.webui.root, machine.webui.flags, launch_file)
    yield from _folders(install)
    yield _checkpoint(install)
    yield from _links(install, machine)
    yield from model_checks.modules(machine.animatediff)
    yield from _animatediff(install, machine)
    yield from _flags(machine)
    yield Check(N_("NaN check"), True,
                _("ComfyUI tells no overflow: it comes out as black frames, and a set that makes them is called "
                  "invalid"), "", ("nan", "invalid_output"))


def _folders(install: Install) -> Iterator[Check]:
    """Folders that flags and files of extra folders name: a missing one of nodes ends a start, one of models does
    not."""
    places, name = install.folders, N_("model folders")
    for fault in places.faults:
        yield Check(name, False, fault, _("Mend that file, or take it away."), STARTUP)
    off = folders.is_given(install.words, "--disable-all-custom-nodes")
    gone = [one for one in places.of("custom_nodes") if not one.is_dir() and not off]
    named = ((flag, folders.value(install.words, flag)) for flag in MUST_EXIST)
    gone += [path for __, said in named if said and not (path := install.started_in / said).is_dir()]
    if gone:
        yield Check(name, False, _("ComfyUI stops at its start: there is no folder {folders}").format(
            folders=", ".join(map(str, gone))), _("Make that folder, or name another one."), STARTUP)
    lost = [one for kind in ("checkpoints", folders.MODULES) for one in places.of(kind)
            if not one.is_dir() and not one.is_relative_to(places.output)]
    if lost:
        yield Check(name, True, _("there is no folder {folders}, which is named for models").format(
            folders=", ".join(map(str, lost[:MOST_NAMED]))),
            _("Mount its drive, or mend its name in {files}.").format(
                files=", ".join(map(str, places.configs)) or install.base))
    elif places.configs and not places.faults and not gone:
        yield Check(name, True, _("extra ones are named by {files}").format(files=", ".join(map(str, places.configs))))


def _checkpoint(install: Install) -> Check:
    """The checkpoint that is rendered with, and other ones that are damaged."""
    name, listed = N_("checkpoint"), models.listed(install.folders.of("checkpoints"))
    used = models.first_sd15(listed)
    if used is None:
        folder = install.folders.of("checkpoints")[0]
        text = _("none of these is a whole Stable Diffusion 1.5: {names}").format(
            names=", ".join(title for title, __ in listed[:MOST_NAMED])) if listed else \
            _("no checkpoint in {folders}").format(folders=folder)
        return Check(name, False, text, _("Put a Stable Diffusion 1.5 checkpoint into {folder}.").format(folder=folder),
                     STARTUP)
    broken = {path: why for __, path in listed if models.is_sd15(path) is not False and (why := damage(path))}
    if broken:
        path = used[1] if used[1] in broken else next(iter(broken))
        return Check(name, path != used[1], f"{path}: {broken[path]}", _("Download it again, or remove it."), STARTUP)
    hint = "" if models.is_sd15(used[1]) else \
        _("Whether it is Stable Diffusion 1.5 only a start can tell: a .safetensors file says so itself.")
    return Check(name, True, used[0], hint, STARTUP)


def _links(install: Install, machine: Machine) -> Iterator[Check]:
    places = list(install.folders.of("checkpoints"))
    if machine.animatediff is not None:
        places += custom_nodes.module_folders(install, machine.animatediff.root)
    return model_checks.links(places)


def _animatediff(install: Install, machine: Machine) -> Iterator[Check]:
    """Whether the nodes are new enough for the graph, and ComfyUI for the nodes."""
    nodes, name = machine.animatediff, "AnimateDiff-Evolved"
    if nodes is None:
        return
    if not (nodes.root / GEN_2).is_file():
        yield Check(name, False, _("{folder} is too old: it lacks the nodes of the second generation (Gen2)"
                                   ).format(folder=nodes.root), _("Update it by ComfyUI Manager, or git pull there."),
                    NO_CLIP)
        return
    wanted = _wanted(nodes.root)
    if wanted and install.version and version_order(install.version) < version_order(wanted):
        yield Check(name, True, _("{version} is made for ComfyUI {wanted} and later, this one is {has}").format(
            version=nodes.version or "", wanted=wanted, has=install.version),
            _("Update ComfyUI where a clip fails in these nodes."), NO_CLIP)
    else:
        yield Check(name, True, f"{nodes.version or (nodes.commit or '')[:12]} {nodes.root}".strip(), "", NO_CLIP)


def _wanted(root: Path) -> str | None:
    """The ComfyUI that a node's pyproject.toml asks for at least."""
    try:
        text = (root / "pyproject.toml").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    found = re.search(r"""(?m)^requires-comfyui\s*=\s*['"]\s*>=\s*([\d.]+)""", text)
    return found[1] if found else None


def _flags(machine: Machine) -> Iterator[Check]:
    """Flags that end a start for want of a package, and those that do nothing on this machine."""
    from autotune.webui.comfyui.flags.in_effect import idle_flags

    name, lacking = N_("flags in effect"), False
    for flag, package in PACKAGES.items():
        if flag in machine.webui.flags and package not in machine.runtime.packages:
            lacking = True
            yield Check(name, False, _("{flag} stops ComfyUI's start: {package} cannot be imported by {python}").format(
                flag=flag, package=package, python=machine.webui.python),
                _("Install it there, or take the flag out."), ("startup", "bad_flag"))
    idle = idle_flags(machine.webui.flags, machine)
    if idle:
        told = "; ".join(_("{flag} does nothing here: {why}").format(flag=flag, why=why) for flag, why in idle)
        yield Check(name, True, told, _("Tuning measures what is in effect; these can be taken out."))
    elif not lacking:
        yield Check(name, True, _("each managed flag that is given does something"))
