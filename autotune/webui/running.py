"""Does the user's own web UI run, where does it listen, and is it busy? (Guarantee 3: a tune never disturbs it.)

It is asked through its API where it has one that answers us. Where it cannot be asked (no --api, which is the default;
credentials that nobody here knows; a process of another user) the CPU time of its processes over a second or two
decides. Its page is no help: /internal/progress answers for a task whose id the browser made up, and gradio's queue
tells of waiting jobs, not of the one that runs. What cannot be told is None, and None is not free.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from autotune.language.translate import N_, _
from autotune.machine.cpu_use import CpuMeter, CpuUse
from autotune.machine.processes import MARKER, alive
from autotune.model.api import ApiProblem
from autotune.model.errors import Busy
from autotune.webui import recognise

if TYPE_CHECKING:
    import psutil

    from autotune.webui.face import WebUI, WebUIClient

CLOSE_IT = N_("Close it and run again: while it is down, its settings file is changed instead.")
"""What to do about a web UI that holds its options and does not let them be changed."""
SHELLS = ("sh", "bash", "dash", "zsh", "fish", "ksh", "env", "nice", "setsid", "nohup")
"""Programs that may turn into a web UI (exec) under the same process id, however long they have run."""
MAY_CHANGE = 2.0
"""Seconds after its start in which a process may still become another program."""
ANSWER_LIMIT = 2.0
"""Seconds that a web UI is given to answer; an idle one takes a few thousandths of one."""
CPU_SPAN = 2.0
"""Seconds between the two readings of CPU time of a process that was not read before."""
SHORTEST_SPAN, LONGEST_SPAN = 0.7, 5.0
"""Seconds between two readings of CPU time that tell of now: in less a burst counts as work, in more a job that has
just begun is lost among the idle time before it."""


@dataclass(frozen=True, slots=True)
class OwnWebUI:
    """One running web UI that autotune did not start.

    ``listens``: (host, port) pairs by which it is reached from this machine; empty while it starts, None where the
    system does not tell (a process of another user). ``words``: its flags, those in variables too; None where the
    system does not tell. ``certain``: its folder could be read; else it may be a web UI of another folder. ``user``:
    the owner of a process that is not ours. ``kind``: the kind of web UI that knows its API (None: the first one).
    """

    pid: int
    listens: tuple[tuple[str, int], ...] | None
    words: tuple[str, ...] | None
    certain: bool = True
    user: str = ""
    kind: WebUI | None = field(default=None, compare=False, repr=False)

    @property
    def name(self) -> str:
        """For people."""
        which = _("pid {pid}, port {port}") if self.listens else _("pid {pid}")
        text = _("the web UI ({which})") if self.certain else _("a web UI ({which})")
        if self.user:
            text = _("the web UI of user {user} ({which})") if self.certain else _("a web UI of user {user} ({which})")
        return text.format(
            user=self.user, which=which.format(pid=self.pid, port=self.listens[0][1] if self.listens else 0))


@dataclass(frozen=True, slots=True)
class Activity:
    """Whether one web UI has a job running: True, False, or None where nobody can tell; ``evidence``: what
    tells it, in words."""

    webui: OwnWebUI
    busy: bool | None
    evidence: str

    @property
    def free(self) -> bool:
        """It certainly has no job running."""
        return self.busy is False

    def __str__(self) -> str:
        text = _("{name} is idle: {evidence}") if self.free else _("{name} may have a job running: {evidence}")
        if self.busy:
            text = _("{name} has a job running: {evidence}")
        return text.format(name=self.webui.name, evidence=self.evidence)


# Which processes

class Finder:
    """Finds the web UIs that run from one folder. Remembers what each process is, so that searching again is cheap."""

    def __init__(self, root: Path) -> None:
        self.root, self._webui = root, recognise.face_of(root)
        self._known: dict[int, OwnWebUI | None] = {}

    def web_uis(self, ours: Collection[int] = ()) -> tuple[OwnWebUI, ...]:
        """Every web UI that runs from the folder, but trials of ours and processes in ``ours``.

        Processes of one start (accelerate and its child, the two that a venv makes on Windows) count as one.
        """
        import psutil

        now = set(psutil.pids())
        self._known = {pid: kind for pid, kind in self._known.items() if pid in now}
        for pid in now - set(self._known):
            try:
                process = psutil.Process(pid)
                kind = _web_ui_of(process, self.root, self._webui) if pid != os.getpid() else None
                if kind is not None or _keeps_its_program(process):
                    self._known[pid] = kind
            except (psutil.Error, OSError):
                continue
        found = {pid: kind for pid, kind in self._known.items() if kind is not None and pid not in ours and _lives(pid)}
        return tuple(_one_per_start(found))


def web_uis(root: Path) -> tuple[OwnWebUI, ...]:
    """Every web UI that runs from ``root``, but trials of ours."""
    return Finder(root).web_uis()


def is_running(root: Path) -> bool:
    """Whether the user's own web UI runs from ``root``."""
    return any(one.certain for one in web_uis(root))


