"""Finds the file that an install's flags are written in, from the install's own files.

Who starts ComfyUI says where its flags are: Stability Matrix, ComfyUI's own desktop apps and comfy-cli keep them in
files of their own (a module each); the Windows portable is started by one of several batch files beside the folder; a
container gets them in a variable; a clone is started by whatever its owner wrote.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from autotune.language.translate import _
from autotune.launchfile.launch_file import LaunchFile
from autotune.launchfile.reader import load_bytes, read
from autotune.model.errors import NothingToWorkOn, Refused
from autotune.webui.comfyui import comfy_cli, desktop, hosts, stability_matrix
from autotune.webui.comfyui.hosts import CONTAINER, container
from autotune.webui.comfyui.install import kind_of
from autotune.webui.comfyui.run_files import ENDINGS, RunFile
from autotune.webui.face import Layout

KIND = "comfyui"
_MOST_SHELLS = 6
"""Programs above a process that are looked at: cmd, a launcher of Python, one of its own."""

_OTHER_GPUS = re.compile(r"(?<![a-z])(?:amd|rocm|zluda|intel|xpu|directml)(?![a-z])", re.IGNORECASE)
"""Makers and runtimes other than NVIDIA's in a batch file's name."""


def recognise(root: Path, platform: str = sys.platform, environ: Mapping[str, str] | None = None,
              named: Path | None = None) -> Layout:
    """What a folder holds, and where its flags are written. Raises nothing; an unreadable part counts as absent.

    ``named``: the launch file that its owner named; a batch file counts on Windows, wherever it lies.
    """
    environ = os.environ if environ is None else environ
    found = (stability_matrix.found(root, environ, platform) or desktop.found(root, environ, platform)
             or _container(root, environ) or _batch_files(root, platform)
             or comfy_cli.found(root, environ, platform) or _unmanaged(root))
    if named is not None and named not in found.launch_files and platform == "win32" and RunFile().claims(named):
        found = replace(found, manageable=True, launch_files=(named,), why_not=None, one_of=True)
    own = found.owners_file or (found.launch_files[0] if found.launch_files else None)
    return replace(found, kind=kind_of(root), owners_file=own)


def _container(root: Path, environ: Mapping[str, str]) -> Layout | None:
    """A container whose variable holds the flags, or a folder with the compose file of one."""
    variable = container(environ) or _in_compose_file(root)
    if not variable:
        return None
    return Layout(
        KIND, "docker", False, (), _("flags of this docker set-up come from {variable}").format(variable=variable),
        _("{variable} in docker-compose.yml, its .env file, or the docker run command").format(variable=variable))


def _in_compose_file(root: Path) -> str:
    """The variable that a compose file in or beside the install names; '' without one."""
    for folder in (root, root.parent):
        for name in ("docker-compose.yml", "docker-compose.yaml", "compose.yml", "compose.yaml"):
            try:
                text = (folder / name).read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            found = re.search(rf"\b(?:{'|'.join(CONTAINER)})\b", text)
            if found:
                return found.group()
    return ""


def _batch_files(root: Path, platform: str) -> Layout | None:
    """The Windows portable, and any ComfyUI on Windows that batch files start; None: there are none that do."""
    portable = bool(hosts.embedded(root))
    files = run_files(root)
    if not portable and not files:
        return None
    host = "portable" if portable else ""
    where = _("the line with main.py in {files}").format(
        files=_(" or ").join(str(path) for path in files) or root.parent / "run_nvidia_gpu.bat")
    why_not = None
    if not files:
        why_not = _("no batch file beside {root} starts its main.py").format(root=root)
    elif platform != "win32":
        why_not = _("{name} is for Windows; what starts ComfyUI on this system is not known").format(
            name=files[0].name)
    return Layout(KIND, host, why_not is None, files, why_not, where, files[0] if files else None, one_of=True)


def run_files(root: Path) -> tuple[Path, ...]:
    """The batch files in and beside the install that start it, the usual one first."""
    own = RunFile()
    found: list[Path] = []
    for folder in (root.parent, root.parent / "advanced", root):
        try:
            names = sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS and path.is_file())
        except OSError:
            continue
        found += [path for path in names if own.claims(path) and _starts(own, path, root)]
    return tuple(sorted(found, key=lambda path: path.name.lower() != "run_nvidia_gpu.bat"))


def _starts(own: RunFile, path: Path, root: Path) -> bool:
    try:
        own.parse(load_bytes(path), path, root)
    except (Refused, NothingToWorkOn):
        return False
    return True


def _unmanaged(root: Path) -> Layout:
    """A clone: started by a script or a service of its owner's, by Pinokio or by SwarmUI."""
    if any((root.parent / name).is_file() for name in ("pinokio.js", "pinokio.json", "start.json", "start.js")):
        script = next((root.parent / name for name in ("start.json", "start.js") if (root.parent / name).is_file()),
                      root.parent / "start.js")
        return Layout(KIND, "pinokio", False, (), _("Pinokio starts it by {file}").format(file=script),
                      _("behind main.py in {file}").format(file=script))
    swarm = next((path for path in (root.parents[1:3]) if (path / "Data" / "Backends.fds").is_file()), None)
    if swarm is not None:
        place = swarm / "Data" / "Backends.fds"
        return Layout(KIND, "swarmui", False, (), _("SwarmUI starts it, by {file}").format(file=place),
                      _("SwarmUI, Server > Backends, ExtraArgs of this backend (saved in {file})").format(file=place))
    return Layout(
        KIND, "", False, (), _("no launch file of {root} is known: a ComfyUI has none of its own").format(root=root),
        _("behind main.py in the shell script, shortcut or systemd unit that starts it"))


