"""Checks whether a set is really in effect, by what a running web UI reports and logs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from autotune.flags.catalogue import Catalogue
from autotune.language.translate import _
from autotune.model.flagset import Effective, SettingValue
from autotune.model.machine import Runtime
from autotune.webui.a1111.flags import attention, switches
from autotune.webui.a1111.flags.effective import Given, given, of_given
from autotune.webui.a1111.flags.known_flags import load
from autotune.webui.face import FlagState

# What the log gives when no optimisation is applied ("Disabling attention optimization").
_NO_ATTENTION = {"", "none", "disabled", "disabling"}
_MEMORY = ("--medvram", "--lowvram", "--medvram-sdxl")
_ONLY_WITH = {"--sub-quad-": "sub-quad", "--xformers-flash": "xformers"}
"""Beginnings of flags that act with one attention class only: its name."""
_MADE_REDUNDANT = ("--no-half-vae", "--no-half", "--upcast-sampling", "--opt-channelslast")
_OPTION_LABEL = "Cross attention optimization"


def mismatches(
    expected: Effective,
    cmd_flags: Mapping[str, object],
    options: Mapping[str, object],
    attention_logged: str | None,
    runtime: Runtime,
    catalogue: Catalogue | None = None,
) -> list[str]:
    """Sentences that say where the running web UI differs from ``expected``; empty when all is in effect.

    ``cmd_flags`` and ``options``: the bodies of GET /sdapi/v1/cmd-flags and /options, the latter with switches as
    PyTorch has them. ``attention_logged``: NAME of the last log line ``Applying attention optimization: NAME...
    done.``; None when there is none, which is right only for "none" (the log then says ``Disabling attention
    optimization``). The log is the
    judge of attention: a title that the web UI does not know is accepted and echoed, but not applied.
    """
    catalogue = catalogue or load("a1111")
    seen = of_given(parsed(cmd_flags, catalogue), settings_of(options), runtime, catalogue.attention)
    found = _attention(expected, seen, options, attention_logged, catalogue)
    pairs: tuple[tuple[str, object, object], ...] = (
        (_("channels-last memory layout"), expected.channelslast, seen.channelslast),
        (_("the U-Net's storage type"), expected.unet, seen.unet),
        (_("the VAE's storage type"), expected.vae, seen.vae),
        (_("the precision"), expected.precision, seen.precision),
        (_("upcast sampling"), expected.upcast, seen.upcast),
        (_("the memory mode"), expected.memory, seen.memory),
        ("batch_cond_uncond", expected.batch_cond_uncond, seen.batch_cond_uncond),
    )
    for what, meant, real in pairs:
        if meant != real:
            found.append(_("{what} should be {meant}, the web UI reports {real}").format(
                what=what, meant=_in_words(meant), real=_in_words(real)))
    return found + switches.mismatches(expected, options, runtime)


def parsed(cmd_flags: Mapping[str, object], catalogue: Catalogue) -> dict[str, str | None]:
    """Flags in force by full name, from cmd-flags' parsed arguments (``opt_sdp_attention``: true)."""
    found: dict[str, str | None] = {}
    for flag in catalogue.flags.values():
        value = cmd_flags.get(flag.name.lstrip("-").replace("-", "_"))
        if flag.takes == "0" and value is True:
            found[flag.name] = None
        elif flag.takes == "1" and value is not None and not isinstance(value, bool):
            found[flag.name] = str(value)
    return found


def settings_of(options: Mapping[str, object]) -> dict[str, SettingValue]:
    """The plain values of an options document."""
    return {key: value for key, value in options.items() if isinstance(value, bool | int | float | str)}


def flag_states(
    words: Sequence[str],
    cmd_flags: Mapping[str, object] | None,
    options: Mapping[str, object],
    attention_logged: str | None,
    runtime: Runtime,
    catalogue: Catalogue | None = None,
) -> list[FlagState]:
    """For each managed flag among ``words``: is it on the running web UI's command line, is it in effect?

    ``cmd_flags`` None: no running web UI was asked, so both are unknown. A flag is in effect when taking it
    away would change the effective set, and, for attention, when the log names its class.
    """
    catalogue = catalogue or load("a1111")
    managed = catalogue.managed(("precision", "memory"))
    flags = [flag for flag in given(words, catalogue) if flag in managed]
    if cmd_flags is None:
        return [FlagState(flag, None, None, _("no running web UI was asked")) for flag in flags]
    running = parsed(cmd_flags, catalogue)
    return [_state(flag, running, options, attention_logged, runtime, catalogue) for flag in flags]


def _state(
    flag: str,
    running: dict[str, str | None],
    options: Mapping[str, object],
    logged: str | None,
    runtime: Runtime,
    catalogue: Catalogue,
) -> FlagState:
    if flag not in running:
        return FlagState(flag, False, False, _("the running web UI was started without it"))
    saved = settings_of(options)
    known = next((cls for cls in (*attention.CLASSES, attention.NONE) if cls.flag == flag), None)
    if known and catalogue.attention == "a1111":
        return _attention_state(flag, known, running, saved, logged, runtime)
    without = {name: value for name, value in running.items() if name != flag}
    acts = of_given(running, saved, runtime, catalogue.attention) != of_given(
        without, saved, runtime, catalogue.attention
    )
    return FlagState(flag, True, acts, "" if acts else _("another flag makes it redundant"))


