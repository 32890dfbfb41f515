"""AUTOMATIC1111 and its forks as a ``WebUI``. Each answer is worked out in the module that is imported for it."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.language.translate import _
from autotune.model.errors import NothingToWorkOn
from autotune.model.flagset import Candidate, Effective, SettingValue, Space
from autotune.model.machine import Fingerprint, Machine
from autotune.webui.a1111.log_lines import LINES
from autotune.webui.face import (
    Check,
    Credentials,
    FlagState,
    Layout,
    OwnExtension,
    Reported,
    TrialCommand,
    TrialStart,
    WebUI,
)

if TYPE_CHECKING:
    from autotune.flags.catalogue import Catalogue
    from autotune.launchfile.blocks import BlockFlags
    from autotune.launchfile.launch_file import LaunchFile
    from autotune.launchfile.options import FindOptions
    from autotune.model.use import Printed, SavedClip
    from autotune.model.workload import SearchSpec
    from autotune.webui.a1111.client import Client
    from autotune.webui.a1111.start_by_script import Given


LENIENT = "IGNORE_CMD_ARGS_ERRORS"
"""With this environment variable the web UI starts although its parser refuses a flag."""


class A1111(WebUI):
    """AUTOMATIC1111 and its forks. Answers for unknown folders, too: as an install that is not tuned."""

    lines = LINES
    programs: tuple[str, ...] = ("launch.py", "webui.py")
    live_parts = ("settings", "checkpoint", "vae", "motion_module")
    folder_names: tuple[str, ...] = (
        "stable-diffusion-webui", "stable-diffusion-webui-amdgpu", "stable-diffusion-webui-directml",
        "stable-diffusion-webui-reForge", "stable-diffusion-webui-forge", "sd.webui/webui", "webui", "sd-webui",
    )

    def holds(self, root: Path) -> bool:
        """Whether the folder holds launch.py, and modules or extensions beside it."""
        from autotune.webui.a1111.install import is_webui

        return is_webui(root)

    def catalogue(self, root: Path) -> Catalogue:
        """The flags of the install's flavour and version."""
        from autotune.webui.a1111 import install
        from autotune.webui.a1111.flags.known_flags import load

        return load(*install.identify(root))

    def layout(self, root: Path) -> Layout:
        """The install's flavour, and its launch files."""
        from autotune.webui.a1111 import layout

        return replace(layout.recognise(root), owners_file=layout.user_file(root))

    def read(self, root: Path, layout: Layout) -> LaunchFile:
        """The launch file whose flags count, read in the order in which the web UI reads all of them."""
        from autotune.webui.a1111.layout import in_effect

        return in_effect(root, layout)

    def inspect(self, root: Path, launch_file: Path | None, words: tuple[str, ...]) -> Machine:
        """Everything that a result on this install depends on."""
        from autotune.webui.a1111 import machine

        return machine.inspect(root, launch_file, words)

    def fingerprint(self, root: Path, launch_file: Path | None, words: tuple[str, ...]) -> Fingerprint:
        """The fingerprint, from files and NVML; starts no process."""
        from autotune.webui.a1111 import fingerprint

        return fingerprint.from_files(root, words, launch_file)

    def shared_parts(self, fingerprint: Fingerprint) -> list[tuple[str, str]]:
        """Without --device-id."""
        return [(name, re.sub(r"--device-id[ =]\S+ ?", "", value).strip() if name == "kept_flags" else value)
                for name, value in fingerprint.parts]

    def narrowed(self, parts: Mapping[str, str], context: int) -> dict[str, str]:
        """Of the motion modules only the one that a tune would use: another that is added changes nothing."""
        from autotune.webui.motion_modules import in_use

        return {**parts, "motion_module": in_use(parts["motion_module"], context)}

    def watched(self, root: Path, launch_file: Path | None, words: tuple[str, ...]) -> list[Path]:
        """Folders of code, models, extensions, packages and settings."""
        from autotune.webui.a1111.watched_folders import folders_of

        return folders_of(root, launch_file, words)

    def variables(self, root: Path, launch_file: Path | None) -> Mapping[str, str]:
        """The environment that webui.sh or webui.bat would make."""
        from autotune.webui.a1111 import environment

        return environment.of_start_script(root, launch_file).variables

    def device_of(self, words: Sequence[str]) -> int:
        """Its --device-id."""
        from autotune.webui.a1111.install import flag_value

        given = flag_value(words, "--device-id") or ""
        return int(given) if given.isdigit() else 0

    def checks(self, machine: Machine, launch_file: Path | None) -> Iterator[Check]:
        """Checks of weights, links, saved settings and flags."""
        from autotune.webui.a1111.checks import of_install

        return of_install(machine, launch_file)

    def refused(self, root: Path, words: Sequence[str], file: LaunchFile | None) -> str | None:
        """Whether its parser, or two flags that it does not take together, would stop a start with these words."""
        from autotune.webui.a1111 import parser

        lenient = LENIENT in os.environ or (file is not None and LENIENT.encode() in file.data)
        catalogue = self.catalogue(root)
        why = parser.refused(root, words, catalogue) if catalogue.tuned and not lenient else None
        if why is None and "half" in words and {"--no-half", "--no-half-vae"} & set(words):
            at = words.index("half")
            if at and words[at - 1] == "--precision":
                return _("--precision half together with --no-half or --no-half-vae stops the web UI at its start")
        return why

    def motion_module(self, machine: Machine, context: int) -> str | None:
        """The newest motion module that renders so many frames at a time."""
        from autotune.webui.motion_modules import preferred_module

        if machine.animatediff is None:
            return None
        return preferred_module([module.name for module in machine.animatediff.motion_modules], context)

    def ask_shell(self, root: Path, file: LaunchFile, data: bytes | None) -> tuple[str, ...] | str:
        """The words that bash gives in a sandbox, without running the file's own commands."""
        from autotune.webui.a1111.start_variables import read_start

        return read_start(root, file.path, data=data).words()

    def require_clips(self, machine: Machine) -> None:
        """torch, and see ``machine.require_animatediff``."""
        from autotune.webui.a1111.machine import require_animatediff

        if machine.runtime.torch is None:
            raise NothingToWorkOn(_("{python}: torch cannot be imported there").format(python=machine.webui.python),
                                  _("Start the web UI once by its own script: it installs torch."))
        require_animatediff(machine)

    def space(self, machine: Machine, spec: SearchSpec | None = None) -> Space:
        """All effective sets of the searched dimensions, each in its shortest form."""
        from autotune.webui.a1111.flags import space

        return space.build(machine, spec)

    def process_for(
        self, candidate: Candidate, space: Space, cold: bool
    ) -> tuple[tuple[str, ...], Mapping[str, SettingValue]]:
        """Words and options; attention is switched by an option in a process that is not cold."""
        from autotune.webui.a1111.flags.space import cold_settings, launch_words, live_settings

        return launch_words(candidate, space, cold), cold_settings(candidate) if cold else live_settings(candidate)

    def switch_of(self, candidate: Candidate, screening: bool) -> Mapping[str, SettingValue] | None:
        """Options that switch attention; to xformers only in a process that was started with it."""
        from autotune.webui.a1111.flags.space import live_settings, switches_live

        there = screening or candidate.effective.attention != "xformers"
        return live_settings(candidate) if there and switches_live(candidate) else None

    def prepare(self, start: TrialStart) -> TrialCommand:
        """Lays out copies of the settings, and puts words and variables together (``isolation``, ``environment``)."""
        from autotune.launchfile.values import COMMANDLINE_ARGS
        from autotune.model.windows_paths import why_too_long
        from autotune.webui.a1111 import environment, isolation, start_by_script

        if not (start.root / "launch.py").is_file():
            raise NothingToWorkOn(_("{root} has no launch.py").format(root=start.root),
                                  _("name the web UI's folder with --webui"))
        if not start.own_script and not start.python.is_file():
            raise NothingToWorkOn(_("the web UI's interpreter {python} is missing").format(python=start.python),
                                  _("start the web UI once by its own script, which makes it"))
        found = environment.of_start_script(start.root, start.launch_file)
        readable = isolation.write_settings(start.folder, start.root, start.words, start.settings)
        warnings = [found.problem, None if readable else _("config.json cannot be read; started with defaults")]
        own = isolation.own_words(start.folder, start.port, start.credentials)
        argv: tuple[str, ...] | str
        if start.own_script:
            argv, added = start_by_script.start_of(
                start.root, start.folder, own, found.shell, start.credentials.password)
            # COMMANDLINE_ARGS of this shell, which a launch file may build on: its owner's start gets it as well.
            own_args = {name: os.environ[name] for name in (COMMANDLINE_ARGS,) if name in os.environ}
            env = {**environment.base(), **own_args, **added}
        else:
            wrong = why_too_long(str(start.root)) if os.name == "nt" else None
            if wrong is not None:
                raise NothingToWorkOn(*wrong)
            words = isolation.trial_words(start.words) + own
            argv = (*environment.command(found, start.python), str(start.root / "launch.py"))
            # The web UI splits it with POSIX shlex, on Windows too.
            env = {**environment.for_python(found, start.python), COMMANDLINE_ARGS: shlex.join(words)}
        env["SD_WEBUI_RESTARTING"] = "1"  # no browser is opened
        return TrialCommand(argv, env, tuple(filter(None, warnings)))

    def trial_words(self, words: Sequence[str]) -> tuple[str, ...]:
        """Words without those about network, sharing, secrets and updates."""
        from autotune.webui.a1111.isolation import trial_words

        return trial_words(words)

    def command_line(self, given: Sequence[str], environ: Mapping[str, str]) -> tuple[str, ...] | None:
        """Words after the script, then those of COMMANDLINE_ARGS, which launch.py appends."""
        from autotune.launchfile.values import COMMANDLINE_ARGS

        try:
            return (*given, *shlex.split(environ.get(COMMANDLINE_ARGS, "")))
        except ValueError:
            return None

    def given(self, start: TrialStart) -> Given | None:
        """The words that its start script gave to launch.py, as ``launch_shim`` wrote them down."""
        from autotune.webui.a1111 import start_by_script

        return start_by_script.given(start.folder, start.credentials.password)

    def client(self, address: str, credentials: Credentials | None) -> Client:
        """A client of its API."""
        from autotune.webui.a1111.client import Client

        return Client(address, (credentials.user, credentials.password) if credentials is not None else None)

    def clients(self, address: str, words: Sequence[str] | None) -> Iterator[Client]:
        """Clients without and with its own credentials; its certificate, made by the user, is not checked.

        Credentials come from the process's own command line and go to a port of that process, nowhere else.
        """
        from autotune.webui.a1111 import install
        from autotune.webui.a1111.client import Client

        given = words or ()
        pair = (install.flag_value(given, "--api-auth") or "").split(",")[0].partition(":")
        auth = (pair[0].strip(), pair[2].strip()) if pair[1] else None
        tls = install.flag_value(given, "--tls-keyfile") is not None
        below = (install.flag_value(given, "--subpath") or "").strip("/")
        for scheme in ("http", "https") if words is None else ("https" if tls else "http",):
            for path in ("", f"/{below}") if below else ("",):
                for credentials in (None, auth) if auth else (None,):
                    yield Client(f"{scheme}://{address}{path}", credentials, verify=scheme != "https")

    def effective(self, words: Sequence[str], settings: Mapping[str, SettingValue], machine: Machine) -> Effective:
        """The effective set by the attention rules of its flavour."""
        from autotune.webui.a1111.flags.effective import effective

        return effective(words, settings, machine.runtime, _catalogue(machine))

    def name_of(self, effective: Effective) -> str:
        """The canonical text of an effective set."""
        from autotune.webui.a1111.flags.effective import describe

        return describe(effective)

    def mismatches(self, expected: Effective, reported: Reported, machine: Machine) -> list[str]:
        """Compares what it reports, and the attention class in its log, with the set that was meant."""
        from autotune.webui.a1111.flags.in_effect import mismatches

        return mismatches(expected, reported.flags, reported.options, reported.attention, machine.runtime,
                          _catalogue(machine))

    def flag_states(self, words: Sequence[str], reported: Reported | None, machine: Machine) -> list[FlagState]:
        """Each managed flag: in effect where taking it away would change the effective set."""
        from autotune.webui.a1111.flags.in_effect import flag_states

        flags = None if reported is None else reported.flags
        said = reported or Reported()
        return flag_states(words, flags, said.options, said.attention, machine.runtime, _catalogue(machine))

    def printed_clips(self, data: bytes) -> Printed:
        """By the progress bars of its sampler."""
        from autotune.webui.a1111 import used_clips

        return used_clips.printed(data)

    def own_output(self, data: bytes) -> int:
        """After the newest line that says with which arguments it was launched."""
        return max(0, data.rfind(b"\nLaunching "))

    def saved_clips(self, root: Path, words: Sequence[str], since: float) -> list[SavedClip | None]:
        """By what stands in the files that AnimateDiff writes."""
        from autotune.webui.a1111 import data_folder, used_clips

        return used_clips.saved(root, words, data_folder.read_options(self.settings_file(root, words), []), since)

    def usual_options(self) -> Mapping[str, SettingValue]:
        """The attention option and batched conditioning."""
        from autotune.webui.a1111.flags.space import OPTION_DEFAULTS

        return OPTION_DEFAULTS

    def let_flags_decide(self, settings: Mapping[str, SettingValue]) -> Mapping[str, SettingValue]:
        """The attention setting, where it is saved."""
        from autotune.webui.a1111.flags.attention import AUTOMATIC, OPTION

        return {OPTION: AUTOMATIC} if settings.get(OPTION) else {}

    def settings_file(self, root: Path, words: Sequence[str]) -> Path:
        """Its config.json, which flags may place elsewhere."""
        from autotune.webui.a1111.install import settings_files

        return settings_files(root, words)[0]

    def complaint(self, root: Path, words: Sequence[str]) -> str | None:
        """What its own parser, read from its source, would refuse."""
        from autotune.webui.a1111 import parser

        return parser.complaint(root, words)

    def block_flags(self) -> BlockFlags:
        """Speed and memory flags of A1111 and the Forges."""
        from autotune.webui.a1111.flags.block_flags import BLOCK_FLAGS

        return BLOCK_FLAGS

    def own_extension(self, root: Path, words: Sequence[str]) -> OwnExtension | None:
        """The tab, for flavours that load extensions as A1111 does."""
        from autotune.webui.a1111 import own_extension

        return own_extension.of_install(root, words)

    def options_of(self, root: Path) -> FindOptions:
        """Finds the running web UI that saves its options in a given config.json."""
        from autotune.webui.a1111.options import holder_of

        return holder_of(root)


def _catalogue(machine: Machine) -> Catalogue:
    from autotune.webui.a1111.flags.known_flags import load

    return load(machine.webui.flavour, machine.webui.version)


WEBUI = A1111()
