"""What a web UI must answer so that autotune can tune it: the only way from autotune to any kind of web UI.

A kind of web UI is a folder beside this file with an object ``WEBUI`` that answers as ``WebUI`` says, or a package of
somebody else's that names such an object as an entry point of the group ``autotune.webuis``. Nothing outside such a
folder knows an endpoint, a flag, a setting, a file or a log line of it. ``tests/webui/conformance.py`` is the suite
that each of them passes.
"""

from __future__ import annotations

import os
import re
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from autotune.language.translate import _
from autotune.model.errors import NothingToWorkOn, UsageProblem

if TYPE_CHECKING:
    from autotune.flags.catalogue import Catalogue
    from autotune.launchfile.blocks import BlockFlags
    from autotune.launchfile.formats import LaunchFormat
    from autotune.launchfile.launch_file import LaunchFile
    from autotune.launchfile.options import FindOptions
    from autotune.model.api import Memory, Rendered
    from autotune.model.failures import Classified, Evidence
    from autotune.model.flagset import Candidate, Effective, SettingValue, Space
    from autotune.model.machine import Fingerprint, Machine
    from autotune.model.study import Failure
    from autotune.model.use import Printed, SavedClip
    from autotune.model.workload import SearchSpec, Workload


NEVER = re.compile(r"(?!)")
"""Matches no line."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What an install is and where its flags are written.

    ``kind``: the flavour ("a1111", "reforge", ...). ``host``: the program that starts it (stability-matrix, pinokio,
    docker), '' if its owner does. ``launch_files``: existing files in order of effect, a later one wins. ``why_not``:
    one sentence if autotune does not edit them; ``where_flags_go``: where its owner would write flags.
    ``owners_file``: the file that its owner sets things in, whether its flags count or not; None without one.
    ``one_of``: each launch file starts it by itself, and its owner chooses one.
    """

    kind: str
    host: str
    manageable: bool
    launch_files: tuple[Path, ...]
    why_not: str | None
    where_flags_go: str
    owners_file: Path | None = None
    one_of: bool = False


@dataclass(frozen=True, slots=True)
class Credentials:
    """User and password that are made for one trial. The password has no colon, which would end some web UIs."""

    user: str
    password: str

    @classmethod
    def make(cls) -> Credentials:
        """128 random bits."""
        return cls("autotune", secrets.token_hex(16))


@dataclass(frozen=True, slots=True)
class TrialStart:
    """One start of a web UI as a trial.

    ``words``: all argv words of its owner's with the set to be tried; the web UI's folder leaves out those about
    network, sharing, secrets and updates. ``settings``: options that the trial's own settings hold. ``launch_file``:
    whose variables the process gets. ``own_script``: start as its owner does, by the web UI's own script, which then
    gives the words. ``folder``: the trial's own, empty; everything it writes goes there. ``port``: on loopback.
    """

    root: Path
    python: Path
    words: tuple[str, ...]
    settings: tuple[tuple[str, SettingValue], ...]
    launch_file: Path | None
    own_script: bool
    folder: Path
    port: int
    credentials: Credentials


@dataclass(frozen=True, slots=True)
class TrialCommand:
    """How a trial is started: ``argv`` (on Windows a whole command line, where a script needs one) and the whole
    environment; ``warnings``: in words, what cannot be as in the user's own start."""

    argv: tuple[str, ...] | str
    environment: dict[str, str]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LogLines:
    """What lines of a web UI's output mean.

    ``ready``: its model is loaded; ``failed``: no model can be loaded. ``installs``, ``installed``: it begins to
    install or download, and is done with that. ``attention``: an attention class was applied, named by the group
    ``name``. ``spoiled``: from here on its clips are not of the set that was asked for, ``why_spoiled`` in words, and
    ``spoiled_as`` the failure class of such a clip.
    """

    ready: re.Pattern[str] = NEVER
    failed: re.Pattern[str] = NEVER
    installs: re.Pattern[str] = NEVER
    installed: re.Pattern[str] = NEVER
    attention: re.Pattern[str] = NEVER
    spoiled: re.Pattern[str] = NEVER
    why_spoiled: str = ""
    spoiled_as: Failure = "nan"


@dataclass(frozen=True, slots=True)
class Reported:
    """What a running web UI says of itself: its command line as parsed, its options, and the attention class that its
    log named last (None: it named none, or nobody reads its log)."""

    flags: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    attention: str | None = None