def _attention_state(
    flag: str,
    known: attention.AttentionClass,
    running: dict[str, str | None],
    saved: Mapping[str, SettingValue],
    logged: str | None,
    runtime: Runtime,
) -> FlagState:
    option = saved.get(attention.OPTION, attention.AUTOMATIC)
    if option != attention.AUTOMATIC:
        return FlagState(flag, True, False,
                         _('the setting "{setting}" is "{value}" and overrides it').format(
                             setting=_OPTION_LABEL, value=option))
    chosen = attention.chosen(running.keys(), option, runtime)
    if chosen != known.name:
        return FlagState(flag, True, False, _("{title} is used instead").format(title=attention.BY_NAME[chosen].title))
    if logged is not None and class_logged(logged) != known.name:
        return FlagState(flag, True, False, _("the log says that {title} was applied").format(title=logged))
    return FlagState(flag, True, True)


def idle_flags(
    words: Sequence[str], settings: Mapping[str, SettingValue], runtime: Runtime, catalogue: Catalogue | None = None
) -> list[tuple[str, str]]:
    """The flags among ``words`` that would do nothing on this machine with these saved settings, each with why."""
    catalogue = catalogue or load("a1111")
    if not catalogue.tuned:
        return []
    flags = given(words, catalogue)
    found = ((flag, _why_idle(flag, flags, settings, runtime, catalogue)) for flag in flags)
    return [(flag, why) for flag, why in found if why]


def _why_idle(
    flag: str, flags: Given, settings: Mapping[str, SettingValue], runtime: Runtime, catalogue: Catalogue
) -> str | None:
    if catalogue.flags[flag].kind == "no-op":
        return _("this version of the web UI takes it and ignores it")
    if flag in _MEMORY and runtime.device == "cpu":
        return _("the web UI computes on the CPU, there is no GPU memory to save")
    if catalogue.attention == "a1111":
        known = next((cls for cls in (*attention.CLASSES, attention.NONE) if cls.flag == flag), None)
        if known:
            return _why_idle_attention(known, flags, settings, runtime)
        needed = next((name for start, name in _ONLY_WITH.items() if flag.startswith(start)), None)
        option = settings.get(attention.OPTION, attention.AUTOMATIC)
        if needed and attention.chosen(flags, option, runtime) != needed:
            return _("it acts only with {title} attention, which is not in effect").format(
                title=attention.BY_NAME[needed].title)
    if flag == "--medvram" and "--lowvram" in flags:
        return _("--lowvram is used instead")
    if flag not in _MADE_REDUNDANT:
        return None
    without = {name: value for name, value in flags.items() if name != flag}
    same = of_given(flags, settings, runtime, catalogue.attention) == of_given(
        without, settings, runtime, catalogue.attention)
    return _("another flag makes it redundant") if same else None


def _why_idle_attention(
    known: attention.AttentionClass, flags: Given, settings: Mapping[str, SettingValue], runtime: Runtime
) -> str | None:
    option = settings.get(attention.OPTION, attention.AUTOMATIC)
    chosen = attention.chosen(flags, option, runtime)
    if option != attention.AUTOMATIC:
        title = attention.BY_NAME[chosen].title
        return _('the setting "{setting}" is "{value}" and overrides it: {title} is used').format(
            setting=_OPTION_LABEL, value=option, title=title)
    if chosen == known.name:
        return None
    obstacle = None
    if not attention.available(known.name, flags, runtime):
        obstacle = attention.xformers_obstacle(runtime) if known.name == "xformers" else attention.sdp_obstacle(runtime)
    text = _("{reason}; {title} is used instead") if obstacle else _("{title} is used instead")
    return text.format(reason=obstacle, title=attention.BY_NAME[chosen].title)


def class_logged(logged: str | None) -> str | None:
    """Our name of the class that the log names; "none" for none, None for a name that is not known."""
    if logged is None or logged.strip().lower() in _NO_ATTENTION:
        return "none"
    return next((cls.name for cls in attention.CLASSES if cls.logged == logged.strip()), None)


def _attention(
    expected: Effective,
    seen: Effective,
    options: Mapping[str, object],
    logged: str | None,
    catalogue: Catalogue,
) -> list[str]:
    meant = attention.BY_NAME.get(expected.attention)
    name = meant.title if meant else expected.attention
    if seen.attention != expected.attention:
        option = options.get(attention.OPTION, attention.AUTOMATIC)
        text = _("attention should be {meant}, but flags and settings give {found}")
        if option != attention.AUTOMATIC:
            text = _('attention should be {meant}, but flags and settings give {found} (the setting "{setting}" is '
                     '"{value}")')
        other = attention.BY_NAME.get(seen.attention)
        found = other.title if other else seen.attention
        return [text.format(meant=name, found=found, setting=_OPTION_LABEL, value=option)]
    if catalogue.attention != "a1111" or class_logged(logged) == expected.attention:
        return []
    if logged is None:
        return [_("attention should be {meant}, but the log does not say that it was applied").format(meant=name)]
    return [_("attention should be {meant}, but the log says that {found} was applied").format(
        meant=name, found=logged)]


def _in_words(value: object) -> str:
    if isinstance(value, bool):
        return _("on") if value else _("off")
    return str(value)
