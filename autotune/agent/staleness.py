"""What makes a result stale: which parts of the fingerprint changed, what each change asks for, when it counts.

Computes from parts and times alone. The fingerprint's parts are texts by name ("driver": "535.98"); the rules are in
config/staleness_rules.py.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from autotune.config.staleness_rules import RULES, Action
from autotune.language.translate import N_, _
from autotune.model.machine import moved_items

Parts = Mapping[str, str]
STRENGTH: dict[str, int] = {"nothing": 0, "drift": 1, "retune": 2}
MAY_BE_UNREADABLE = frozenset({"gpu", "gpu_memory", "driver", "cuda_driver", "python", "torch", "checkpoint"})
"""Parts whose absence means that nobody could tell just now (NVML gone, a broken environment, several checkpoints
and none chosen yet), not a change."""
RULE_OF_OTHERS: tuple[Action, str] = ("drift", N_("a part without a rule of its own"))


@dataclass(frozen=True, slots=True)
class PartChange:
    """One part that changed: its texts ("absent" for none), what the change makes stale, and why."""

    part: str
    before: str
    after: str
    action: Action
    why: str

    @property
    def text(self) -> str:
        """The change in a line: "driver 535.98 → 555.42", "motion_module + mm_v3.safetensors 836"."""
        moves = moved_items(*("" if value == "absent" else value for value in (self.before, self.after)))
        if moves:
            return f"{self.part} {_short(', '.join(moves), 80)}"
        return f"{self.part} {_short(self.before)} → {_short(self.after)}"


def _short(value: str, most: int = 40) -> str:
    return value if len(value) <= most else f"{value[: most - 1]}…"


def rule_of(part: str, own: Sequence[tuple[str, Action]] = ()) -> tuple[Action, str]:
    """Action and reason for a part; the user's ``own`` rules come first, an exact name before a beginning ("gpu*")."""
    for table in ([(name, action, N_("your configuration says so")) for name, action in own], RULES):
        for name, action, why in table:
            if name == part:
                return action, _(why)
        for name, action, why in table:
            if name.endswith("*") and part.startswith(name[:-1]):
                return action, _(why)
    return RULE_OF_OTHERS[0], _(RULE_OF_OTHERS[1])


def changed_parts(before: Parts, after: Parts, own: Sequence[tuple[str, Action]] = ()) -> tuple[PartChange, ...]:
    """All parts that differ, by name. A part that cannot be read just now has not changed."""
    found = []
    for part in sorted(set(before) | set(after)):
        old, new = before.get(part, ""), after.get(part, "")
        if old == new or (not new and part in MAY_BE_UNREADABLE):
            continue
        found.append(PartChange(part, old or "absent", new or "absent", *rule_of(part, own)))
    return tuple(found)


def strongest_action(changes: Iterable[PartChange]) -> Action:
    """The strongest action that a group of changes asks for: retune, else drift (a check), else nothing."""
    actions: list[Action] = [change.action for change in changes]
    return max(actions, key=lambda action: STRENGTH[action], default="nothing")


def stronger_action(one: Action, other: Action) -> Action:
    """The stronger of two actions."""
    return one if STRENGTH[one] >= STRENGTH[other] else other


def with_unreadable_kept(before: Parts, after: Parts) -> dict[str, str]:
    """The parts of ``after``; those that cannot be read just now keep their value of ``before``."""
    kept = {part: before[part] for part in MAY_BE_UNREADABLE if part in before and not after.get(part)}
    return {**after, **kept}


def change_id(parts: Parts, action: Action) -> str:
    """A short id of what a change asks for: equal parts and actions have equal ids."""
    text = json.dumps([action, sorted(parts.items())], ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class SettlingChange:
    """A change that counts only once nothing has moved for a while, so that a file being copied is one change.

    ``known``: parts that were last accepted; ``seen``: parts as last read; ``since``: when they last moved
    (seconds of a clock that does not jump), None while nothing differs from what is known.
    """

    known: Parts
    seen: Parts = field(default_factory=dict)
    since: float | None = None

    def update(self, parts: Parts, now: float) -> SettlingChange:
        """With the parts as they were just read."""
        if not changed_parts(self.known, parts):
            return replace(self, seen=parts, since=None)
        moved = self.since is None or changed_parts(self.seen, parts)
        return replace(self, seen=parts, since=now if moved else self.since)

    def postpone(self, now: float) -> SettlingChange:
        """After a file event: what is still being written does not count yet."""
        return replace(self, since=now) if self.since is not None else self

    def settled(self, now: float, quiet: float) -> bool:
        """Whether a change has been still for ``quiet`` seconds."""
        return self.since is not None and now - self.since >= quiet

    def seconds_left(self, now: float, quiet: float) -> float | None:
        """Seconds until it could settle; None while there is no change."""
        return None if self.since is None else max(0.0, quiet - (now - self.since))

    def accept(self) -> SettlingChange:
        """The seen parts become the known ones."""
        return SettlingChange(with_unreadable_kept(self.known, self.seen))
