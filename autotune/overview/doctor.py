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
    yield Check("web UI", True, f"{webui.flavour} {webui.version or '?'} in {install.root}")
    yield _asked("can be tuned", install.require_tunable, "interpreter, AnimateDiff, motion module are there",
                 "startup", "not_animated", "invalid_output")
    yield _launch_file(install)
    yield _words(install)
    yield from install.kind.checks(install.machine, install.path)
    yield from _numbers(install)
    yield _gpu(install)
    yield from _machine(install)
    yield _state(places)
    yield from _folder_name(install, places)
    yield _checkpoints(places, install)
    yield replace(_loopback(), prevents=("port",))
    yield _lock(places, install.root)
    yield free(install)


def _asked(name: str, ask: Callable[[], None], good: str, *prevents: Failure) -> Check:
    """A check that fails when ``ask`` raises an AutotuneError; ``good``: its detail when it does not."""
    try:
        ask()
    except AutotuneError as error:
        return Check(name, False, error.message, error.hint, prevents)
    return Check(name, True, good, "", prevents)


def _numbers(install: Inspection) -> Iterator[Check]:
    if "--disable-nan-check" in install.machine.webui.flags:
        yield Check("NaN check", True, "--disable-nan-check is given: numbers that overflow come out as black clips, "
                    "and a set that makes them is called invalid, not NaN", "", ("nan", "invalid_output"))
    else:
        yield Check("NaN check", True, "overflowing numbers are told by the web UI itself", "", ("nan",))


def _machine(install: Inspection) -> Iterator[Check]:
    import psutil

    free = psutil.virtual_memory().available / 2**20
    yield from of_machine(install.machine, which_gpu.of_machine(install.machine), free)


def _launch_file(install: Inspection) -> Check:
    if install.path is None:
        return Check("launch file", False, "there is none", "Name it with --launch-file.")
    if install.file is None or install.launch.why_not:
        why = install.launch.why_not or "cannot be read"
        return Check("launch file", False, why, "`autotune apply` says what to paste.")
    if not os.access(install.path, os.W_OK):
        return Check("launch file", False, f"{install.path} is read-only", how_to_allow(install.path))
    return Check("launch file", True, str(install.path))


def _words(install: Inspection) -> Check:
    words, name = install.machine.webui.flags, "command line"
    doubt = install.launch.doubt
    if doubt is not None and not install.launch.asked:
        return Check(name, False, doubt, "Give the flags in one plain line, outside of any condition, loop or "
                     "function: until then nothing is measured.", ("bad_flag", "startup"))
    why = install.kind.refused(install.root, words, install.file)
    if why is None:
        return Check(name, True, doubt or "nothing speaks against its flags and values", "", ("bad_flag", "startup"))
    return Check(name, False, why, "Mend it in the launch file; start the web UI by hand to see it.",
                 ("bad_flag", "startup"))


def _gpu(install: Inspection) -> Check:
    if install.machine.gpus:
        names = [f"{gpu.name}, driver {gpu.driver_version}" for gpu in install.machine.gpus]
        return Check("GPU", True, "; ".join(names))
    return Check("GPU", True, "no NVIDIA GPU seen: tuning will measure what the web UI runs on")


def _state(places: Places) -> Check:
    folder = places.root
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not os.access(folder, os.W_OK):
        return Check("state folder", False, f"{folder} cannot be written", "Choose another with --state-dir.")
    free = shutil.disk_usage(folder).free / 2**20
    if free < FREE_STATE:
        return Check("state folder", False, f"{free:.0f} MiB free in {folder}", "Free some space.")
    text = f"{places.root} ({free / 1024:.1f} GiB free){windows_package.warning(places.root)}"
    return Check("state folder", True, text)


def _folder_name(install: Inspection, places: Places) -> Iterator[Check]:
    """On Windows: can cmd.exe run in the web UI's folder, and are the paths of autotune's files short enough?"""
    wrong = windows_paths.why_not_for_cmd(str(install.root)) if os.name == "nt" else None
    if wrong is not None:
        yield Check("folder's name", True, f"{wrong[0]}, so that no start can prove an apply", f"{wrong[1]}.")
    allowed = windows_attributes.long_paths()
    for folder in (places.root, install.root):
        why = windows_paths.why_files_too_long(str(folder), DEEPEST, allowed)
        if why is not None:
            hint = ("Choose a shorter one (--state-dir for ours), or set LongPathsEnabled to 1 in "
                    "HKLM\\SYSTEM\\CurrentControlSet\\Control\\FileSystem.")
            yield Check("length of paths", folder == install.root, why, hint)


def _checkpoints(places: Places, install: Inspection) -> Check:
    """Whether all checkpoints can be read, and no edit was interrupted."""
    from autotune.launchfile.checkpoints import Checkpoints

    name = "checkpoints"
    if install.unsettled is not None:
        return Check(name, False, f"a change was interrupted: {install.unsettled.message}", install.unsettled.hint)
    folder = places.checkpoints(install.root)
    faults = Checkpoints(folder).faults()
    if faults:
        return Check(name, False, "; ".join(faults), f"It is left out and kept in {folder}; the others can be rolled "
                     "back (autotune rollback). Look at your launch file, then move what is damaged away.")
    return Check(name, True, "all that was written can be undone" if folder.is_dir() else "nothing was written yet")


def _loopback() -> Check:
    try:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
    except OSError as error:
        return Check("loopback port", False, str(error), "A firewall or sandbox forbids 127.0.0.1.")
    return Check("loopback port", True, "127.0.0.1 can be listened on")


def _lock(places: Places, root: Path) -> Check:
    from autotune.launchfile.lock import FolderLock, Lock

    def take() -> None:
        if places.lock.exists():
            with Lock(places.lock):
                pass
        with FolderLock(root):
            pass

    return _asked("no other autotune", take, "none runs")


def free(install: Inspection) -> Check:
    """Whether the machine is free: no job in the user's web UI, and no other program that uses what is measured."""
    from autotune.install import idle

    name = "machine is free"
    prevents: Classes = ("interrupted", "hang")
    found = _asked(name, lambda: idle.require_idle(install.machine), "no job runs", *prevents)
    if not found.ok or idle.holds_gpu(install.machine):
        return found
    used, text = idle.cpu_load()
    if used > idle.BUSY_CPU:
        return Check(name, False, f"no job runs in the web UI, but {text}, and the CPU is what is measured",
                     "Wait until they are done, or close them.", prevents)
    return Check(name, True, f"no job runs; {text}", "", prevents)


def doctor_json(found: list[Check], root: Path) -> dict[str, object]:
    """The document of `doctor`."""
    rows = [
        {"name": one.name, "ok": one.ok, "detail": one.detail, "hint": one.hint, "prevents": list(one.prevents)}
        for one in found
    ]
    return {"root": str(root), "checks": rows, "ok": all(one.ok for one in found)}
