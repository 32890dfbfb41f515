"""What stands on the card of a tune: figures, names and flags that may be shown to anybody, and the words for them.

A card is made to be posted. So a name, a version or the value of a flag is shown only where its form leaves no room for
a path, a person, a machine or a credential; what has another form is left out. Pure values. A card is English in every
language: it is posted to anybody, and the letters that it is drawn with are Latin ones alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autotune.language.translate import source_only
from autotune.report import words
from autotune.report.outcome import median, medians_differ, outcome
from autotune.secrets.mask import MASK, is_secret, masked

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ()+.,-]{0,79}")
_VERSION = re.compile(r"v?\d[A-Za-z0-9.+-]{0,39}")
_FLAVOUR = re.compile(r"[a-z][a-z0-9-]{0,19}")
_FLAG = re.compile(r"--[a-z][a-z0-9-]{0,59}")
_SETTING = re.compile(r"[a-z][a-z0-9_]{0,59}")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_VALUES = frozenset(("half", "full", "autocast", "fp16", "fp32", "bf16", "true", "false", "True", "False"))
"""Values of flags that are words and name nobody; numbers are shown too, all others are hidden."""

STAND_IN = "The reference web UI, a stand-in: these figures say nothing of a real web UI or GPU."


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What a card says of one tune. Seconds and memory (MiB): of the set in use before, and of the other one, which
    is the tuned set or, where the flags stay (``decision`` "keep"), its best rival; None where not measured.

    ``speedup``: (estimate, low, high, confidence). ``ssim``: 1 is the same picture; None where not compared.
    ``flags``: the words of the set that the tune ended with, each beside its value, then its settings. ``times_agree``:
    False where the seconds make another factor than the speed, beside which they are then not shown.
    """

    decision: str
    sure: bool
    stand_in: bool
    objective: str
    gpu: str
    torch: str
    webui: str
    workload: str
    speedup: tuple[float, float, float, float | None] | None
    seconds: tuple[float | None, float | None]
    memory: tuple[float | None, float | None]
    ssim: float | None
    flags: tuple[str, ...]
    autotune: str
    measured: str
    times_agree: bool = True

    @property
    def changes(self) -> bool:
        """True where the tune ended with other flags."""
        return self.decision == "apply"

    @property
    def names(self) -> tuple[str, str]:
        """What the two sets are called."""
        return ("before", "after") if self.changes else ("in use", "best rival")


@source_only()
def facts_of(head: Mapping[str, Any], result: Mapping[str, Any]) -> CardFacts:
    """The facts of a study: ``head`` is its ``study.json``, ``result`` its document, both already checked."""
    found = outcome(result)
    sides = [found.baseline or {}, found.other or {}]
    speedup = found.speedup
    image = (result.get("image") or {}) if found.changes else {}
    parts = dict(head.get("fingerprint", {}).get("parts") or ())
    ends = result["winner"]
    return CardFacts(
        decision=str(result["decision"]),
        sure=bool(result["sure"]),
        stand_in=bool(head.get("stand_in")),
        objective=str(head.get("objective") or "speed"),
        gpu=_shown(_NAME, head.get("gpu")) or ("CPU" if str(head.get("gpu")).startswith("CPU ") else "GPU not named"),
        torch=_shown(_VERSION, parts.get("torch")) or "not known",
        webui=_webui(head.get("webui") or {}),
        workload=_workload(head["profile"]["workload"]),
        speedup=None if not speedup or speedup.get("confidence") is None else (
            speedup["estimate"], speedup["low"], speedup["high"], speedup["confidence"]),
        seconds=(median(sides[0]), median(sides[1])),
        memory=(sides[0].get("memory_peak"), sides[1].get("memory_peak")),
        ssim=image.get("ssim") if image.get("valid") else None,
        flags=shown_flags(ends.get("flags") or (), ends.get("settings") or {}),
        autotune=_shown(_VERSION, head.get("autotune")) or "of an unknown version",
        measured=_shown(_DAY, str(head.get("created") or "")[:10]) or "an unknown day",
        times_agree=not medians_differ(found),
    )


