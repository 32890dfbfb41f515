"""Since when clips of the user's own web UI are slower, what changed then, and what gives the speed back.

From the record of its use (store/use.py), by the rule of decide/slower.py. Starts nothing.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timezone
from pathlib import Path
from statistics import median
from typing import Any

from autotune.decide import slower
from autotune.language.translate import N_, _
from autotune.model import codec
from autotune.model.codec import InvalidRecord
from autotune.model.machine import moved_items
from autotune.model.use import Around, ChangeRecord, ClipRecord, PartsRecord, StartRecord, StartupRecord
from autotune.store import events
from autotune.store.places import Places
from autotune.store.use import UseLog

NAMES = {"gpu": N_("the GPU"), "gpu_memory": N_("the GPU's memory"), "driver": N_("the driver"),
         "cuda_driver": N_("the driver's CUDA"), "os": N_("the system"), "webui_flavour": N_("the web UI"),
         "webui_version": N_("the web UI"), "webui_commit": N_("the web UI's commit"),
         "extensions": N_("extensions"), "python": "Python", "settings": N_("settings"),
         "kept_flags": N_("your own flags"), "tuned_flags": N_("the tuned flags")}
"""What parts of the fingerprint are called in a sentence; the others by their own names."""
HOTTER, MORE_MEMORY, FULL = 8.0, 512.0, 0.95
"""°C, MiB of others, and share of the card's memory from which a difference is worth a word."""


@dataclass(frozen=True, slots=True)
class UseFacts:
    """One use of the web UI: what the rule sees of it, and what else is known. ``seconds``: per step and frame."""

    use: slower.Use
    start: int
    first_at: float
    last_at: float
    seconds: float
    shape: str
    parts: Mapping[str, str]
    around: Around


def uses_of(log: UseLog, after: float = 0.0, from_clip: float = 0.0) -> list[UseFacts]:
    """The uses, oldest first: one for each start and day, of the clips that it has most of all.

    ``after``: only starts whose process began after it; ``from_clip``: only clips from that moment on.
    """
    starts = {one.number: one for one in log.of(StartRecord) if one.created >= after}
    clips = [one for one in log.of(ClipRecord) if one.start in starts and one.at >= from_clip]
    often = Counter(one.series for one in clips)
    groups: dict[tuple[int, str], list[ClipRecord]] = {}
    for clip in sorted(clips, key=lambda one: one.at):
        groups.setdefault((clip.start, f"{datetime.fromtimestamp(clip.at):%Y-%m-%d}"), []).append(clip)
    changes = log.of(PartsRecord)
    found: list[UseFacts] = []
    for (start, __), group in groups.items():
        series = max((one.series for one in group), key=lambda name: (often[name], name))
        own = [one for one in group if one.series == series]
        parts = _in_force(changes, max(starts[start].at, own[-1].at))
        before = found[-1].parts if found else parts
        value = median(math.log(one.seconds) for one in own)
        found.append(UseFacts(
            slower.Use(value, series, bool(changed(before, parts))), start, own[0].at, own[-1].at, math.exp(value),
            own[0].shape, parts, _medians([one.around for one in own])))
    return found


def _in_force(changes: Sequence[PartsRecord], now: float) -> dict[str, str]:
    """The parts that acted at a moment."""
    first = changes[0].parts if changes else {}
    return next((one.parts for one in reversed(changes) if one.at <= now + 1.0), first)


def _medians(around: Sequence[Around]) -> Around:
    def middle(name: str) -> float | None:
        known = [value for one in around if (value := getattr(one, name)) is not None]
        return median(known) if known else None

    return Around(**{part.name: middle(part.name) for part in fields(Around)})