@dataclass(frozen=True, slots=True)
class FlagState:
    """Whether a flag is on the running command line, and in effect; None: nobody was asked. ``why``: in words."""

    flag: str
    on_command_line: bool | None
    in_effect: bool | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class RunningJob:
    """Whether a web UI has a job running; ``name``, ``fraction`` (0 to 1) and the sampling ``step`` of ``steps`` of it
    as it tells; where it tells none, a job is one that is in its queue."""

    busy: bool
    name: str = ""
    fraction: float = 0.0
    step: int = 0
    steps: int = 0


Classes: TypeAlias = "tuple[Failure, ...]"


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check of ``doctor``. ``ok`` False means that tuning would fail; ``hint``: how to mend it;
    ``prevents``: the failure classes of trials that come of it when it is not heeded."""

    name: str
    ok: bool
    detail: str
    hint: str = ""
    prevents: Classes = ()


@dataclass(frozen=True, slots=True)
class OwnExtension:
    """An extension of autotune's own for a web UI: where it would lie, and its files.

    ``files``, and ``switches`` (installed on request alone): name with "/" -> bytes. ``settings``: the file in which
    the web UI saves its options; ``traces`` tells from these what is there because of the extension: lists to be
    replaced, and options to be taken out.
    """

    folder: Path
    files: Mapping[str, bytes]
    switches: Mapping[str, bytes]
    settings: Path
    traces: Callable[[Mapping[str, Any]], tuple[dict[str, list[Any]], tuple[str, ...]]]


class GivenWords(Protocol):
    """The words that a web UI's own start script gave it."""

    @property
    def words(self) -> tuple[str, ...]:
        """Those that a trial keeps, readable."""

    def differences(self, expected: Sequence[str]) -> list[str]:
        """Sentences that say how they differ from those ``expected``; credentials are masked."""

    def missing(self, expected: Sequence[str]) -> list[str]:
        """A sentence on the words of ``expected`` that were not given, none where all were; credentials are masked."""


class WebUIClient(Protocol):
    """One running web UI, asked through its API. Every method raises ApiProblem when an answer is not usable.

    A class inherits from this one; what it does not override its web UI cannot do: interrupt, tell its memory, change
    options.
    """

    base_url: str

    def answers(self, limit: float = 10.0) -> None:
        """Returns when it answers a cheap request within ``limit`` seconds. ApiProblem of status 401: it asks for
        other credentials."""

    def still(self, limit: float = 60.0) -> None:
        """Renders the cheapest picture there is; returns when that worked, so that a model is loaded."""

    def render(
        self, workload: Workload, seed: int, *, motion_module: str | None = None, limit: float = 600.0,
        cancel: threading.Event | None = None,
    ) -> Rendered:
        """One clip, with the evidence that it was computed now. Blocks until it is done."""

    def interrupt(self, limit: float = 5.0) -> None:
        """Asks the running job to end."""
        return

    def was_interrupted(self, limit: float = 5.0) -> bool:
        """Whether the last job was interrupted or skipped."""
        return False

    def memory(self) -> Memory:
        """Memory of the process and the device."""
        from autotune.model.api import Memory

        return Memory()

    def job(self, limit: float = 5.0) -> RunningJob:
        """Whether it has a job running, and how far that is."""

    def reported(self, attention: str | None = None) -> Reported:
        """Its command line and options as its API tells them; ``attention``: the class that its log named last."""

    def set_options(self, values: Mapping[str, SettingValue], limit: float = 120.0) -> None:
        """Changes options and reads them back."""
        return