def shown_flags(flags: Sequence[str], settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Flags with their values, then settings; ``***`` for each value that is neither a number nor a known word."""
    shown: list[str] = []
    for word in flags:
        name, equals, value = word.partition("=")
        if _shown(_FLAG, name):
            shown.append(f"{name}={_value(name, value)}" if equals else name)
        elif shown and shown[-1].startswith("--"):
            shown[-1] += f" {_value(shown[-1].split()[0], word)}"
    shown += [f"{name} = {_value(name, value)}" for name, value in settings.items() if _shown(_SETTING, name)]
    return tuple(shown)


@source_only()
def headline(card: CardFacts) -> tuple[str, str, str]:
    """The big figure of a card, what it is, and how sure it is."""
    saving = None if card.memory[0] is None or card.memory[1] is None else card.memory[0] - card.memory[1]
    doubt = "" if card.sure else ", not sure yet"
    if not card.changes:
        what = "nothing could be measured" if card.seconds[0] is None else f"no other flags proven better{doubt}"
        about = f"best rival {_interval(card, 'x the speed, ')}" if card.speedup else "no rival was compared"
        return "Keep", what, about
    if card.objective == "vram" and saving is not None and saving > 0:
        about = f"speed {_interval(card, 'x, ')}" if card.speedup else "speed not compared"
        return words.memory(saving), f"less peak memory{doubt}", about
    if card.speedup is None:
        return "Change", "the gain was not measured", ""
    return f"{card.speedup[0]:.2f}x", f"the speed of the flags before{doubt}", _interval(card, "")


@source_only()
def rows(card: CardFacts) -> list[tuple[str, str]]:
    """The small facts of a card, as label and text."""
    return [
        ("Web UI", card.webui),
        ("Torch", card.torch),
        ("Image check", _picture(card)),
        ("Peak memory", _both(card.names, [None if one is None else words.memory(one) for one in card.memory])),
    ]


@source_only()
def signature(card: CardFacts) -> str:
    """Who measured, and when."""
    return f"measured by autotune {card.autotune} on {card.measured}"


@source_only()
def markdown(card: CardFacts) -> str:
    """The card as a small table to paste."""
    big, what, about = headline(card)
    first = [("Result", f"**{big}**: {', '.join(part for part in (what, about) if part)}")]
    if card.times_agree:
        first.append(("Time of a clip", _both(card.names, [None if one is None else words.seconds(one)
                                                           for one in card.seconds])))
    first += [("GPU", card.gpu), ("Clip", card.workload)]
    flags = " ".join(f"`{flag}`" for flag in card.flags) or "(none)"
    lines = [f"| {label} | {text} |" for label, text in [*first, *rows(card), ("Flags", flags)]]
    note = f"\n{STAND_IN}\n" if card.stand_in else ""
    return "\n".join(["| | |", "|---|---|", *lines, note, signature(card)])


def document(card: CardFacts) -> dict[str, Any]:
    """The facts as ``card --json`` prints them (docs/contract.md)."""
    speedup = None if card.speedup is None else dict(
        zip(("estimate", "low", "high", "confidence"), card.speedup, strict=True))
    return {
        "decision": card.decision, "sure": card.sure, "stand_in": card.stand_in, "objective": card.objective,
        "gpu": card.gpu, "torch": card.torch, "webui": card.webui, "workload": card.workload, "speedup": speedup,
        "seconds": dict(zip(("before", "after"), card.seconds, strict=True)),
        "memory_peak": dict(zip(("before", "after"), card.memory, strict=True)),
        "ssim": card.ssim, "flags": list(card.flags), "autotune": card.autotune, "measured": card.measured,
    }


def _shown(form: re.Pattern[str], text: object) -> str:
    """The text where all of it has that form and no credential in it, else empty."""
    found = str(text or "")
    return found if form.fullmatch(found) and masked(found) == found else ""


def _value(name: str, value: object) -> str:
    text = str(value)
    known = text in _VALUES or re.fullmatch(r"\d{1,6}(\.\d{1,4})?", text)
    return text if known and not is_secret(name) else MASK


def _webui(web: Mapping[str, Any]) -> str:
    told = [_shown(_FLAVOUR, web.get("flavour")), _shown(_VERSION, web.get("version"))]
    return " ".join(part for part in told if part) or "not known"


def _workload(items: Sequence[Mapping[str, Any]]) -> str:
    sampler = _shown(_NAME, items[0].get("sampler"))
    text = words.workload({**items[0], "sampler": sampler, "workflow": None}).replace("×", "x")
    return text if len(items) == 1 else f"{text}, and {words.plural(len(items) - 1, 'other clip')}"


def _interval(card: CardFacts, unit: str) -> str:
    assert card.speedup is not None
    estimate, low, high, confidence = card.speedup
    begin = f"{estimate:.2f}{unit}" if unit else ""
    return f"{begin}{words.percent(confidence or 0.0)} interval {low:.2f} to {high:.2f}"


def _picture(card: CardFacts) -> str:
    if not card.changes:
        return "not needed: nothing changes"
    if card.ssim is None:
        return "not compared"
    # Rounded down: 1 is said of identical frames alone.
    return f"SSIM {int(card.ssim * 10000) / 10000:.4f} of 1, same seed"


def _both(names: Sequence[str], texts: Sequence[str | None]) -> str:
    told = [f"{text} {name}" for name, text in zip(names, texts, strict=True) if text is not None]
    return ", ".join(told) or "not measured"
