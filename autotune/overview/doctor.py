"""`doctor`: checks everything that tuning needs, and says how to repair what fails."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from autotune.disk import windows_attributes, windows_package
from autotune.disk.files import how_to_allow
from autotune.install import which_gpu
from autotune.install.inspection import Inspection
from autotune.language.translate import N_, _
from autotune.model import windows_paths
from autotune.model.errors import AutotuneError
from autotune.model.study import Failure
from autotune.overview.doctor_machine import of_machine
from autotune.store.places import Places
from autotune.webui.face import Check, Classes

DEEPEST = 120
"""Length of the longest path below the state folder: a clip of a run, or a record of a study."""
FREE_STATE = 200
"""MiB for records, run folders and one clip's outputs; a study itself takes well under one."""


def checks(install: Inspection, places: Places) -> Iterator[Check]:
    """All checks of one install, quick ones first. None of them changes anything."""
    webui = install.machine.webui
    yield Check(N_("web UI"), True, _("{kind} {version} in {folder}").format(
        kind=webui.flavour, version=webui.version or "?", folder=install.root))
    yield _asked(N_("can be tuned"), install.require_tunable, _("interpreter, AnimateDiff, motion module are there"),
                 "startup", "not_animated", "invalid_output")
    yield _launch_file(install)
    yield _words(install)
    yield from install.kind.checks(install.machine, install.path)
    yield _gpu(install)
    yield from _machine(install)
    yield _state(places)
    yield from _folder_name(install, places)
    yield _checkpoints(places, install)
    yield replace(_loopback(), prevents=("port",))
    yield from _extension(install)
    yield _lock(places, install.root)
    yield free(install)


def _asked(name: str, ask: Callable[[], None], good: str, *prevents: Failure) -> Check:
    """A check that fails when ``ask`` raises an AutotuneError; ``good``: its detail when it does not."""
    try:
        ask()
    except AutotuneError as error:
        return Check(name, False, error.message, error.hint, prevents)
    return Check(name, True, good, "", prevents)


def _machine(install: Inspection) -> Iterator[Check]:
    import psutil

    free = psutil.virtual_memory().available / 2**20
    yield from of_machine(install.machine, which_gpu.of_machine(install.machine), free)


def _launch_file(install: Inspection) -> Check:
    if install.path is None:
        layout = install.launch.layout
        if layout is not None and layout.why_not:  # flags can be measured there, and are written by hand
            return Check(N_("launch file"), True, layout.why_not,
                         _("Its flags go here: {place}").format(place=layout.where_flags_go))
        return Check(N_("launch file"), False, _("there is none"), _("Name it with --launch-file."))
    if install.file is None or install.launch.why_not:
        why = install.launch.why_not or _("cannot be read")
        return Check(N_("launch file"), False, why, _("`autotune apply` says what to paste."))
    if not os.access(install.path, os.W_OK):
        return Check(N_("launch file"), False, _("{path} is read-only").format(path=install.path),
                     how_to_allow(install.path))
    return Check(N_("launch file"), True, str(install.path))


def _words(install: Inspection) -> Check:
    words, name = install.machine.webui.flags, N_("command line")
    doubt = install.launch.doubt
    if doubt is not None and not install.launch.asked:
        hint = _("Give the flags in one plain line, outside of any condition, loop or function: until then "
                 "nothing is measured.")
        if install.launch.undecided:
            hint = _("Name the one that you start with --launch-file when you tune and apply.")
        return Check(name, False, doubt, hint, ("bad_flag", "startup"))
    why = install.kind.refused(install.root, words, install.file)
    if why is None:
        return Check(name, True, doubt or _("nothing speaks against its flags and values"), "", ("bad_flag", "startup"))
    return Check(name, False, why, _("Mend it in the launch file; start the web UI by hand to see it."),
                 ("bad_flag", "startup"))


def _gpu(install: Inspection) -> Check:
    if install.machine.gpus:
        text = _("{gpu}, driver {version}")
        names = [text.format(gpu=gpu.name, version=gpu.driver_version) for gpu in install.machine.gpus]
        return Check(N_("GPU"), True, "; ".join(names))
    return Check(N_("GPU"), True, _("no NVIDIA GPU seen: tuning will measure what the web UI runs on"))


def _state(places: Places) -> Check:
    folder = places.root
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not os.access(folder, os.W_OK):
        return Check(N_("state folder"), False, _("{folder} cannot be written").format(folder=folder),
                     _("Choose another with --state-dir."))
    free = shutil.disk_usage(folder).free / 2**20
    if free < FREE_STATE:
        return Check(N_("state folder"), False, _("{free:.0f} MiB free in {folder}").format(free=free, folder=folder),
                     _("Free some space."))
    text = _("{folder} ({free:.1f} GiB free)").format(folder=places.root, free=free / 1024)
    text += windows_package.warning(places.root)
    return Check(N_("state folder"), True, text)


