"""A world for the agent whose clock is a value: days pass in milliseconds, and it can be killed anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from autotune.agent.agent import Agent
from autotune.agent.may_run import Situation
from autotune.agent.state import Event, StateKeeper
from autotune.agent.verb_process import VerbResult
from autotune.config import config as configuration
from autotune.config.config import Config
from autotune.disk.tomlfile import TomlFile
from autotune.model.errors import AutotuneError
from autotune.model.use import Slowdown
from autotune.store.asked_tune import AskedTune

START = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)  # a Monday
PARTS = {
    **{
        "gpu": "RTX 3090",
        "gpu_memory": "24576 MiB",
        "driver": "535.98",
        "cuda_driver": "12.2",
        "os": "Linux 6.8",
    },
    **{
        "webui_flavour": "a1111",
        "webui_version": "v1.10.1",
        "webui_commit": "82a973c",
        "animatediff": "2.0.1 a8",
    },
    **{
        "extensions": "",
        "python": "3.10.6",
        "torch": "2.1.2",
        "xformers": "",
        "sageattention": "",
        "flash_attn": "",
        "checkpoint": "dream.st 2132626066",
    },
    **{"vae": "Automatic", "motion_module": "mm_v3.st 836", "settings": "", "kept_flags": "--api"},
    "profile": "default 1a2b3c4d",
}
TUNE = {"schema": 1, "kind": "tune", "decision": "keep", "reason": "nothing better"}
HOLDS = {"schema": 1, "kind": "verify", "ok": True, "measured": {"answer": "holds", "reason": "as it was"}}
BETTER = {
    **{"schema": 1, "kind": "tune", "decision": "apply", "reason": "8 of 8 pairs"},
    **{"winner": {"flags": ["--opt-sdp-attention"]}, "speedup": {"estimate": 1.4, "low": 1.3, "high": 1.5}},
}


def settings(**changes: Any) -> Config:
    """The default configuration with changes."""
    return replace(configuration.parse(TomlFile("", "test"), None), **changes)


class Killed(BaseException):
    """kill -9, at the instant it is raised."""


class FakeChild:
    """A command that takes ``length`` seconds of the world's clock and then leaves its document."""

    def __init__(self, world: FakeWorld, name: str, words: Sequence[str]) -> None:
        self.world, self.name, self.words = world, name, list(words)
        self.kind = "check" if "--measure" in words else words[0]
        self.left = world.lengths.get(self.kind, 60.0) - world.progress.get(self.goal, 0.0)
        self.began = world.clock
        self.stopped: int | None = None
        self.killed = False

    @property
    def goal(self) -> str:
        """What a session works on; a tune goes on where an earlier one for the same parts was stopped."""
        return f"{self.kind} {sorted(self.world.now_parts.items())}" if self.kind in ("tune", "check") else self.name

    def pids(self) -> frozenset[int]:
        return frozenset({4242})

    def poll(self) -> int | None:
        self.world.tick()
        if self.killed:
            return -9
        if self.stopped is not None:
            return self.stopped
        if self.world.clock - self.began < self.left:
            return None
        code, document = self.world.results.get(self.kind, (0, {"kind": self.kind}))
        if self.name not in self.world.documents:
            self.world.documents[self.name] = document
            self.world.finished.append(self.name)
        return code

    def result(self) -> VerbResult:
        code = self.poll()
        assert code is not None
        return VerbResult(code, self.world.documents.get(self.name))

    def die(self, code: int) -> None:
        """Ends now; what was measured stays."""
        if self.poll() is None:
            self.world.progress[self.goal] = (
                self.world.progress.get(self.goal, 0.0) + self.world.clock - self.began
            )
            self.stopped = code

    def stop(self) -> VerbResult:
        self.die(130)
        return self.result()


