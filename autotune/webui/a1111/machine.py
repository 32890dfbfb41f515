"""Inspects everything that an install depends on: GPU, web UI, its Python, its models and settings, as one value."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from autotune.flags.words import split
from autotune.language.translate import _
from autotune.machine import nvml, torch_probe
from autotune.model.errors import NothingToWorkOn
from autotune.model.machine import AnimateDiff, Machine, ProbedInstall
from autotune.webui.a1111 import data_folder, fingerprint, interpreter, parser
from autotune.webui.a1111 import install as installs
from autotune.webui.a1111.flags import switches
from autotune.webui.a1111.flags.known_flags import load
from autotune.webui.a1111.install import Install
from autotune.webui.reference import with_device


def inspect(
    root: Path,
    launch_file: Path | None,
    words: tuple[str, ...],
    time_limit: float = torch_probe.TIME_LIMIT_S,
) -> Machine:
    """Everything about the install at ``root`` whose launch file gives the flags ``words``; changes nothing.

    ``launch_file`` None: the platform's. ``time_limit``: seconds for the web UI's interpreter to answer.
    What cannot be found out is a line in ``warnings``. Raises NothingToWorkOn if ``root`` is no web UI or
    its interpreter is missing; for AnimateDiff see ``require_animatediff``.
    """
    found = installs.inspect(root, words, launch_file)
    gpus, warnings = nvml.seen()
    python = interpreter.find(found.root, found.launch_file)
    if python is None:
        why = interpreter.why_uncertain(found.root, found.launch_file)
        if why is not None:
            raise NothingToWorkOn(_("which Python runs the web UI is not certain: {why}").format(why=why),
                                  _("set it in one plain line, outside of any condition, loop or function"))
        where = interpreter.venv_folder(found.root, found.launch_file) or _("the usual places")
        raise NothingToWorkOn(
            _("the web UI in {root} has no Python interpreter in {where}").format(root=found.root, where=where),
            _("start the web UI once so that it makes its venv, or set venv_dir in its webui-user file"),
        )
    runtime, complaints = torch_probe.ask(python, time_limit)
    warnings += complaints
    runtime = with_device(runtime, found.root)
    options = data_folder.read_options(installs.settings_files(found.root, words)[0], warnings)
    extension = data_folder.animatediff(found, options, words)
    switched = data_folder.has_switches(found, options, words)
    runtime = replace(runtime, switches=switches.usable(runtime.switches, runtime.device) if switched else {})
    settings = data_folder.relevant_settings(options)
    catalogue = load(found.flavour, found.version)
    if catalogue.note:
        warnings.append(
            _("{title}: {note}; unknown flags are left as they are").format(title=catalogue.title, note=catalogue.note))
    parsers = parser.check(found.root, catalogue) if catalogue.tuned else parser.ParserCheck()
    if parsers.unclassified:
        warnings.append(
            _("flags that autotune does not know, and leaves alone: {flags}").format(
                flags=" ".join(parsers.unclassified)))
    return Machine(
        gpus=gpus,
        webui=_install_facts(found, python, words, parsers.lacks),
        runtime=runtime,
        animatediff=extension,
        models=data_folder.checkpoints(found, words),
        settings=tuple(one for one in settings if switched or one[0] not in switches.USUAL),
        fingerprint=fingerprint.compose(found, words, options, extension),
        warnings=tuple(warnings),
    )


def require_animatediff(machine: Machine) -> None:
    """Raises NothingToWorkOn if the AnimateDiff extension or its motion module is missing."""
    if machine.animatediff is None:
        raise NothingToWorkOn(_("the AnimateDiff extension is not installed (or disabled, by a setting or a flag) in "
                                "{root}").format(root=machine.webui.root),
                              _("install sd-webui-animatediff on the web UI's Extensions tab, and enable it"))
    if machine.animatediff.motion_modules:
        return
    if machine.animatediff.option is not None:
        raise _option_misses(machine.webui.root, machine.animatediff)
    raise NothingToWorkOn(
        _("AnimateDiff at {root} has no motion module").format(root=machine.animatediff.root),
        _("put one, such as mm_sd15_v3.safetensors, into its model folder"),
    )


def _option_misses(root: Path, extension: AnimateDiff) -> NothingToWorkOn:
    """The error for a saved folder of motion modules that holds none: it says what is wrong with the folder."""
    said = extension.option or ""
    folder = root / said
    shown = _('"{name}" (the name ends in a blank)').format(name=said) if said != said.rstrip() else said
    if said != said.lstrip():
        shown = _('"{name}" (the name begins with a blank)').format(name=said)
    own = data_folder.motion_modules(extension.root / "model")
    hint = _("mount or name the right folder there, or put a motion module such as mm_sd15_v3.safetensors into it")
    if (root / said.strip()).is_dir() and said != said.strip():
        hint = _("take the blank out of that setting")
    elif own:
        hint = _("mount or name the right folder there, or put a motion module such as mm_sd15_v3.safetensors into it; "
                 "with that setting empty, {name} in {folder} is found").format(
                     name=own[0].name, folder=extension.root / "model")
    text = _("Settings > AnimateDiff > path ({option}) points to {folder}, which does not exist")
    if folder.exists():
        text = _("Settings > AnimateDiff > path ({option}) points to {folder}, which holds no motion module") \
            if folder.is_dir() else _("Settings > AnimateDiff > path ({option}) points to {folder}, which is no folder")
    return NothingToWorkOn(text.format(option=data_folder.MOTION_OPTION, folder=shown), hint)


def _install_facts(found: Install, python: Path, words: tuple[str, ...], lacks: tuple[str, ...]) -> ProbedInstall:
    parts = split(words, load(found.flavour, found.version))
    why_not = installs.why_not_manageable(found)
    return ProbedInstall(
        flavour=found.flavour,
        version=found.version,
        commit=found.commit,
        root=found.root,
        python=python,
        launch_file=found.launch_file,
        flags=words,
        tuned_flags=parts.tuned,
        kept_flags=parts.kept,
        running=False,  # told by a room above: it takes asking processes and ports
        manageable=why_not is None,
        why_not=why_not,
        lacks=lacks,
    )