def _folder_name(install: Inspection, places: Places) -> Iterator[Check]:
    """On Windows: can cmd.exe run in the web UI's folder, and are the paths of autotune's files short enough?"""
    wrong = windows_paths.why_not_for_cmd(str(install.root)) if os.name == "nt" else None
    if wrong is not None:
        yield Check(N_("folder's name"), True, _("{why}, so that no start can prove an apply").format(why=wrong[0]),
                    f"{wrong[1]}.")
    allowed = windows_attributes.long_paths()
    for folder in (places.root, install.root):
        why = windows_paths.why_files_too_long(str(folder), DEEPEST, allowed)
        if why is not None:
            hint = _("Choose a shorter one (--state-dir for ours), or set LongPathsEnabled to 1 in {key}.").format(
                key="HKLM\\SYSTEM\\CurrentControlSet\\Control\\FileSystem")
            yield Check(N_("length of paths"), folder == install.root, why, hint)


def _checkpoints(places: Places, install: Inspection) -> Check:
    """Whether all checkpoints can be read, and no edit was interrupted."""
    from autotune.launchfile.checkpoints import Checkpoints

    name = N_("checkpoints")
    if install.unsettled is not None:
        return Check(name, False, _("a change was interrupted: {message}").format(message=install.unsettled.message),
                     install.unsettled.hint)
    folder = places.checkpoints(install.root)
    faults = Checkpoints(folder).faults()
    if faults:
        return Check(name, False, "; ".join(faults),
                     _("It is left out and kept in {folder}; the others can be rolled back (autotune rollback). Look "
                       "at your launch file, then move what is damaged away.").format(folder=folder))
    return Check(name, True,
                 _("all that was written can be undone") if folder.is_dir() else _("nothing was written yet"))


def _extension(install: Inspection) -> Iterator[Check]:
    """Whether the tab in the web UI's page, where it is installed, is as this version of autotune writes it."""
    from autotune.install import extension

    ours = install.kind.own_extension(install.root, install.machine.webui.flags)
    found = extension.look(ours) if ours is not None else None
    if found is None or not found.exists:
        return
    name = N_("tab in the web UI")
    if not found.ours:
        yield Check(name, True,
                    _("{folder} is not autotune's: the tab cannot be installed there").format(folder=found.folder))
    elif found.changed or found.foreign:
        names = ", ".join([*found.changed, *found.foreign])
        yield Check(name, True,
                    _("{folder} is not as it was installed: {names}").format(folder=found.folder, names=names),
                    _("Run `autotune extension status`."))
    elif found.outdated:
        yield Check(name, True, _("{folder} is of another version").format(folder=found.folder),
                    _("Run `autotune extension install`."))
    else:
        yield Check(name, True, str(found.folder))


def _loopback() -> Check:
    try:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
    except OSError as error:
        return Check(N_("loopback port"), False, str(error), _("A firewall or sandbox forbids 127.0.0.1."))
    return Check(N_("loopback port"), True, _("127.0.0.1 can be listened on"))


def _lock(places: Places, root: Path) -> Check:
    from autotune.launchfile.lock import FolderLock, Lock

    def take() -> None:
        if places.lock.exists():
            with Lock(places.lock):
                pass
        with FolderLock(root):
            pass

    return _asked(N_("no other autotune"), take, _("none runs"))


def free(install: Inspection) -> Check:
    """Whether the machine is free: no job in the user's web UI, and no other program that uses what is measured."""
    from autotune.install import idle

    name = N_("machine is free")
    prevents: Classes = ("interrupted", "hang")
    found = _asked(name, lambda: idle.require_idle(install.machine), _("no job runs"), *prevents)
    if not found.ok or idle.holds_gpu(install.machine):
        return found
    used, text = idle.cpu_load()
    if used > idle.BUSY_CPU:
        return Check(name, False,
                     _("no job runs in the web UI, but {text}, and the CPU is what is measured").format(text=text),
                     _("Wait until they are done, or close them."), prevents)
    return Check(name, True, _("no job runs; {text}").format(text=text), "", prevents)


def doctor_json(found: list[Check], root: Path) -> dict[str, object]:
    """The document of `doctor`."""
    rows = [
        {"name": one.name, "ok": one.ok, "detail": one.detail, "hint": one.hint, "prevents": list(one.prevents)}
        for one in found
    ]
    return {"root": str(root), "checks": rows, "ok": all(one.ok for one in found)}
