"""Checks of ``doctor`` on an install's files: damaged weights, links, saved settings, and flags without effect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from autotune.language.translate import N_, _
from autotune.machine.weights import damage
from autotune.model.machine import Machine
from autotune.webui import model_checks
from autotune.webui.a1111 import data_folder
from autotune.webui.a1111 import install as installs
from autotune.webui.a1111.flags import attention
from autotune.webui.a1111.flags.in_effect import idle_flags
from autotune.webui.a1111.flags.known_flags import load
from autotune.webui.face import Check, Classes
from autotune.webui.model_checks import MOST_NAMED

CHECKPOINT_OPTION = "sd_model_checkpoint"
STARTUP: Classes = ("startup",)


def of_install(machine: Machine, launch_file: Path | None) -> Iterator[Check]:
    """All checks of an install that need nothing but its files."""
    yield _models(machine)
    yield from _links(machine, launch_file)
    yield from _modules(machine)
    yield from settings(machine)
    yield from flags(machine)
    yield _numbers(machine)


def _models(machine: Machine) -> Check:
    name, models = N_("checkpoint"), machine.models
    if not models:
        return Check(name, False, _("no checkpoint in models/Stable-diffusion"),
                     _("Put a Stable Diffusion 1.5 checkpoint there."), STARTUP)
    saved = dict(machine.settings).get(CHECKPOINT_OPTION)
    chosen = chosen_checkpoint(saved if isinstance(saved, str) else None, models)
    if chosen is None and installs.flag_value(machine.webui.flags, "--ckpt") is None:
        said = _('the saved settings choose "{name}", which is not there: the web UI would load another checkpoint, '
                 "and that one would be measured").format(name=saved)
        return Check(name, False, said, _("Put it back, or choose another one in the web UI."), STARTUP)
    broken = {path: why for path in models if (why := damage(path)) is not None}
    if broken:
        # The web UI hashes and lists all of them; it loads the one that is chosen, which may be this one.
        path = chosen if chosen in broken else next(iter(broken))
        bad = len(models) == 1 or path == chosen or len(broken) == len(models)
        return Check(name, not bad, f"{path}: {broken[path]}", _("Download it again, or remove it."), STARTUP)
    return Check(name, True, ", ".join(path.name for path in models[:MOST_NAMED]), "", STARTUP)


def chosen_checkpoint(saved: str | None, models: Sequence[Path]) -> Path | None:
    """The checkpoint that the saved title names, the first where it names none; None: it names one that is gone.

    A title is a path below the model folder, perhaps with a hash behind it: ``sd15/a.safetensors [6ce0161689]``.
    """
    if not saved or not saved.strip():
        return models[0] if models else None
    bare = saved.rpartition(" [")[0] if saved.endswith("]") and " [" in saved else saved
    wanted = PurePosixPath(bare.replace("\\", "/").strip())
    for path in models:
        if path.name.lower() == wanted.name.lower() or path.stem.lower() == wanted.name.lower():
            return path
    # A hash alone, or a part of a name: the web UI knows more names than can be told here.
    like = [path for path in models if bare.lower() in path.name.lower()]
    if like or (not wanted.suffix and all(char in "0123456789abcdef" for char in bare.lower())):
        return like[0] if like else models[0]
    return None


def _links(machine: Machine, launch_file: Path | None) -> Iterator[Check]:
    install = installs.inspect(machine.webui.root, machine.webui.flags, launch_file)
    folders = [data_folder.checkpoint_folder(install, machine.webui.flags)]
    if machine.animatediff is not None:
        folders.append(machine.animatediff.root / "model")
    return model_checks.links(folders)


def _modules(machine: Machine) -> Iterator[Check]:
    for one in model_checks.modules(machine.animatediff):
        deep = [module.name for module in machine.animatediff.motion_modules if "/" in module.name] \
            if machine.animatediff and one.ok else []
        yield replace(one, hint=_("{name} lies in a subfolder: in the web UI its name must be given with it.").format(
            name=deep[0])) if deep else one


def settings(machine: Machine) -> Iterator[Check]:
    """Checks for saved settings that cannot be read, or that override flags."""
    fault = data_folder.fault_of_options(installs.settings_files(machine.webui.root, machine.webui.flags)[0])
    if fault is not None:
        hint = _("At its next start the web UI moves it to tmp/config.json and begins with defaults: mend it.")
        if fault.ends_a_start:
            hint = _("The web UI ends at its start with such a file: move it aside, and save the settings again.")
        yield Check(N_("saved settings"), False,
                    _("{fault}; what would be measured is not what is used").format(fault=fault.text), hint, STARTUP)
    option = dict(machine.settings).get(attention.OPTION, attention.AUTOMATIC)
    if option != attention.AUTOMATIC:
        yield Check(
            N_("attention setting"), True,
            _('"Cross attention optimization" is "{option}" and overrides every attention flag; '
              "a winning set puts it back to Automatic").format(option=option),
            _("Settings > Optimizations > Cross attention optimization: Automatic lets the flags decide."))


def flags(machine: Machine) -> Iterator[Check]:
    """Checks for flags that are given and have no effect on this machine, and for one that costs speed."""
    name, catalogue = N_("flags in effect"), load(machine.webui.flavour, machine.webui.version)
    idle = idle_flags(machine.webui.flags, dict(machine.settings), machine.runtime, catalogue)
    if idle:
        told = "; ".join(_("{flag} does nothing here: {why}").format(flag=flag, why=why) for flag, why in idle)
        yield Check(name, True, told, _("Tuning measures what is in effect; these can be taken out."))
    elif catalogue.tuned:
        yield Check(name, True, _("each managed flag that is given does something"))
    if _given(machine.webui.flags, "--ui-debug-mode"):
        yield Check(N_("debug mode"), True,
                    _("--ui-debug-mode is for work on the page: the model is not loaded at the start, and pictures "
                      "were reported a third slower with it (A1111#12029)"), _("Take it out of the launch file."))


def _numbers(machine: Machine) -> Check:
    if "--disable-nan-check" in machine.webui.flags:
        return Check(N_("NaN check"), True,
                     _("--disable-nan-check is given: numbers that overflow come out as black clips, and a set that "
                       "makes them is called invalid, not NaN"), "", ("nan", "invalid_output"))
    return Check(N_("NaN check"), True, _("overflowing numbers are told by the web UI itself"), "", ("nan",))


def _given(words: Sequence[str], flag: str) -> bool:
    return any(word.partition("=")[0] == flag for word in words)