def in_effect(root: Path, layout: Layout) -> LaunchFile:
    """The launch file whose words count.

    Of several batch files it is the one that the running ComfyUI was started by, else the only one that fits the
    machine's GPU; where that does not decide, the words of the first are marked as not certain. Raises NothingToWorkOn
    (not manageable) and what ``read`` raises.
    """
    if not layout.manageable:
        raise NothingToWorkOn(layout.why_not or _("this install is not managed"),
                              _("Its flags go here: {place}").format(place=layout.where_flags_go))
    if layout.launch_files[-1].suffix.lower() not in ENDINGS:
        return read(layout.launch_files[-1], root=root)
    files = [RunFile().parse(load_bytes(path), path, root) for path in layout.launch_files]
    if len(files) == 1:
        return files[0]
    running = _of_running(root, files)
    if running is not None:
        return running
    fitting = fit_machine(files, has_nvidia())
    if len(fitting) == 1:
        return fitting[0]
    return _undecided(fitting)


def _undecided(files: Sequence[LaunchFile]) -> LaunchFile:
    """The first of several files, its words marked as not certain unless all give the same."""
    names = ", ".join(file.path.name for file in files)
    which = _("which of these files you start: {names}").format(names=names)
    first = replace(files[0], why_not=_("several files start it ({names}); name yours with --launch-file").format(
        names=names))
    return first if len({file.words for file in files}) == 1 else replace(first, static=False, others=(which,))


def fit_machine(files: Sequence[LaunchFile], nvidia: bool) -> list[LaunchFile]:
    """The files made for a machine with an NVIDIA GPU, or without: those for the CPU count where no other does.

    Where NVML tells of no GPU, one may be there all the same: files for NVIDIA count unless others name a maker, too.
    """
    on_gpu = [file for file in files if "--cpu" not in file.words]
    others = [file for file in on_gpu if _OTHER_GPUS.search(file.path.stem)]
    if nvidia:
        on_gpu = [file for file in on_gpu if file not in others] or on_gpu
    elif others:
        on_gpu = [file for file in on_gpu if "nvidia" not in file.path.stem.lower()]
    return on_gpu or list(files)


def has_nvidia() -> bool:
    """Whether NVML tells of a GPU."""
    from autotune.machine.nvml import Nvml

    with Nvml() as nvml:
        return bool(nvml.gpus())


def _of_running(root: Path, files: Sequence[LaunchFile]) -> LaunchFile | None:
    """The file that the running ComfyUI of this folder was started by; None where none runs or nothing tells."""
    from autotune.webui import running

    for one in running.web_uis(root):
        if not one.certain:
            continue
        above = " ".join(_lines_above(one.pid)).lower()
        named = [file for file in files if re.search(rf'(?<![^\s"\'\\/&]){re.escape(file.path.name.lower())}\b', above)]
        if len(named) == 1:
            return named[0]
        same = [file for file in named or files if one.words is not None and tuple(one.words) == file.words]
        if same:
            return same[0] if len(same) == 1 else _undecided(same)
    return None


def _lines_above(pid: int) -> list[str]:
    """The command lines of the shells that started a process, the nearest first."""
    import psutil

    found: list[str] = []
    with suppress(psutil.Error, OSError):
        child = psutil.Process(pid)
        for _step in range(_MOST_SHELLS):
            above = psutil.Process(child.ppid())
            if above.create_time() > child.create_time():
                break  # its parent has ended, and another program has that number now
            words = above.cmdline()
            if words and re.search(r"(?:^|[\\/])cmd(?:\.exe)?$", words[0].strip('"'), re.IGNORECASE):
                found.append(" ".join(words))
            child = above
    return found
