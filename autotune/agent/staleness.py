"""What a change makes stale, and when a change counts. Pure: parts and times in, decisions out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from autotune.config.staleness_rules import RULES, Action

Parts = Mapping[str, str]

_STRENGTH: dict[str, int] = {"nothing": 0, "drift": 1, "retune": 2}

CANNOT_TELL = frozenset({"gpu", "gpu_memory", "driver", "cuda_driver", "python", "torch", "checkpoint"})
"""Parts whose absence means that nobody could tell just now (NVML gone, a broken environment, several checkpoints
and none chosen yet), not a change."""

UNKNOWN: tuple[Action, str] = ("drift", "a part without a rule of its own")


@dataclass(frozen=True, slots=True)
class Change:
    """One part that changed and what that makes stale."""

    part: str
    before: str
    after: str
    action: Action
    why: str

    @property
    def text(self) -> str:
        """The change in a line: "driver 535.98 → 555.42", "motion_module + mm_v3.safetensors 836"."""
        if ", " in self.before + self.after:
            old, new = (value.split(", ") if value != "absent" else [] for value in (self.before, self.after))
            moves = [f"− {one}" for one in old if one not in new] + [
                f"+ {one}" for one in new if one not in old
            ]
            if moves:
                return f"{self.part} {_short(', '.join(moves), 80)}"
        return f"{self.part} {_short(self.before)} → {_short(self.after)}"


def _short(value: str, most: int = 40) -> str:
    return value if len(value) <= most else f"{value[: most - 1]}…"


def rule(part: str, own: Sequence[tuple[str, str]] = ()) -> tuple[Action, str]:
    """Action and reason for a part; the owner's rules come first, an exact name before a beginning."""
    mine = [(name, _action(action), "your configuration says so") for name, action in own]
    for table in (mine, RULES):
        for name, action, why in table:
            if name == part:
                return action, why
        for name, action, why in table:
            if name.endswith("*") and part.startswith(name[:-1]):
                return action, why
    return UNKNOWN


def _action(text: str) -> Action:
    if text == "retune":
        return "retune"
    return "drift" if text == "drift" else "nothing"


def changes(before: Parts, after: Parts, own: Sequence[tuple[str, str]] = ()) -> tuple[Change, ...]:
    """All parts that differ, by name. A part that cannot be told just now has not changed."""
    found = []
    for part in sorted(set(before) | set(after)):
        old, new = before.get(part, ""), after.get(part, "")
        if old == new or (not new and part in CANNOT_TELL):
            continue
        action, why = rule(part, own)
        found.append(Change(part, old or "absent", new or "absent", action, why))
    return tuple(found)


def strongest(found: Iterable[Change]) -> Action:
    """The strongest action that a group of changes asks for."""
    actions: list[Action] = [change.action for change in found]
    return max(actions, key=lambda a: _STRENGTH[a], default="nothing")


def stronger(one: Action, other: Action) -> Action:
    """The stronger of two actions."""
    return one if _STRENGTH[one] >= _STRENGTH[other] else other


def merged(before: Parts, after: Parts) -> dict[str, str]:
    """The parts now known: what cannot be told at present keeps its last value."""
    kept = {part: before[part] for part in CANNOT_TELL if part in before and not after.get(part)}
    return {**after, **kept}


def trigger_id(parts: Parts, action: Action) -> str:
    """A short id of one state of the world and what it asks for: equal states are one trigger."""
    text = json.dumps([action, sorted(parts.items())], ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Settling:
    """Parts seen lately that wait to be believed: a change counts once nothing moved for a while.

    ``known``: parts last believed; ``seen``: parts of the last look; ``since``: when they last moved
    (seconds of a clock that does not jump), None while nothing differs from what is known.
    """

    known: Parts
    seen: Parts = field(default_factory=dict)
    since: float | None = None

    def look(self, parts: Parts, now: float) -> Settling:
        """After a look at the parts."""
        if not _differ(self.known, parts):
            return replace(self, seen=parts, since=None)
        moved = self.since is None or _differ(self.seen, parts)
        return replace(self, seen=parts, since=now if moved else self.since)

    def disturb(self, now: float) -> Settling:
        """After a file event: what is still being written is not believed yet."""
        return replace(self, since=now) if self.since is not None else self

    def settled(self, now: float, quiet: float) -> bool:
        """Whether a change has been still for ``quiet`` seconds."""
        return self.since is not None and now - self.since >= quiet

    def left(self, now: float, quiet: float) -> float | None:
        """Seconds until it could settle; None while nothing is pending."""
        return None if self.since is None else max(0.0, quiet - (now - self.since))

    def believe(self) -> Settling:
        """The seen parts become the known ones."""
        return Settling(merged(self.known, self.seen))


def _differ(before: Parts, after: Parts) -> bool:
    return bool(changes(before, after))
