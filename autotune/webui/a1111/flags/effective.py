"""The effective set: what the web UI computes with some flags and settings, by its own rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from autotune.flags import argv
from autotune.flags.catalogue import Catalogue
from autotune.model.flagset import Effective, SettingValue
from autotune.model.machine import Runtime
from autotune.webui.a1111.flags import attention, ldm, switches
from autotune.webui.a1111.flags.known_flags import load

Given = Mapping[str, str | None]


def effective(
    words: Sequence[str],
    settings: Mapping[str, SettingValue],
    runtime: Runtime,
    catalogue: Catalogue | None = None,
) -> Effective:
    """The effective set of all argv ``words`` and the saved ``settings`` (missing keys: their defaults).

    ``catalogue`` (default: A1111's newest) resolves abbreviations and names the attention rules.
    """
    catalogue = catalogue or load("a1111")
    return of_given(given(words, catalogue), settings, runtime, catalogue.attention)


def given(words: Sequence[str], catalogue: Catalogue) -> dict[str, str | None]:
    """Flags in force by full name, with their last value (None for flags without one)."""
    return argv.given(words, catalogue.flags)


def of_given(
    flags: Given, settings: Mapping[str, SettingValue], runtime: Runtime, rules: str = "a1111"
) -> Effective:
    """The effective set of flags already resolved to full names; ``rules`` as ``Catalogue.attention``."""
    batched = settings.get("batch_cond_uncond", True) is not False
    if rules == "ldm":
        made = ldm.effective(flags, runtime, batched)
        return replace(made, **switches.acting(settings, runtime, made.unet))
    no_half = "--no-half" in flags
    precision = flags.get("--precision") or "autocast"
    if no_half and precision == "autocast":
        precision = "full"  # with 32-bit weights the web UI opens no autocast: what "full" is
    memory = "lowvram" if "--lowvram" in flags else "medvram" if "--medvram" in flags else "none"
    option = settings.get(attention.OPTION, attention.AUTOMATIC)
    unet = "fp32" if no_half else "fp16"
    return Effective(
        attention=attention.chosen(flags.keys(), option, runtime),
        channelslast="--opt-channelslast" in flags,
        unet=unet,
        vae="fp32" if no_half or "--no-half-vae" in flags else "fp16",
        precision=precision,
        upcast="--upcast-sampling" in flags and not no_half,
        memory=memory,
        batch_cond_uncond=batched,
        **switches.acting(settings, runtime, unet),
    )


def describe(what: Effective) -> str:
    """The canonical text of an effective set: equal texts are equal sets. Used as a candidate's id."""
    text = f"attention={what.attention} {_flags(what)} batch_cond_uncond={_on(what.batch_cond_uncond)}"
    return text + _switched(what)


def launch_part(what: Effective) -> str:
    """The part of the canonical text that only a new launch can change (A1111's rules)."""
    return _flags(what) + _switched(what, live=False)


def live_switches(what: Effective) -> str:
    """The switches of PyTorch that are not at their default and act at once, as text; each begins with a blank."""
    return _switched(what, start=False)


def _flags(what: Effective) -> str:
    return (
        f"channelslast={_on(what.channelslast)} unet={what.unet} vae={what.vae} precision={what.precision} "
        f"upcast={_on(what.upcast)} memory={what.memory}"
    )


def _switched(what: Effective, live: bool = True, start: bool = True) -> str:
    """Switches at their default are left out, so that the ids of sets without any are as they were before these.

    ``live``: with those that act at once; ``start``: with those that only a start can change.
    """
    levels = [(name, getattr(what, name)) for name in switches.OPTIONS]
    return "".join(f" {name}={level}" for name, level in levels
                   if level != switches.DEFAULT and (live if name in switches.LIVE else start))


def _on(value: bool) -> str:
    return "on" if value else "off"