class WebUI(Protocol):
    """What autotune asks of one kind of web UI. Only ``prepare`` writes anything, into the trial's own folder.

    A kind is a class that inherits from this one: what it does not override has the answer of a plain web UI, whose
    options are fixed at its start and whose launch file is no script. Required are ``programs``, ``folder_names``,
    ``holds``, ``catalogue``, ``layout``, ``inspect``, ``fingerprint``, ``space``, ``process_for``, ``prepare``,
    ``client``, ``clients``, ``effective``, ``name_of`` and ``mismatches``.
    """

    lines: LogLines = LogLines()
    programs: tuple[str, ...]
    """Names of the scripts that its process runs, by which a running one is recognised."""
    formats: tuple[LaunchFormat, ...] = ()
    """Formats of its launch files that are no scripts."""
    live_parts: tuple[str, ...] = ()
    """Parts of the fingerprint whose change acts in a running process; all others act from its next start on."""
    folder_names: tuple[str, ...]
    """What its folder is usually called, the likeliest first."""
    usual_profile: str = "default"
    """The profile that it is tuned with where nobody names one."""

    def holds(self, root: Path) -> bool:
        """Whether the folder seems to be an install of this kind."""

    def meant(self, path: Path) -> Iterator[Path]:
        """Folders that may be the install that somebody means who names ``path``, which is none."""
        return (path / name for name in self.folder_names)

    def catalogue(self, root: Path) -> Catalogue:
        """What is known of each flag of the install."""

    def layout(self, root: Path) -> Layout:
        """Where the install's flags are written."""

    def read(self, root: Path, layout: Layout) -> LaunchFile:
        """The launch file whose words count. Raises NothingToWorkOn and Refused."""
        from autotune.launchfile.reader import read

        if not layout.manageable:
            raise NothingToWorkOn(layout.why_not or _("this install is not managed"),
                                  _("Its flags go here: {place}").format(place=layout.where_flags_go))
        return read(layout.launch_files[-1], root=root)

    def inspect(self, root: Path, launch_file: Path | None, words: tuple[str, ...]) -> Machine:
        """GPU, interpreter, models, settings and fingerprint as one value; changes nothing. Raises NothingToWorkOn."""

    def fingerprint(self, root: Path, launch_file: Path | None, words: tuple[str, ...]) -> Fingerprint:
        """What can make a result stale, read from files alone: quick, and starts nothing. Raises NothingToWorkOn."""

    def shared_parts(self, fingerprint: Fingerprint) -> list[tuple[str, str]]:
        """The parts that machines of one study have in common: all but which of its GPUs a web UI is told to use."""
        return list(fingerprint.parts)

    def narrowed(self, parts: Mapping[str, str], context: int) -> dict[str, str]:
        """The parts of a fingerprint with only what a clip of ``context`` frames at a time uses of the models."""
        return dict(parts)

    def watched(self, root: Path, launch_file: Path | None, words: tuple[str, ...]) -> list[Path]:
        """Folders in which something that a result depends on can change."""
        return [root]

    def variables(self, root: Path, launch_file: Path | None) -> Mapping[str, str]:
        """The environment that the user's own start makes of this process's."""
        return dict(os.environ)

    def device_of(self, words: Sequence[str]) -> int:
        """Which of the visible GPUs its flags choose, counted from 0."""
        return 0

    def checks(self, machine: Machine, launch_file: Path | None) -> Iterator[Check]:
        """What ``doctor`` finds in the install's files, settings and flags; starts nothing."""
        return iter(())

    def refused(self, root: Path, words: Sequence[str], file: LaunchFile | None) -> str | None:
        """Why a start with these words would stop at them, in a sentence; None where it would not."""
        return None

    def motion_module(self, machine: Machine, context: int) -> str | None:
        """The motion module to render with, ``context`` frames at a time; None: it has none, or chooses itself."""
        return None

    def ask_shell(self, root: Path, file: LaunchFile, data: bytes | None) -> tuple[str, ...] | str:
        """The words of a launch file that reading leaves uncertain, as its shell gives them in a sandbox; ``data``:
        bytes to take in place of its content. A text: why they are not known. Raises AutotuneError."""
        return _("only a shell script can be asked about")

    def read_workflow(self, workload: Workload) -> Workload:
        """The workload of a workflow's file with what can be read in it: size, frames, steps. Raises UsageProblem: the
        file is no workflow of this web UI, or it renders none."""
        raise UsageProblem(
            _("{path}: this web UI renders no workflows").format(path=workload.workflow),
            _("Leave out --workflow, in a profile or the configuration the key workflow."))

    def require_clips(self, machine: Machine) -> None:
        """Raises NothingToWorkOn when the install cannot render a clip: what is missing, and what to do."""
        return

    def space(self, machine: Machine, spec: SearchSpec | None = None) -> Space:
        """All sets that are worth a trial on this machine; None: the default search."""

    def process_for(
        self, candidate: Candidate, space: Space, cold: bool
    ) -> tuple[tuple[str, ...], Mapping[str, SettingValue]]:
        """(managed words, options) of a process that renders ``candidate``; ``cold``: with exactly its own words, else
        with those that let its mates be switched to."""

    def switch_of(self, candidate: Candidate, screening: bool) -> Mapping[str, SettingValue] | None:
        """Options that make a running process of the same ``launch_key`` compute as ``candidate``; None: only a start
        does. ``screening``: the process was started so that all its mates can be switched to."""
        return None

    def prepare(self, start: TrialStart) -> TrialCommand:
        """Lays out the trial's own files and says how to start it. Raises NothingToWorkOn, OSError."""

    def trial_words(self, words: Sequence[str]) -> tuple[str, ...]:
        """The user's words that a trial is given, too."""
        return tuple(words)

    def command_line(self, given: Sequence[str], environ: Mapping[str, str]) -> tuple[str, ...] | None:
        """All flags of a running one: ``given`` after its script's name, and those of its variables; None where they
        are not known."""
        return tuple(given)

    def given(self, start: TrialStart) -> GivenWords | None:
        """The words that its own script gave, after such a start; None where they are not known."""
        return None

    def failure(self, evidence: Evidence) -> Classified | None:
        """The failure class of a start or clip and the line that names its cause; None when nothing failed."""
        from autotune.model.failures import judge

        return judge(evidence)

    def client(self, address: str, credentials: Credentials | None) -> WebUIClient:
        """Asks the web UI at ``address`` (``http://127.0.0.1:PORT``)."""

    def clients(self, address: str, words: Sequence[str] | None) -> Iterator[WebUIClient]:
        """Clients to try, in order, for the user's own web UI at HOST:PORT; ``words``: its command line, None:
        it is not known."""

    def printed_clips(self, data: bytes) -> Printed:
        """What a piece of its output tells of the clips that it renders for its user."""
        from autotune.model.use import Printed

        return Printed(read=len(data))

    def own_output(self, data: bytes) -> int:
        """Where the newest start begins in the output of several."""
        return 0

    def saved_clips(self, root: Path, words: Sequence[str], since: float) -> list[SavedClip | None]:
        """The clips that it saved after ``since`` (seconds since 1970), oldest first; None for one that does not tell
        its figures. No prompt or name of a file is in them."""
        return []

    def effective(self, words: Sequence[str], settings: Mapping[str, SettingValue], machine: Machine) -> Effective:
        """What the web UI computes on this machine with these argv words and saved options."""

    def name_of(self, effective: Effective) -> str:
        """The id of the candidate with this effective set."""

    def mismatches(self, expected: Effective, reported: Reported, machine: Machine) -> list[str]:
        """Sentences that say where a running web UI differs from ``expected``; empty when all of it is in effect."""

    def flag_states(self, words: Sequence[str], reported: Reported | None, machine: Machine) -> list[FlagState]:
        """For each managed flag among ``words``: whether it is on the command line, and in effect. ``reported`` None:
        no running web UI was asked."""
        flags = [word for word in words if word.startswith("-")]
        if reported is None:
            return [FlagState(word, None, None, _("no running web UI was asked")) for word in flags]
        wrong = self.mismatches(self.effective(words, {}, machine), reported, machine)
        return [FlagState(word, not wrong, not wrong, "; ".join(wrong)) for word in flags]

    def usual_options(self) -> Mapping[str, SettingValue]:
        """The options that a study may set, with the web UI's own defaults."""
        return {}

    def let_flags_decide(self, settings: Mapping[str, SettingValue]) -> Mapping[str, SettingValue]:
        """Saved options that override a flag, each with the value that lets the flag decide."""
        return {}

    def settings_file(self, root: Path, words: Sequence[str]) -> Path:
        """Where its options are saved; it need not exist."""
        return root / "settings.json"

    def complaint(self, root: Path, words: Sequence[str]) -> str | None:
        """Why its own parser would stop at these words, in a sentence; None where it would not, or nobody knows."""
        return None

    def block_flags(self) -> BlockFlags:
        """Flags that a marked block in a launch file may have to take out when the script runs."""
        from autotune.launchfile.blocks import BlockFlags

        return BlockFlags()

    def own_extension(self, root: Path, words: Sequence[str]) -> OwnExtension | None:
        """The extension that autotune has for it (a tab in its page); None: it takes none."""
        return None

    def options_of(self, root: Path) -> FindOptions:
        """Finds the owner's running web UI that holds the options of a given settings file."""
        from autotune.launchfile.options import none_runs

        return none_runs
