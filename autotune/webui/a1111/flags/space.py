"""Lists all sets that a study can measure: each combination of a profile's levels once, with the fewest words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

from autotune.flags.words import canonical, split
from autotune.language.translate import N_, _
from autotune.model.flagset import Candidate, Dimension, Effective, Excluded, FlagSet, SettingValue, Space
from autotune.model.machine import Machine
from autotune.model.workload import SearchSpec
from autotune.webui.a1111.flags import attention, ldm, levels, switches
from autotune.webui.a1111.flags.effective import describe, given, launch_part, live_switches, of_given
from autotune.webui.a1111.flags.known_flags import load

BATCH = "batch_cond_uncond"
LIVE = ("attention", BATCH, *switches.LIVE)
# The web UI's own defaults of the two options of its own that a study may set.
OWN_OPTIONS: dict[str, SettingValue] = {attention.OPTION: attention.AUTOMATIC, BATCH: True}
OPTION_DEFAULTS: dict[str, SettingValue] = {**OWN_OPTIONS, **switches.USUAL}
# Not in the default search, with the reason that users see. A profile may name them.
NOT_BY_DEFAULT = {
    "sub-quad": N_("saves memory, costs time: tried only when GPU memory is short or a profile names it"),
    "none": N_("uses the most memory and is hardly ever fastest: tried only when a profile names it"),
}


@dataclass(frozen=True)
class _Base:
    """What all candidates of one space have in common.

    ``mine``: the user's own managed words as written; ``standing``: those of them that no searched dimension
    varies, so that every candidate has them.
    """

    site: levels.Site
    dimensions: tuple[tuple[str, tuple[str, ...]], ...]
    mine: tuple[str, ...]
    standing: tuple[str, ...]
    saved: Mapping[str, SettingValue]
    current: Effective

    def effective(self, words: tuple[str, ...], settings: Mapping[str, SettingValue]) -> Effective:
        """The effective set of these managed words beside the kept flags, on top of the saved settings."""
        flags = {**self.site.kept, **given(words, self.site.catalogue)}
        merged = {**self.saved, **settings}
        return of_given(flags, merged, self.site.runtime, self.site.catalogue.attention)


def default_spec(machine: Machine) -> SearchSpec:
    """The safe search: attention, channels-last, VAE in fp32 or half, batched conditioning; switches where they are."""
    saves_memory = levels.memory_short(machine.gpus) or machine.runtime.device == "mps"
    classes = tuple(
        level
        for level in levels.DIMENSIONS["attention"]
        if level not in NOT_BY_DEFAULT or (level == "sub-quad" and saves_memory)
    )
    return SearchSpec(
        (
            ("attention", classes),
            ("channelslast", levels.DIMENSIONS["channelslast"]),
            ("no_half_vae", levels.DIMENSIONS["no_half_vae"]),
            (BATCH, levels.DIMENSIONS[BATCH]),
            *switches.worth_a_try(machine.runtime),
        )
    )


def build(machine: Machine, spec: SearchSpec | None = None) -> Space:
    """Expands ``spec`` (None: the default safe search) for this machine into distinct effective sets.

    The user's current set is always a member, in canonical order and else as the user has it; each other set has
    the fewest words that reach it beside the user's kept flags. What cannot be had here is in ``excluded``.
    """
    wanted = spec or default_spec(machine)
    dropped: list[Excluded] = []
    if not machine.runtime.switches:
        wanted = _without_switches(wanted, dropped)
    wanted = SearchSpec(tuple(one for one in wanted.dimensions if one[0] in levels.DIMENSIONS))  # others are ComfyUI's
    base = _base_of(machine, wanted)
    if not base.site.catalogue.tuned:
        return _only_baseline(base)
    if spec is None:
        named = dict(wanted.dimensions)["attention"]
        dropped += [
            Excluded(FlagSet((attention.BY_LEVEL[level].flag,)), _(reason))
            for level, reason in NOT_BY_DEFAULT.items()
            if level not in named and attention.BY_LEVEL[level].name != base.current.attention
        ]
    choices = _choices(base, dropped)
    baseline = _baseline(base)
    found: dict[str, Candidate] = {}
    names = [name for name, _ in choices]
    for combo in product(*(written for __, written in choices)):
        wanted_levels = dict(zip(names, (level for level, _ in combo), strict=True))
        parts = (base.standing, *(part for _, part in combo))
        words = canonical(tuple(word for part in parts for word in part), base.site.catalogue)
        reason = _conflict(words, base)
        if reason:
            dropped.append(Excluded(FlagSet(words), reason))
            continue
        candidate = _candidate(base, words, _settings(base, wanted_levels))
        best = found.get(candidate.id)
        if best is None or candidate.simplicity < best.simplicity:
            found[candidate.id] = candidate
    found[baseline.id] = baseline
    return Space(
        dimensions=_dimensions(base, choices, found),
        candidates=(baseline, *(one for key, one in found.items() if key != baseline.id)),
        baseline=baseline.id,
        excluded=tuple(dict.fromkeys(dropped)),
    )


def launch_words(candidate: Candidate, space: Space, cold: bool) -> tuple[str, ...]:
    """Managed argv words of a process for ``candidate``.

    ``cold``: exactly the set's words. Otherwise the words for live screening: no attention flag, but
    ``--xformers`` when a candidate of the same launch uses that class (the web UI can only switch to it when
    it started with it); the class is then chosen by ``live_settings``.
    """
    if cold or not switches_live(candidate):
        return candidate.flags.words
    catalogue = load("a1111")
    rest = tuple(
        word
        for word in canonical(candidate.flags.words, catalogue)
        if word not in catalogue.flags or catalogue.flags[word].dimension != "attention"
    )
    mates = [one for one in space.candidates if one.launch_key == candidate.launch_key]
    if any(one.effective.attention == "xformers" for one in mates):
        return ("--xformers", *rest)
    return rest


def switches_live(candidate: Candidate) -> bool:
    """Whether this candidate's attention can be switched in a running process (A1111: yes; Forge, reForge: no)."""
    return not candidate.launch_key.startswith("attention=")