class FakeWorld:
    """Everything the agent sees and does, recorded."""

    def __init__(self) -> None:
        self.clock = 0.0
        self.offset = timedelta(0)
        self.now_parts = dict(PARTS)
        self.fault: AutotuneError | None = None
        self.events = False
        self.scene = Situation(gpu_present=True, gpu_percent=0.0)
        self.pids: set[int] = set()
        self.ports: set[int] = set()
        self.tuned = True
        self.slowdown: Slowdown | None = None
        self.lengths = {"tune": 600.0, "apply": 30.0, "verify": 5.0, "rollback": 1.0, "check": 120.0}
        self.results: dict[str, tuple[int, dict[str, Any]]] = {"tune": (0, TUNE), "check": (0, HOLDS)}
        self.children: list[FakeChild] = []
        self.documents: dict[str, dict[str, Any]] = {}
        self.finished: list[str] = []
        self.progress: dict[str, float] = {}
        self.told: list[tuple[str, str]] = []
        self.lines: list[str] = []
        self.status: dict[str, Any] = {}
        self.looks = 0
        self.fuse: int | None = None
        self.asked: AskedTune | None = None

    def asked_tune(self) -> AskedTune | None:
        return self.asked

    def forget_asked(self, name: str) -> None:
        self.tick()
        if self.asked is not None and self.asked.id == name:
            self.asked = None

    def tick(self) -> None:
        """Burns the fuse of a coming kill."""
        if self.fuse is not None:
            self.fuse -= 1
            if self.fuse < 0:
                self.fuse = None
                raise Killed

    def local_time(self) -> datetime:
        return START + timedelta(seconds=self.clock) + self.offset

    def monotonic(self) -> float:
        return self.clock

    def fingerprint_parts(self) -> dict[str, str]:
        self.tick()
        self.looks += 1
        if self.fault is not None:
            raise self.fault
        return dict(self.now_parts)

    def files_moved(self) -> bool:
        moved, self.events = self.events, False
        return moved

    def situation(self, ours: frozenset[int], session: bool) -> Situation:
        self.tick()
        return self.scene

    def webui_pids(self, ours: frozenset[int]) -> tuple[int, ...]:
        return tuple(sorted(self.pids))

    def watch_starts(self, wanted: bool) -> None:
        """Every start is in ``pids`` here."""

    def has_port(self, pid: int) -> bool:
        return pid in self.ports

    def use_period(self) -> float:
        return 3600.0

    def slower_since(self, ours: frozenset[int]) -> Slowdown | None:
        self.tick()
        return self.slowdown

    def was_tuned(self) -> bool:
        return self.tuned

    def start_verb(self, name: str, words: Sequence[str]) -> FakeChild:
        self.tick()
        assert not [c for c in self.children if c.poll() is None], "two children at once"
        child = FakeChild(self, name, words)
        self.children.append(child)
        self.tick()
        return child

    def document_of(self, name: str) -> dict[str, Any] | None:
        self.tick()
        return self.documents.get(name)

    def notify_user(self, title: str, text: str) -> None:
        self.told.append((title, text))

    def log(self, text: str) -> None:
        self.tick()
        self.lines.append(text)

    def publish_status(self, status: dict[str, Any]) -> None:
        self.status = status


class FragileKeeper(StateKeeper):
    """A keeper whose process may be killed before or after a line is on disk."""

    def __init__(self, folder: Path, world: FakeWorld) -> None:
        self.world = world
        super().__init__(folder)

    def record(self, event: Event) -> None:
        self.world.tick()
        super().record(event)
        self.world.tick()


class Life:
    """An agent in a fake world, with its state on a real disk; it can be killed and started again."""

    def __init__(self, folder: Path, config: Config | None = None, world: FakeWorld | None = None) -> None:
        self.folder, self.config = folder, config or settings()
        self.world = world or FakeWorld()
        self.kills = 0
        self.steps = 0
        self.agent: Agent | None = None

    def restart(self) -> None:
        """kill -9 and start: the children die with the agent."""
        for child in self.world.children:
            child.die(-9)
        self.agent = None

    def step(self) -> float:
        """One step of a living agent; a kill in it leads to a new one at the next call."""
        try:
            if self.agent is None:
                self.agent = Agent(self.world, FragileKeeper(self.folder, self.world), lambda: self.config)
            self.steps += 1
            return self.agent.step()
        except Killed:
            self.kills += 1
            self.world.fuse = None
            self.restart()
            return 0.0

    def run(self, seconds: float) -> None:
        """Lets the world's clock run, the agent called whenever it wants to be."""
        end = self.world.clock + seconds
        while self.world.clock < end:
            delay = self.step()
            self.world.clock = min(end, self.world.clock + max(delay, 0.01))

    @property
    def state(self) -> Any:
        assert self.agent is not None
        return self.agent.keeper.state

    def kinds(self) -> list[str]:
        """Verbs of all commands begun, in order."""
        return [child.kind for child in self.world.children]