def newest_change(log: UseLog, history: Sequence[Mapping[str, Any]]) -> ChangeRecord | None:
    """A change that the newest uses show and that was not called before; None where they show none."""
    last = log.last(ChangeRecord)
    uses = uses_of(log, _last_written(history), last.since if last else 0.0)
    found = slower.find_change([one.use for one in uses])
    if found is None:
        return None
    early, late = uses[: found.at], uses[found.at :]
    series = late[0].use.series
    before = [one.seconds for one in early if one.use.series == series] or [early[-1].seconds]
    typical = median(before)
    return ChangeRecord(
        "change", time.time(), late[0].first_at, late[0].start, uses[found.first - 1].start, uses[found.last].start,
        found.ratio.estimate, found.ratio.low, found.ratio.high, len(late), typical, typical * found.ratio.estimate,
        late[0].shape, dict(early[-1].parts), dict(late[0].parts), _medians([one.around for one in early]),
        _medians([one.around for one in late]))


def _last_written(history: Sequence[Mapping[str, Any]]) -> float:
    """When autotune wrote flags last (seconds since 1970): another time of clips is expected since."""
    written = [_seconds(str(row["at"])) for row in history
               if row.get("verb") in ("apply", "rollback") and row.get("result", "done") == "done"]
    return max(written, default=0.0)


