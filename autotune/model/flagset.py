"""Flag sets: the words that are written, the effect that they have, and the space that a study searches."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from autotune.language.translate import N_

SettingValue = bool | int | float | str

NONE_TUNED = N_("none of the flags tuned here")
"""Name of a set without any tuned word or setting: other flags may be on the command line all the same."""


@dataclass(frozen=True)
class FlagSet:
    """What is written for a set: tuned argv words in canonical order, and options of config.json."""

    words: tuple[str, ...] = ()
    settings: tuple[tuple[str, SettingValue], ...] = ()


@dataclass(frozen=True)
class Effective:
    """The effect of a set once the web UI has applied its own rules (docs/webuis.md, "Which flags matter").

    ``attention`` is one of xformers, doggettx, sdp-no-mem, sdp, sub-quad, v1, invokeai, none. ``unet`` and ``vae`` are
    the storage types fp16 or fp32; ``precision`` autocast, full or half; ``memory`` none, medvram or lowvram. The next
    three are switches of PyTorch, at "default" where nobody set them. ``more``: (dimension, level) of what other kinds
    of web UI have besides, sorted, without those at their default.
    """

    attention: str
    channelslast: bool
    unet: str
    vae: str
    precision: str
    upcast: bool
    memory: str
    batch_cond_uncond: bool
    cudnn_benchmark: str = "default"
    fp16_accumulation: str = "default"
    sdpa_order: str = "default"
    more: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Candidate:
    """One effective set of a study's space.

    ``id`` names the effective set and is the same in every run (no two candidates share one);
    ``launch_key`` is equal for candidates that one process can serve in turn by live switches;
    ``levels`` gives its value on each searched dimension, as text, in the space's dimension order;
    ``simplicity`` orders ties, smaller is simpler: (words and settings written, differences from the
    user's current set).
    """

    id: str
    flags: FlagSet
    effective: Effective
    launch_key: str
    levels: tuple[tuple[str, str], ...]
    simplicity: tuple[int, int]

    def differing_levels(self, other: Candidate) -> tuple[tuple[str, str], ...]:
        """This set's (dimension, level) pairs that ``other``, a set of the same space, does not have."""
        return tuple(mine for mine, theirs in zip(self.levels, other.levels, strict=True) if mine != theirs)


@dataclass(frozen=True)
class Excluded:
    """A set that is not tried, with the reason in words for the user."""

    flags: FlagSet
    reason: str


@dataclass(frozen=True)
class Dimension:
    """One thing that may vary, with its levels; ``live``: it can be switched in a running process."""

    name: str
    levels: tuple[str, ...]
    live: bool


@dataclass(frozen=True)
class Space:
    """All effective sets of one study. ``baseline`` is the id of the user's current set, always a member."""

    dimensions: tuple[Dimension, ...]
    candidates: tuple[Candidate, ...]
    baseline: str
    excluded: tuple[Excluded, ...] = ()

    def __getitem__(self, candidate_id: str) -> Candidate:
        """The candidate of that id. Raises KeyError."""
        return self._by_id[candidate_id]

    @cached_property
    def _by_id(self) -> dict[str, Candidate]:
        return {candidate.id: candidate for candidate in reversed(self.candidates)}
