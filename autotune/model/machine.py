"""What the probe finds: GPUs, the web UI, its runtime, its models, and the fingerprint of it all."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from autotune.model.flagset import FlagSet, SettingValue


@dataclass(frozen=True)
class Gpu:
    """One GPU as NVML sees it. Memory in MiB, temperature in °C, power in W; None where NVML did not say."""

    index: int
    name: str
    uuid: str
    compute_capability: str | None
    memory_total: float | None
    memory_used: float | None
    driver_version: str | None
    cuda_driver_version: str | None
    clocks: dict[str, int] = field(default_factory=dict)
    temperature: int | None = None
    power_limit: float | None = None
    throttle_reasons: tuple[str, ...] = ()
    memory_untold: str | None = None
    """Why the memory of single processes on it is not known, in words; None where it is."""


@dataclass(frozen=True)
class Runtime:
    """What the web UI's own interpreter has. None: a package is absent. ``device``: cuda, mps or cpu.

    ``switches``: switches of PyTorch that a study can set here, with the levels that each offers; none where the web UI
    lacks what sets them. ``packages``: the version of each package that its kind of web UI asked about and that can be
    imported there, by the name it is imported by; "unknown" where it tells no version.
    """

    python: str | None
    torch: str | None
    cuda: str | None
    cudnn: str | None
    xformers: str | None
    sdp_backends: tuple[str, ...] = ()
    device: str = "cpu"
    compute_capability: str | None = None
    switches: dict[str, list[str]] = field(default_factory=dict)
    packages: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class MotionModule:
    """One motion module file. ``name``: its path below the extension's model folder, ``size`` in bytes."""

    name: str
    path: Path
    size: int


@dataclass(frozen=True)
class AnimateDiff:
    """The AnimateDiff extension of an install; ``root`` is its folder.

    ``option``: the saved "path" setting, where it names a folder of motion modules of its own.
    """

    root: Path
    version: str | None
    commit: str | None
    motion_modules: tuple[MotionModule, ...]
    option: str | None = None


@dataclass(frozen=True)
class ProbedInstall:
    """An install of a web UI, as the probe found it. ``flags`` are all argv words its launch file gives; tuned and kept
    split them.

    ``flavour`` is a1111, reference, reforge, amdgpu, forge, forge2, forge-neo, sdnext, docker or unknown.
    ``python`` is the interpreter its start script would use, None if missing.
    ``lacks``: flags that its flavour usually has but this install's parser would refuse.
    ``certain``: the flags follow from the launch file; else ``depends`` says on what they depend that only the shell
    knows, and ``flags`` are what the shell gave when it was asked, or a guess.
    """

    flavour: str
    version: str | None
    commit: str | None
    root: Path
    python: Path | None
    launch_file: Path | None
    flags: tuple[str, ...]
    tuned_flags: tuple[str, ...]
    kept_flags: tuple[str, ...]
    running: bool
    manageable: bool
    why_not: str | None = None
    certain: bool = True
    depends: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fingerprint:
    """Named parts whose change can make a result stale; ``id`` is a hash of them all."""

    id: str
    parts: tuple[tuple[str, str], ...]


def moved_items(before: str, after: str) -> list[str]:
    """What came and went where a part of a fingerprint is a list ("a 1, b 2"): "− a 1", "+ c 3"; empty for others."""
    if ", " not in before + after:
        return []
    old, new = (value.split(", ") if value else [] for value in (before, after))
    return [*(f"− {one}" for one in old if one not in new), *(f"+ {one}" for one in new if one not in old)]


@dataclass(frozen=True)
class Machine:
    """Everything one probe saw. ``settings`` are the options of config.json that bear on tuning."""

    gpus: tuple[Gpu, ...]
    webui: ProbedInstall
    runtime: Runtime
    animatediff: AnimateDiff | None
    models: tuple[Path, ...]
    settings: tuple[tuple[str, SettingValue], ...]
    fingerprint: Fingerprint
    warnings: tuple[str, ...]

    @property
    def current(self) -> FlagSet:
        """The user's current managed set: tuned words as given, overriding settings as saved."""
        return FlagSet(self.webui.tuned_flags, self.settings)