def live_settings(candidate: Candidate) -> dict[str, SettingValue]:
    """Options to POST so that a running process computes as ``candidate`` (A1111's titles).

    Also right to pin in the config.json of a process started for live screening. A *cold* start must not
    pin them, or its written flags would be dead: see ``cold_settings``.
    """
    if not switches_live(candidate):
        return {}
    title = attention.BY_NAME[candidate.effective.attention].title
    return {attention.OPTION: title, BATCH: candidate.effective.batch_cond_uncond, **_switch_settings(candidate)}


def cold_settings(candidate: Candidate) -> dict[str, SettingValue]:
    """Options that config.json must hold for a cold start of ``candidate``: all that a study may set."""
    return {**OWN_OPTIONS, **_switch_settings(candidate), **dict(candidate.flags.settings)}


def _switch_settings(candidate: Candidate) -> dict[str, SettingValue]:
    """The options of those switches that a study varies; a web UI without them would refuse them."""
    return {switches.OPTIONS[name]: level for name, level in candidate.levels if name in switches.OPTIONS}


def _without_switches(spec: SearchSpec, dropped: list[Excluded]) -> SearchSpec:
    """The dimensions that there are without switches of PyTorch; those named are among ``dropped``, as one."""
    named = [name for name, _ in spec.dimensions if name in switches.OPTIONS]
    if named:
        shown = tuple((switches.OPTIONS[name], "on" if name != "sdpa_order" else "any") for name in named)
        dropped.append(Excluded(FlagSet((), shown), _(switches.MISSING)))
    return SearchSpec(tuple(one for one in spec.dimensions if one[0] not in named))


def _base_of(machine: Machine, spec: SearchSpec) -> _Base:
    webui = machine.webui
    catalogue = load(webui.flavour, webui.version)
    names = tuple(name for name, _ in spec.dimensions)
    parts = split(webui.flags, catalogue, names)
    saved = dict(machine.settings)
    site = levels.Site(
        catalogue, machine.runtime, machine.gpus, given(parts.kept, catalogue), webui.version, webui.lacks
    )
    current = of_given(given(webui.flags, catalogue), saved, machine.runtime, catalogue.attention)
    own = given(parts.tuned, catalogue)
    standing = tuple(
        word
        for flag, value in own.items()
        if catalogue.flags[flag].dimension not in names
        for word in ((flag,) if value is None else (flag, value))
    )
    return _Base(site, spec.dimensions, parts.tuned, standing, saved, current)


def _choices(
    base: _Base, dropped: list[Excluded]
) -> list[tuple[str, list[tuple[str, tuple[str, ...]]]]]:
    """Per dimension its (level, words) pairs: the user's own level first, then the profile's.

    Dimensions of flags that the profile leaves out have one level: the user's own words.
    """
    choices = []
    for name, named in base.dimensions:
        own = levels.level_of(name, base.current)
        written: list[tuple[str, tuple[str, ...]]] = []
        for level in dict.fromkeys((own, *named)):
            words = levels.write(name, level, base.site)
            if isinstance(words, tuple):
                written.append((level, words))
            elif level == own:
                written.append((level, _own_words(base, name)))
            else:
                dropped.append(Excluded(FlagSet(_words_shown(name, level, base.site)), words))
        choices.append((name, written))
    return choices


