"""The door of the pretend web UI: all that autotune needs to tune it."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from autotune.flags.catalogue import Catalogue, Flag
from autotune.flags.words import canonical, split
from autotune.flags.words import replace as replace_words
from autotune.launchfile.formats import LaunchFormat
from autotune.launchfile.launch_file import IsManaged, LaunchFile
from autotune.model.api import Rendered
from autotune.model.failures import Classified, Evidence
from autotune.model.flagset import Candidate, Dimension, Effective, FlagSet, SettingValue, Space
from autotune.model.machine import Fingerprint, Machine, ProbedInstall, Runtime
from autotune.model.workload import SearchSpec, Workload
from autotune.webui import face
from autotune.webui.transport import Transport

ENGINES = ("plain", "swift", "dull")
FLAG = Flag("--engine", "searched", "what computes", takes="1", dimension="engine", values=ENGINES)
KNOWN = Catalogue("pretend", "the pretend web UI", True, None, "pretend", {"--engine": FLAG}, always=("engine",))
LINE = re.compile(rb"^flags = (.*)$", re.MULTILINE)


class Ini(LaunchFormat):
    """pretend.ini: one line ``flags = …``."""

    name = "pretend-ini"

    def claims(self, path: Path) -> bool:
        return path.name == "pretend.ini"

    def parse(self, data: bytes, path: Path, root: Path | None) -> LaunchFile:
        found = LINE.search(data)
        words = tuple(shlex.split(found[1].decode())) if found else ()
        return LaunchFile(path, self.name, data, words, True, None if found else "it has no line of flags", root=root)

    def edit(self, file: LaunchFile, target: Sequence[str], is_managed: IsManaged) -> bytes:
        words = replace_words(file.words, FlagSet(tuple(target)), KNOWN)
        return LINE.sub(b"flags = " + shlex.join(words).encode(), file.data, count=1)


class Asked(face.WebUIClient):
    """Its API."""

    def __init__(self, address: str, auth: tuple[str, str] | None) -> None:
        self.base_url, self._transport = address, Transport(address, auth)

    def answers(self, limit: float = 10.0) -> None:
        self._transport.call("GET", "/v2/hello", limit=limit)

    def still(self, limit: float = 60.0) -> None:
        self.render(Workload(64, 64, 1, 1), 1, limit=limit)

    def render(self, workload: Workload, seed: int, *, motion_module: str | None = None, limit: float = 600.0,
               cancel: Any = None) -> Rendered:
        job = {"width": workload.width, "height": workload.height, "frames": workload.frames, "seed": seed}
        answer: Any = self._transport.call("POST", "/v2/animate", job, limit=limit, cancel=cancel)
        return Rendered((base64.b64decode(answer.data["gif"]),), "", answer.seconds, None)

    def job(self, limit: float = 5.0) -> face.RunningJob:
        self.answers(limit)
        return face.RunningJob(False)

    def reported(self, attention: str | None = None) -> face.Reported:
        answer: Any = self._transport.call("GET", "/v2/hello")
        return face.Reported(answer.data["args"])


class Pretend(face.WebUI):
    programs, folder_names, formats = ("pretend.py",), ("pretend-webui",), (Ini(),)
    lines = face.LogLines(ready=re.compile("^pretend is up"))

    def holds(self, root: Path) -> bool:
        return (root / "pretend.py").is_file()

    def catalogue(self, root: Path) -> Catalogue:
        return KNOWN

    def layout(self, root: Path) -> face.Layout:
        file = root / "pretend.ini"
        return face.Layout("pretend", "", file.is_file(), (file,), None, str(file), file)

    def inspect(self, root: Path, launch_file: Path | None, words: tuple[str, ...]) -> Machine:
        parts = split(words, KNOWN)
        install = ProbedInstall("pretend", "1", None, root, Path(sys.executable), launch_file, words, parts.tuned,
                                parts.kept, False, True)
        return Machine((), install, Runtime(None, None, None, None, None), None, (), (),
                       self.fingerprint(root, launch_file, words), ())

    def fingerprint(self, root: Path, launch_file: Path | None, words: tuple[str, ...]) -> Fingerprint:
        code = hashlib.sha256((root / "pretend.py").read_bytes()).hexdigest()
        return Fingerprint(code[:12], (("webui_version", code), ("kept_flags", " ".join(split(words, KNOWN).kept))))

    def space(self, machine: Machine, spec: SearchSpec | None = None) -> Space:
        now = self.effective(machine.webui.flags, {}, machine).attention
        found = [Candidate(f"engine={engine}", FlagSet(("--engine", engine)), self._of(engine), f"engine={engine}",
                           (("engine", engine),), (2, 2 * (engine != now))) for engine in ENGINES]
        own = FlagSet(canonical(machine.webui.tuned_flags, KNOWN))
        sets = [replace(one, flags=own) if one.id == f"engine={now}" else one for one in found]
        return Space((Dimension("engine", ENGINES, False),), tuple(sets), f"engine={now}")

    def process_for(
        self, candidate: Candidate, space: Space, cold: bool
    ) -> tuple[tuple[str, ...], dict[str, SettingValue]]:
        return candidate.flags.words, {}

    def prepare(self, start: face.TrialStart) -> face.TrialCommand:
        (start.folder / "tmp").mkdir()
        user = f"{start.credentials.user}:{start.credentials.password}"
        program = (str(start.python), str(start.root / "pretend.py"), *start.words, "--port", str(start.port))
        return face.TrialCommand(program, {**os.environ, "PRETEND_USER": user})

    def client(self, address: str, credentials: face.Credentials | None) -> Asked:
        return Asked(address, (credentials.user, credentials.password) if credentials else None)

    def clients(self, address: str, words: Sequence[str] | None) -> Iterator[Asked]:
        yield Asked(f"http://{address}", None)

    def failure(self, evidence: Evidence) -> Classified | None:
        inkless = next((line for line in evidence.log_tail if "out of ink" in line), None)
        return Classified("oom", inkless) if inkless else super().failure(evidence)

    def effective(self, words: Sequence[str], settings: Mapping[str, SettingValue], machine: Machine) -> Effective:
        given = canonical(words, KNOWN)
        return self._of(given[-1] if given else ENGINES[0])

    def _of(self, engine: str) -> Effective:
        return Effective(engine, False, "fp16", "fp16", "autocast", False, "none", True)

    def name_of(self, effective: Effective) -> str:
        return f"engine={effective.attention}"

    def mismatches(self, expected: Effective, reported: face.Reported, machine: Machine) -> list[str]:
        now = reported.flags["engine"]
        return [] if now == expected.attention else [f"the engine should be {expected.attention} and is {now}"]


WEBUI = Pretend()
