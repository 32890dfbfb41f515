"""ComfyUI as a ``WebUI``. Each answer is worked out in the module that is imported for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.model.flagset import Candidate, Effective, SettingValue, Space
from autotune.model.machine import Fingerprint, Machine
from autotune.webui.comfyui.comfy_cli import ComfyCliFile
from autotune.webui.comfyui.desktop import Desktop1File, Desktop2File
from autotune.webui.comfyui.log_lines import LINES
from autotune.webui.comfyui.run_files import RunFile
from autotune.webui.comfyui.stability_matrix import StabilityMatrixFile
from autotune.webui.face import (
    Check,
    Credentials,
    FlagState,
    Layout,
    LogLines,
    Reported,
    TrialCommand,
    TrialStart,
    WebUI,
)

if TYPE_CHECKING:
    from autotune.flags.catalogue import Catalogue
    from autotune.launchfile.formats import LaunchFormat
    from autotune.launchfile.launch_file import LaunchFile
    from autotune.model.failures import Classified, Evidence
    from autotune.model.workload import SearchSpec, Workload
    from autotune.webui.comfyui.client import Client


class ComfyUI(WebUI):
    """ComfyUI, however it was installed. Its options are all given at its start: nothing is switched in a process."""

    lines: LogLines = LINES
    programs: tuple[str, ...] = ("main.py",)
    formats: tuple[LaunchFormat, ...] = (
        RunFile(), StabilityMatrixFile(), ComfyCliFile(), Desktop1File(), Desktop2File())
    folder_names: tuple[str, ...] = (
        "ComfyUI", "comfyui", "ComfyUI_windows_portable/ComfyUI", "comfy/ComfyUI",
        "ComfyUI-Installs/ComfyUI/ComfyUI", "StabilityMatrix/Data/Packages/ComfyUI",
        "AppData/Roaming/StabilityMatrix/Packages/ComfyUI", "AppData/Local/Programs/ComfyUI/resources/ComfyUI",
        "/Applications/ComfyUI.app/Contents/Resources/ComfyUI")

    usual_profile = "comfyui-default"

    def holds(self, root: Path) -> bool:
        """Whether the folder holds ComfyUI's main.py with its own modules beside it."""
        from autotune.webui.comfyui.install import is_comfyui

        return is_comfyui(root)

    def meant(self, path: Path) -> Iterator[Path]:
        """ComfyUI inside the portable's folder, or the one that Comfy Desktop runs on the folder of its models."""
        from autotune.webui.comfyui.hosts import meant

        return meant(path)

    def catalogue(self, root: Path) -> Catalogue:
        """The flags that the install's own comfy/cli_args.py defines, with what is known of each."""
        from autotune.webui.comfyui.flags.known_flags import load

        return load(root)

    def layout(self, root: Path) -> Layout:
        """Who starts the install, and the file that its flags are written in."""
        from autotune.webui.comfyui.layout import recognise

        return recognise(root)

    def read(self, root: Path, layout: Layout) -> LaunchFile:
        """The launch file that counts; of several the one that the running process was started by."""
        from autotune.webui.comfyui.layout import in_effect

        return in_effect(root, layout)

    def inspect(self, root: Path, launch_file: Path | None, words: tuple[str, ...]) -> Machine:
        """Everything that a result on this install depends on."""
        from autotune.webui.comfyui import machine

        return machine.inspect(root, launch_file, words)

    def fingerprint(self, root: Path, launch_file: Path | None, words: tuple[str, ...]) -> Fingerprint:
        """The fingerprint, from files and NVML; starts no process."""
        from autotune.webui.comfyui import fingerprint

        return fingerprint.from_files(root, words, launch_file)

    def shared_parts(self, fingerprint: Fingerprint) -> list[tuple[str, str]]:
        """Without the flags that choose a GPU."""
        from autotune.webui.comfyui.fingerprint import shared_parts

        return shared_parts(fingerprint)

    def narrowed(self, parts: Mapping[str, str], context: int) -> dict[str, str]:
        """Of the motion modules only the one that a tune would use."""
        from autotune.webui.comfyui.fingerprint import narrowed

        return narrowed(parts, context)

    def watched(self, root: Path, launch_file: Path | None, words: tuple[str, ...]) -> list[Path]:
        """Folders of code, models, custom nodes and packages."""
        from autotune.webui.comfyui.watched_folders import folders_of

        return folders_of(root, launch_file, words)

    def variables(self, root: Path, launch_file: Path | None) -> Mapping[str, str]:
        """The environment that the launch file makes of this process's."""
        from autotune.webui.comfyui.environment import of_start

        return of_start(root, launch_file).variables

    def device_of(self, words: Sequence[str]) -> int:
        """Its --cuda-device or --default-device."""
        from autotune.webui.comfyui.install import device_of

        return device_of(words)

    def checks(self, machine: Machine, launch_file: Path | None) -> Iterator[Check]:
        """Checks of weights, nodes and flags."""
        from autotune.webui.comfyui.checks import of_install

        return of_install(machine, launch_file)

    def refused(self, root: Path, words: Sequence[str], file: LaunchFile | None) -> str | None:
        """What its own parser, read from its source, would refuse."""
        return self.complaint(root, words)

    def complaint(self, root: Path, words: Sequence[str]) -> str | None:
        """What its own parser, read from its source, would refuse."""
        from autotune.webui.comfyui.parser import complaint

        return complaint(root, words)

    def motion_module(self, machine: Machine, context: int) -> str | None:
        """The newest motion module that renders so many frames at a time."""
        from autotune.webui.comfyui.models import preferred_module

        return preferred_module(machine, context)

    def read_workflow(self, workload: Workload) -> Workload:
        """Reads a graph in the API format."""
        from autotune.webui.comfyui.workflow import completed

        return completed(workload)

    def require_clips(self, machine: Machine) -> None:
        """Needs torch, AnimateDiff-Evolved, a motion module and a checkpoint of Stable Diffusion 1.5."""
        from autotune.webui.comfyui.machine import require_clips

        require_clips(machine)

    def space(self, machine: Machine, spec: SearchSpec | None = None) -> Space:
        """All effective sets of the searched dimensions, each in its shortest form."""
        from autotune.webui.comfyui.flags import space

        return space.build(machine, spec)

    def process_for(
        self, candidate: Candidate, space: Space, cold: bool
    ) -> tuple[tuple[str, ...], Mapping[str, SettingValue]]:
        """The set's own words: every process serves one set."""
        return candidate.flags.words, {}

    def prepare(self, start: TrialStart) -> TrialCommand:
        """Lays out the trial's own folders and node, and puts words and variables together."""
        from autotune.webui.comfyui.isolation import prepare

        return prepare(start)

    def trial_words(self, words: Sequence[str]) -> tuple[str, ...]:
        """Words without those about network, folders, the manager, accounts and updates."""
        from autotune.webui.comfyui.isolation import trial_words

        return trial_words(words)

    def failure(self, evidence: Evidence) -> Classified | None:
        """The failure class of a start or clip, in ComfyUI's own words."""
        from autotune.webui.comfyui.failures import judge

        return judge(evidence)

    def client(self, address: str, credentials: Credentials | None) -> Client:
        """A client of its API, with the credentials that the trial's own node asks for."""
        from autotune.webui.comfyui.client import Client

        return Client(address, (credentials.user, credentials.password) if credentials is not None else None)

    def clients(self, address: str, words: Sequence[str] | None) -> Iterator[Client]:
        """Clients of the owner's own ComfyUI, which asks for no credentials; its certificate is not checked."""
        from autotune.webui.comfyui.client import of_owner

        return of_owner(address, words)

    def effective(self, words: Sequence[str], settings: Mapping[str, SettingValue], machine: Machine) -> Effective:
        """The effective set by ComfyUI's own rules."""
        from autotune.webui.comfyui.flags.effective import effective

        return effective(words, machine)

    def name_of(self, effective: Effective) -> str:
        """The canonical text of an effective set."""
        from autotune.webui.comfyui.flags.effective import describe

        return describe(effective)

    def mismatches(self, expected: Effective, reported: Reported, machine: Machine) -> list[str]:
        """Compares its command line and what its log says of the effect with the set that was meant."""
        from autotune.webui.comfyui.flags.in_effect import mismatches

        return mismatches(expected, reported, machine)

    def flag_states(self, words: Sequence[str], reported: Reported | None, machine: Machine) -> list[FlagState]:
        """Each managed flag: in effect where taking it away would change the effective set, and the log agrees."""
        from autotune.webui.comfyui.flags.in_effect import flag_states

        return flag_states(words, reported, machine)


WEBUI = ComfyUI()