def _own_words(base: _Base, dimension: str) -> tuple[str, ...]:
    """The user's own words of one dimension, in canonical form."""
    flags = base.site.catalogue.flags
    values = given(base.mine, base.site.catalogue)
    return tuple(
        word
        for name, value in values.items()
        if flags[name].dimension == dimension
        for word in ((name,) if value is None else (name, value))
    )


def _conflict(words: tuple[str, ...], base: _Base) -> str | None:
    """Why the web UI would not start with these words together; None if it would."""
    flags = {**base.site.kept, **given(words, base.site.catalogue)}
    if flags.get("--precision") == "half" and ("--no-half" in flags or "--no-half-vae" in flags):
        return _("the web UI stops at start when --precision half meets --no-half or --no-half-vae")
    return None


def _settings(base: _Base, wanted_levels: Mapping[str, str]) -> dict[str, SettingValue]:
    """Options that a combination needs in config.json, where they differ from default or from the saved."""
    wanted: dict[str, SettingValue] = {}
    if "attention" in wanted_levels and not base.site.ldm:
        wanted[attention.OPTION] = attention.AUTOMATIC
    if BATCH in wanted_levels and not base.site.ldm:
        wanted[BATCH] = wanted_levels[BATCH] == "true"
    wanted.update((switches.OPTIONS[name], level) for name, level in wanted_levels.items() if name in switches.OPTIONS)
    both = {**{key: value for key, value in base.saved.items() if key in OPTION_DEFAULTS}, **wanted}
    return {
        key: value
        for key, value in both.items()
        if value != OPTION_DEFAULTS[key] or base.saved.get(key, OPTION_DEFAULTS[key]) != value
    }


def _baseline(base: _Base) -> Candidate:
    saved = {
        key: base.saved[key]
        for key, usual in OPTION_DEFAULTS.items()
        if base.saved.get(key, usual) != usual
    }
    return _candidate(base, canonical(base.mine, base.site.catalogue), saved)


def _candidate(base: _Base, words: tuple[str, ...], settings: Mapping[str, SettingValue]) -> Candidate:
    what = base.effective(words, settings)
    text = launch_part(what)
    key = f"attention={what.attention} {text}{live_switches(what)}" if base.site.ldm else text
    return Candidate(
        id=describe(what),
        flags=FlagSet(words, tuple(sorted(settings.items()))),
        effective=what,
        launch_key=key,
        levels=tuple((name, levels.level_of(name, what)) for name, _ in base.dimensions),
        simplicity=(_word_count(words, settings), _differences(base, words, settings)),
    )


def _word_count(words: tuple[str, ...], settings: Mapping[str, SettingValue]) -> int:
    """Number of words, and of options that differ from their default."""
    return len(words) + sum(value != OPTION_DEFAULTS[key] for key, value in settings.items())


def _differences(base: _Base, words: tuple[str, ...], settings: Mapping[str, SettingValue]) -> int:
    """Number of words and options in which a set differs from the user's own."""
    mine, theirs = Counter(base.mine), Counter(words)
    apart = sum((mine - theirs).values()) + sum((theirs - mine).values())
    saved = {**OPTION_DEFAULTS, **base.saved}
    return apart + sum(saved[key] != value for key, value in settings.items())


def _dimensions(
    base: _Base,
    choices: list[tuple[str, list[tuple[str, tuple[str, ...]]]]],
    found: Mapping[str, Candidate],
) -> tuple[Dimension, ...]:
    """The searched dimensions, each with the levels that a candidate has."""
    held: dict[str, set[str]] = {name: set() for name, _ in choices}
    for candidate in found.values():
        for name, level in candidate.levels:
            held[name].add(level)
    live = () if base.site.ldm else LIVE
    return tuple(
        Dimension(name, tuple(level for level, _ in written if level in held[name]), name in live)
        for name, written in choices
    )


def _only_baseline(base: _Base) -> Space:
    """The space of a web UI that is known but not tuned: the user's set and nothing else."""
    baseline = _baseline(base)
    reason = base.site.catalogue.why_not or _("this web UI is not tuned")
    return Space((), (baseline,), baseline.id, (Excluded(FlagSet(), reason),))


def _words_shown(dimension: str, level: str, site: levels.Site) -> tuple[str, ...]:
    """Words that stand for an excluded level in what the user sees."""
    if site.ldm and dimension == "attention" and level in ldm.FLAG_OF_LEVEL:
        return (ldm.FLAG_OF_LEVEL[level],)
    if dimension == "attention" and level in attention.BY_LEVEL:
        return (attention.BY_LEVEL[level].flag,)
    if dimension == "precision":
        return levels.PRECISION_WORDS.get(level, ())
    if dimension == "memory":
        return (f"--{level}",)
    if level == "true":
        return {"channelslast": ("--opt-channelslast",), "no_half_vae": ("--no-half-vae",)}.get(dimension, ())
    return ()