def _seconds(iso: str) -> float:
    try:
        return datetime.fromisoformat(iso.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return 0.0


# In words

def changed(before: Mapping[str, str], after: Mapping[str, str]) -> list[dict[str, str]]:
    """The parts that differ, each with both texts and a clause ("the driver 551.23 became 555.1").

    A part that is empty on one side could not be read then.
    """
    found = []
    for part in sorted(set(before) & set(after)):
        old, new = before[part], after[part]
        flags = part.endswith("_flags")
        if old == new or part == "profile" or (not flags and not (old and new)):
            continue
        name = _(NAMES[part]) if part in NAMES else part.replace("_", " ")
        moves = moved_items(old, new)
        text = _("{name} changed ({moves})").format(name=name, moves=", ".join(moves)) if moves else _(
            "{name} {before} became {after}").format(name=name, before=old or _("none"), after=new or _("none"))
        found.append({"part": part, "before": old, "after": new, "text": text})
    return found


def surroundings(change: ChangeRecord) -> list[str]:
    """Sentences on what else was different around the slow clips, as far as NVML tells."""
    old, new = change.around_before, change.around_after
    found = []
    if old.power_limit and new.power_limit and new.power_limit < 0.97 * old.power_limit:
        found.append(_("The card's power limit is {now:.0f} W since; it was {then:.0f} W.").format(
            now=new.power_limit, then=old.power_limit))
    if old.temperature and new.temperature and new.temperature >= old.temperature + HOTTER:
        found.append(_("The card is hotter: {now:.0f} °C instead of {then:.0f} °C.").format(
            now=new.temperature, then=old.temperature))
    if new.memory_others is not None and new.memory_others >= (old.memory_others or 0.0) + MORE_MEMORY:
        found.append(_("Other programs hold {now:.0f} MiB of GPU memory since; it was {then:.0f} MiB.").format(
            now=new.memory_others, then=old.memory_others or 0.0))
    if new.memory_share is not None and new.memory_share >= FULL > (old.memory_share or 0.0):
        found.append(_("The card's memory is {percent:.0f} % full since: on Windows the driver then uses main memory, "
                       "which is many times slower.").format(percent=100 * new.memory_share))
    return found


def headline(change: ChangeRecord, over: bool = False) -> str:
    """The change in one sentence, without its end: by how much, since when, and what became what; ``over``: until
    autotune wrote other flags."""
    share, low, high = (100 * (value - 1) for value in (change.estimate, change.low, change.high))
    day = datetime.fromtimestamp(change.since).strftime(_("%d %b %Y"))
    if change.first + 1 >= change.last:
        place = _("start {number}").format(number=change.start)
    else:
        place = _("between start {first} and start {last}").format(first=change.first, last=change.last)
    if not change.slower:
        return _("Clips are {share:.0f} % faster [{high:.0f}, {low:.0f}] since {day} ({place})").format(
            share=-share, high=-high, low=-low, day=day, place=place)
    text = _("Clips are {share:.0f} % slower [{low:.0f}, {high:.0f}] since {day} ({place})")
    if over:
        text = _("Clips were {share:.0f} % slower [{low:.0f}, {high:.0f}] since {day} ({place})")
    text = text.format(share=share, low=low, high=high, day=day, place=place)
    causes = [one["text"] for one in changed(change.before, change.after)]
    return _("{text}, when {causes}").format(text=text, causes=_listed(causes)) if causes else text


def _listed(clauses: Sequence[str]) -> str:
    if len(clauses) == 1:
        return clauses[0]
    return _("{others} and {last}").format(others=", ".join(clauses[:-1]), last=clauses[-1])


def explain(root: Path, places: Places) -> dict[str, Any]:
    """The document of `explain` (docs/contract.md: JSON). Raises StateDamaged."""
    log = UseLog(places.use(root))
    history = events.read(places.history(root))
    uses = uses_of(log)
    change = log.last(ChangeRecord)
    cure = _cure(change, history) if change is not None and change.slower else None
    state = _state(change, cure, len(uses))
    return {
        "state": state,
        "text": _text(state, change, len(uses), root),
        "since": iso(change.since) if change else None,
        "start": change.start if change else None,
        "between": [change.first, change.last] if change else None,
        "slower": {"estimate": round(change.estimate, 5), "low": round(change.low, 5), "high": round(change.high, 5),
                   "confidence": slower.CONFIDENCE} if change else None,
        "changed": changed(change.before, change.after) if change else [],
        "around": surroundings(change) if change else [],
        "cure": cure,
        "advice": _advice(state, cure),
        "starts": _starts(log),
        "uses": len(uses),
        "clips": len(log.of(ClipRecord)),
        "line": [_on_line(one, uses[number - 1] if number else one) for number, one in enumerate(uses)],
    }


def _starts(log: UseLog) -> str | None:
    """A sentence where starts of the web UI take longer than before; None where they do not, or do not tell."""
    starts = {one.number: one for one in log.of(StartRecord)}
    told = [one for one in log.of(StartupRecord) if one.start in starts]
    changes = log.of(PartsRecord)
    parts = [_in_force(changes, starts[one.start].at) for one in told]
    found = slower.find_change([
        slower.Use(math.log(one.seconds), "", bool(changed(parts[number - 1] if number else parts[0], parts[number])))
        for number, one in enumerate(told)])
    if found is None or not found.slower:
        return None
    share, low, high = (100 * (value - 1) for value in (found.ratio.estimate, found.ratio.low, found.ratio.high))
    text = _("Starts take {share:.0f} % longer [{low:.0f}, {high:.0f}] since {day} (start {number})").format(
        share=share, low=low, high=high, day=datetime.fromtimestamp(told[found.at].at).strftime(_("%d %b %Y")),
        number=told[found.at].start)
    causes = [one["text"] for one in changed(parts[found.at - 1], parts[found.at])]
    if causes:
        text = _("{text}, when {causes}").format(text=text, causes=_listed(causes))
    return _("{sentence}.").format(sentence=text)


def _on_line(one: UseFacts, before: UseFacts) -> dict[str, Any]:
    return {
        "at": iso(one.first_at), "start": one.start, "shape": one.shape, "series": one.use.series,
        "seconds": float(f"{one.seconds:.6g}"),
        "updates": [change["text"] for change in changed(before.parts, one.parts)],
    }


def iso(at: float) -> str:
    """A moment (seconds since 1970) as ISO 8601 in UTC."""
    return datetime.fromtimestamp(at, timezone.utc).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def _state(change: ChangeRecord | None, cure: Mapping[str, Any] | None, uses: int) -> str:
    if change is None or not change.slower:
        return "unknown" if uses < slower.LEAST_BEFORE + slower.LEAST_AFTER else "as_before"
    return "given_back" if cure is not None and cure["applied"] else "slower"


def _text(state: str, change: ChangeRecord | None, uses: int, root: Path) -> str:
    from autotune.webui.recognise import face_of

    if state == "unknown" and change is None and face_of(root).own_extension(root, ()) is None:
        return _("{uses} uses of the web UI with clips are recorded: too few to tell. The agent records them where "
                 "the web UI's output goes to a file.").format(uses=uses)
    if state == "unknown" and change is None:
        return _("{uses} uses of the web UI with clips are recorded: too few to tell. The agent records them where "
                 "the web UI's output goes to a file, or where the tab is installed "
                 "(`autotune extension install`).").format(uses=uses)
    if change is None:
        return _("Clips take as long as before: {uses} uses of the web UI show no change.").format(uses=uses)
    return _("{sentence}.").format(sentence=headline(change, over=state == "given_back"))


def _cure(change: ChangeRecord, history: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """What was measured since a change: the better set, or that there is none; None where nothing was measured.

    ``applied``: when its flags were written, or autotune's last edit since, None without one.
    """
    since = iso(change.since)
    written = [row for row in history if row.get("verb") in ("apply", "rollback")
               and row.get("result", "done") == "done" and str(row["at"]) >= since]
    tunes = [row for row in history if row.get("verb") == "tune" and row.get("decision") and str(row["at"]) >= since]
    if not tunes and not written:
        return None
    tune = tunes[-1] if tunes else {}
    speedup = tune.get("speedup")
    return {
        "decision": tune.get("decision"), "study": tune.get("study"), "reason": tune.get("reason"),
        "flags": list((written[-1] if written else tune).get("flags") or ()),
        "speedup": speedup, "enough": _is_enough(speedup, change),
        "applied": str(written[-1]["at"]) if written else None,
    }


def _is_enough(speedup: object, change: ChangeRecord) -> bool:
    """Whether a measured gain makes up for what was lost, within the errors of both."""
    high = speedup.get("high") if isinstance(speedup, Mapping) else None
    return isinstance(high, (int, float)) and high >= change.low


def _advice(state: str, cure: Mapping[str, Any] | None) -> str:
    if state not in ("slower", "given_back"):
        return ""
    if cure is None:
        return _("Which flag gives the speed back is not measured yet: the agent measures it when the machine is "
                 "free, and `autotune tune` does it now.")
    gain = cure["speedup"]["estimate"] if isinstance(cure["speedup"], Mapping) else None
    if state == "given_back":
        text = _("Since then `{flags}` was written. `autotune rollback` takes that back.") if gain is None else _(
            "Since then `{flags}` was written: {gain:.2f} times as fast as the flags before. `autotune rollback` takes "
            "that back.")
    elif cure["decision"] == "apply":
        text = _better_set(cure["enough"], gain)
    else:
        text = _("No other set that was measured since is better ({reason}). What was updated then is what to look at: "
                 "an older version of it, or a newer one, may give the speed back.")
    flags = " ".join(cure["flags"]) or _("no tuning flags")
    return text.format(flags=flags, gain=gain, reason=cure["reason"])


def _better_set(enough: bool, gain: float | None) -> str:
    """What a set that was measured since does, as a text that ``flags`` and ``gain`` are put into."""
    if gain is None:
        return (_("Of the sets measured since, `{flags}` gives it back. Do this: `autotune apply`.") if enough else
                _("Of the sets measured since, `{flags}` gives some of it back. Do this: `autotune apply`."))
    return (_("Of the sets measured since, `{flags}` gives it back: {gain:.2f} times as fast as the flags before. Do "
              "this: `autotune apply`.") if enough else
            _("Of the sets measured since, `{flags}` gives some of it back: {gain:.2f} times as fast as the flags "
              "before. Do this: `autotune apply`."))


def last_change(places: Places, root: Path) -> ChangeRecord | None:
    """The newest change that was called, read without the rest of the record, for `status`."""
    try:
        lines = places.use(root).read_bytes().split(b"\n")
    except OSError:
        return None
    for line in reversed(lines):
        if b'"kind":"change"' in line:
            try:
                return codec.load(ChangeRecord, codec.decode(line))
            except InvalidRecord:
                continue
    return None


def in_force(change: ChangeRecord, history: Sequence[Mapping[str, Any]]) -> bool:
    """Whether clips are slower since a change, and autotune wrote no flags since."""
    return change.slower and _last_written(history) < change.since


def slower_now(places: Places, root: Path) -> str | None:
    """The sentence of `status`, by the newest change; None where clips are not slower."""
    change = last_change(places, root)
    if change is None or not in_force(change, events.read(places.history(root))):
        return None
    return _("{headline}; `autotune explain` says more").format(headline=headline(change))