def _lives(pid: int) -> bool:
    """Whether a process runs. An ended one is listed until its parent asks for its exit code, which some never do."""
    import psutil

    try:
        return alive(psutil.Process(pid))
    except (psutil.Error, OSError):
        return False


def _keeps_its_program(process: psutil.Process) -> bool:
    """Whether a process will not become another program any more, so that what it is need not be asked again."""
    return time.time() - process.create_time() > MAY_CHANGE and process.name() not in SHELLS


def _web_ui_of(process: psutil.Process, root: Path, webui: WebUI) -> OwnWebUI | None:
    import psutil

    line = process.cmdline()
    program = _script_of(line, webui.programs)
    if program is None:
        return None
    try:
        environ = process.environ()
    except (psutil.AccessDenied, OSError):
        environ = None
    if environ is not None and MARKER in environ:
        return None
    path, at = program
    certain = True
    if not path.is_absolute():
        try:
            path = Path(process.cwd()) / path
        except (psutil.AccessDenied, OSError):
            certain = False
    if certain and not _same_folder(path.parent, root):
        return None
    words = webui.command_line(line[at + 1 :], environ) if environ is not None else None
    return OwnWebUI(process.pid, (), words, certain, "" if environ is not None else _user_name(process), webui)


def _script_of(words: Sequence[str], programs: Collection[str]) -> tuple[Path, int] | None:
    """(Script, its index) of a Python command line that runs one of ``programs``, directly or through accelerate."""
    if not words or not any(name in Path(words[0]).name.lower() for name in ("python", "accelerate")):
        return None
    by_accelerate, value_follows = "accelerate" in words[0], False
    for index, word in enumerate(words[:20]):
        if index == 0:
            continue
        if value_follows and not by_accelerate:
            value_follows = False
            continue
        if Path(word).name in programs:
            return Path(word), index
        if words[index - 1] == "-m" and f"{word}.py" in programs:
            return Path(f"{word}.py"), index
        by_accelerate = by_accelerate or "accelerate" in word
        if not by_accelerate and not word.startswith("-"):
            return None  # another script, which may have the name among its arguments
        # Of Python's own options these take a word that follows.
        value_follows = re.fullmatch(r"-[A-Za-z]*[XW]|--check-hash-based-pycs", word) is not None
    return None


def _same_folder(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _user_name(process: psutil.Process) -> str:
    import psutil

    try:
        return process.username()
    except (psutil.Error, OSError, KeyError):
        return _("unknown")


def _one_per_start(found: dict[int, OwnWebUI]) -> Iterator[OwnWebUI]:
    """One web UI a start: the topmost of its processes, with the ports of all of them."""
    import psutil

    first: dict[int, list[int]] = {}
    for pid in sorted(found):
        try:
            above = [parent.pid for parent in psutil.Process(pid).parents() if parent.pid in found]
        except (psutil.Error, OSError):
            above = []
        first.setdefault(above[-1] if above else pid, []).append(pid)
    for pid, members in sorted(first.items()):
        ports = [_listening_on(member) for member in members]
        known = None if None in ports else tuple(dict.fromkeys(pair for one in ports for pair in one or ()))
        yield replace(found[pid], listens=known, words=found[max(members)].words)


def _listening_on(pid: int) -> tuple[tuple[str, int], ...] | None:
    import psutil

    try:
        connections = psutil.Process(pid).net_connections(kind="inet")
    except psutil.NoSuchProcess:
        return ()
    except (psutil.Error, OSError):
        return None
    return tuple(dict.fromkeys((_host_to_ask(one.laddr.ip), one.laddr.port)
                               for one in connections if one.status == psutil.CONN_LISTEN))


def _host_to_ask(address: str) -> str:
    """The host by which a listener is asked: loopback, unless it listens on another address only."""
    if address in ("0.0.0.0", "::", "127.0.0.1"):  # noqa: S104 - what a web UI listens on
        return "127.0.0.1"
    return f"[{address}]" if ":" in address else address


# What it says

@dataclass(frozen=True, slots=True)
class JobAnswer:
    """What a web UI answered when it was asked for its job. ``kind``: it has a job, has none, answers but does not tell
    (closed), does not answer, has no port yet, or its ports cannot be seen."""

    kind: Literal["job", "none", "closed", "silent", "no_port", "unseen"]
    text: str


def _clients(one: OwnWebUI, host: str, port: int) -> Iterator[WebUIClient]:
    return (one.kind or next(recognise.kinds())).clients(f"{host}:{port}", one.words)


def ask(one: OwnWebUI, limit: float = ANSWER_LIMIT) -> JobAnswer:
    """Asks a web UI whether it has a job running; ``limit``: seconds a request may take. Raises nothing."""
    if one.listens is None:
        text = _("it belongs to user {user}") if one.user else _("its ports cannot be seen")
        return JobAnswer("unseen", text.format(user=one.user))
    if not one.listens:
        return JobAnswer("no_port", _("it is starting, or has no port"))
    found: list[JobAnswer] = []
    for host, port in one.listens:
        for client in _clients(one, host, port):
            said = _ask_client(client, limit)
            found.append(said)
            # One that is silent is asked another way only where it may speak TLS instead.
            if said.kind in ("job", "none") or (said.kind == "silent" and one.words is not None):
                break
        if found[-1].kind == "job":
            return found[-1]
    order = ("none", "closed", "silent")
    return min(found, key=lambda said: order.index(said.kind))


def _ask_client(client: WebUIClient, limit: float) -> JobAnswer:
    try:
        job = client.job(limit)
    except ApiProblem as problem:
        if problem.status in (401, 403):
            return JobAnswer("closed", _("it asks for credentials that its command line does not name"))
        if problem.status == 404:
            return JobAnswer("closed", _("it has no API (it was started without --api)"))
        if problem.kind in ("timeout", "closed", "unreachable"):
            return JobAnswer("silent", _("it does not answer"))
        return JobAnswer("closed", _("its answer is not that of a known API"))
    if job.busy and not job.name and not job.fraction:  # a kind that tells of its queue only
        return JobAnswer("job", _("something is in its queue"))
    if job.busy:
        return JobAnswer("job", _("job {name} at {fraction:.0%}").format(name=job.name or "?", fraction=job.fraction))
    return JobAnswer("none", _("no job"))


@dataclass(frozen=True, slots=True)
class ReachedWebUI:
    """The user's running web UI whose API answers, and the client that asks it."""

    pid: int
    port: int
    client: WebUIClient

    @property
    def name(self) -> str:
        """For people."""
        return _("the running web UI (pid {pid}, port {port})").format(pid=self.pid, port=self.port)


def reach(root: Path, wanted: Callable[[OwnWebUI], bool] = lambda _: True) -> ReachedWebUI | None:
    """The user's running web UI of this install that is ``wanted``; None if none runs.

    Raises Busy when one runs and does not answer, or when there is more than one.
    """
    found: list[ReachedWebUI] = []
    why: Busy | None = None
    for one in web_uis(root):
        if one.certain and wanted(one):
            try:
                found.append(_reach_one(one))
            except Busy as busy:
                why = busy
    if len(found) > 1:
        pids = ", ".join(str(one.pid) for one in found)
        raise Busy(_("{count} web UIs run from {root} (pids {pids})").format(count=len(found), root=root, pids=pids),
                   _("Close all of them but one, and run again."))
    if not found and why is not None:
        raise why
    return found[0] if found else None


def _reach_one(one: OwnWebUI) -> ReachedWebUI:
    """The one of its ports that answers as its API. Raises Busy when none does."""
    if one.listens is None:
        raise Busy(_("{name} cannot be asked: its ports cannot be seen").format(name=one.name), _(CLOSE_IT))
    if not one.listens:
        raise Busy(_("a web UI (pid {pid}) is starting, or has no port").format(pid=one.pid),
                   _("Run again when it has started, or close it."))
    reason = ""
    text = _("{name} has no API that answers (it was started without --api)")
    for host, port in one.listens:
        for client in _clients(one, host, port):
            try:
                client.answers()
            except ApiProblem as problem:
                if problem.status in (401, 403):
                    text = _("{name} asks for credentials that its command line does not name")
                elif problem.status != 404 and problem.kind not in ("closed", "unreachable", "not_json"):
                    text = _("{name} does not answer: {reason}")
                    reason = problem.message
                continue
            return ReachedWebUI(one.pid, port, client)
    name = _("the web UI ({which})").format(
        which=_("pid {pid}, port {port}").format(pid=one.pid, port=one.listens[0][1]))
    raise Busy(text.format(name=name, reason=reason), _(CLOSE_IT))


def activity_of(one: OwnWebUI, said: JobAnswer, use: CpuUse | None) -> Activity:
    """Whether a web UI is busy, from its answer and from the CPU time that its process used. Pure."""
    if said.kind == "job":
        return Activity(one, True, said.text)
    if use is not None and use.works:
        return Activity(one, True, _("{answer}, and its process {use}").format(answer=said.text, use=use))
    if said.kind == "none":
        return Activity(one, False, said.text)
    did = _("its process {use}").format(use=use) if use is not None else _("how much CPU its process uses is not told")
    if said.kind in ("closed", "unseen") and use is not None:
        return Activity(one, False, _("{answer}; {use}").format(answer=said.text, use=did))
    return Activity(one, None, _("{answer}; {use}").format(answer=said.text, use=did))


class Monitor:
    """Tells again and again whether the web UIs of one folder are busy."""

    def __init__(self, root: Path, ours: Callable[[], Collection[int]] = frozenset) -> None:
        """``ours``: ids of processes that are never the user's, such as those of a session of the agent."""
        self.finder = Finder(root)
        self._ours = ours
        self._meter = CpuMeter(ours)

    def activities(self, span: float = CPU_SPAN) -> tuple[Activity, ...]:
        """Whether each is busy now. Takes ``span`` seconds where the last reading is too old; none where none runs."""
        found = self.finder.web_uis(self._ours())
        self._meter.keep_only([one.pid for one in found])
        ages = [self._meter.age(one.pid) for one in found]
        wait = max((_seconds_to_wait(age, span) for age in ages), default=0.0)
        for one, age in zip(found, ages, strict=True):
            if age is None or age > LONGEST_SPAN:
                self._meter.read(one.pid)
        if wait:
            time.sleep(wait)
        told: list[Activity] = []
        for one in found:
            use = self._meter.read(one.pid)
            # One that computes need not be asked: a preview would be decoded for the answer.
            said = JobAnswer("closed", _("it is at work")) if use is not None and use.works and not wait else ask(one)
            told.append(activity_of(one, said, use))
        return tuple(told)


def _seconds_to_wait(age: float | None, span: float) -> float:
    """Seconds to wait for the second reading of CPU time; ``age``: seconds since the first, None: there is none."""
    if age is None or age > LONGEST_SPAN:
        return span
    return max(0.0, SHORTEST_SPAN - age)


def activities(root: Path) -> tuple[Activity, ...]:
    """Whether each web UI of the folder is busy now. Takes two seconds where one runs, else no time."""
    return Monitor(root).activities()
