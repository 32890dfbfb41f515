"""Lists all sets that a study can measure: each combination of a profile's levels once, with the fewest words."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

from autotune.flags import argv
from autotune.flags.words import canonical, split
from autotune.language.translate import N_, _
from autotune.model.errors import UsageProblem
from autotune.model.flagset import Candidate, Dimension, Effective, Excluded, FlagSet, Space
from autotune.model.machine import Machine
from autotune.model.workload import SearchSpec
from autotune.webui.comfyui.flags import levels, rules
from autotune.webui.comfyui.flags.effective import DEFAULT, describe, level_of, of_given
from autotune.webui.comfyui.flags.known_flags import FAST, FAST_MEMBERS
from autotune.webui.comfyui.flags.rules import Given, site_of

NOT_BY_DEFAULT: dict[tuple[str, str], str] = {
    ("attention", "quad"): N_("saves memory, costs time: tried only when GPU memory is short or a profile names it"),
    ("attention", "sage"): N_("has no kernel for Stable Diffusion 1.5: tried only when a profile names it"),
    ("memory", "gpu-only"): N_("uses the most memory: tried only when a profile names it"),
    ("cache", "high-ram"): N_("uses the most memory: tried only when a profile names it"),
}
"""Not in the default search, with the reason that users see."""
MOST_SETS = 2000
"""The search weighs all sets against one another: 1152 of them took 750 MB, and the memory grows with the square."""
MOST_COMBINATIONS = 50_000
"""Of levels, before those that come to the same are put together: about 20 s to go through."""


@dataclass(frozen=True)
class _Base:
    """What all candidates of one space have in common.

    ``mine``: the user's own managed words as written; ``standing``: those of them that no searched dimension varies;
    ``members``: those of --fast of the same kind; ``own``: the user's words of each searched dimension.
    """

    place: levels.Place
    dimensions: tuple[tuple[str, tuple[str, ...]], ...]
    mine: tuple[str, ...]
    standing: tuple[str, ...]
    members: tuple[str, ...]
    bare: bool
    own: Mapping[str, tuple[str, ...]]
    current: Effective

    def effective(self, words: tuple[str, ...]) -> Effective:
        """The effective set of these managed words beside the kept flags."""
        given = argv.all_values(words, self.place.site.catalogue.flags)
        return of_given({**self.place.kept, **given}, self.place.site)


def default_spec(machine: Machine) -> SearchSpec:
    """The default search: what is safe and may be worth its starts on this machine."""
    site = site_of(machine)
    place = levels.Place(site, argv.all_values(machine.webui.kept_flags, site.catalogue.flags))
    short, nvidia = place.memory_short, place.device == "nvidia"
    classes = tuple(level for level in levels.LEVELS["attention"]
                    if level != "sage" and (level != "quad" or short or not nvidia))
    usual = rules.async_malloc_usual(place.kept, site)
    return SearchSpec((
        ("attention", classes),
        *((name, (DEFAULT, "on")) for name in ("fp16_accumulation", "cudnn_benchmark", "cublas_ops")),
        ("channelslast", levels.LEVELS["channelslast"]),
        ("cuda_malloc", (DEFAULT, "off" if usual else "on")),
        ("memory", ("none", "lowvram") if short else ("none", "highvram")),
        ("dynamic_vram", (DEFAULT, "off")),
        ("cache", (DEFAULT, "classic")),
        *([("async_offload", (DEFAULT, "off"))] if short else []),
    ))


def build(machine: Machine, spec: SearchSpec | None = None) -> Space:
    """Expands ``spec`` (None: the default search) for this machine into distinct effective sets.

    The user's current set is always a member, in canonical order and else as the user has it; each other set has
    the fewest words that reach it beside the user's kept flags. What cannot be had here is in ``excluded``. Raises
    UsageProblem where a profile names more than can be gone through; of more sets than can be weighed against one
    another the last dimensions stay as they are.
    """
    dropped: list[Excluded] = []
    base = _base_of(machine, _known(spec or default_spec(machine), dropped))
    if spec is None:
        named = dict(base.dimensions)
        dropped += [_out(*pair, _(reason)) for pair, reason in NOT_BY_DEFAULT.items()
                    if pair[1] not in named.get(pair[0], ()) and level_of(pair[0], base.current) != pair[1]]
    choices = _choices(base, dropped)
    baseline = _candidate(base, canonical(base.mine, base.place.site.catalogue))
    count = math.prod(len(usable) for __, usable in choices)
    if count > MOST_COMBINATIONS:
        raise UsageProblem(
            _("the profile's [search] comes to {count} sets of flags, more than can be weighed").format(count=count),
            _("name fewer dimensions, or fewer levels of them"))
    found = _sets(base, choices, baseline)
    while len(found) > MOST_SETS:
        found = _sets(base, _less(choices, dropped), baseline)
    return Space(
        dimensions=_dimensions(choices, found, dropped),
        candidates=(baseline, *(one for key, one in found.items() if key != baseline.id)),
        baseline=baseline.id,
        excluded=tuple(dict.fromkeys(dropped)),
    )


def _sets(base: _Base, choices: list[tuple[str, tuple[str, ...]]], baseline: Candidate) -> dict[str, Candidate]:
    """All distinct sets of these levels by id, the user's own among them."""
    found: dict[str, Candidate] = {}
    names = [name for name, __ in choices]
    for combination in product(*(one for __, one in choices)):
        candidate = _candidate(base, _words(base, dict(zip(names, combination, strict=True))))
        best = found.get(candidate.id)
        if best is None or candidate.simplicity < best.simplicity:
            found[candidate.id] = candidate
    found[baseline.id] = baseline
    return found


def _less(choices: list[tuple[str, tuple[str, ...]]], dropped: list[Excluded]) -> list[tuple[str, tuple[str, ...]]]:
    """The levels without those of the last dimension that varies, which stays as its user has it."""
    at = max(number for number, (__, usable) in enumerate(choices) if len(usable) > 1)
    name, usable = choices[at]
    reason = _("there are more sets than can be weighed: a profile that names fewer dimensions tries it")
    dropped += [_out(name, level, reason) for level in usable[1:]]
    choices[at] = (name, usable[:1])
    return choices


def _known(spec: SearchSpec, dropped: list[Excluded]) -> SearchSpec:
    """The profile's dimensions that ComfyUI has, with its own names of their levels; the others are told apart."""
    found = []
    for name, named in spec.dimensions:
        if name not in levels.LEVELS:
            dropped.append(_out(name, "any", _("ComfyUI has nothing like {dimension}").format(dimension=name)))
            continue
        other = levels.ALIASES.get(name, {})
        found.append((name, tuple(dict.fromkeys(other.get(level, level) for level in named))))
    return SearchSpec(tuple(found))


def _out(dimension: str, level: str, reason: str) -> Excluded:
    """A level that is not tried: by its words, or by its name where no flag stands for it."""
    words = levels.shown(dimension, level)
    return Excluded(FlagSet(words, () if words else ((dimension, level),)), reason)


def _base_of(machine: Machine, spec: SearchSpec) -> _Base:
    site = site_of(machine)
    flags = site.catalogue.flags
    names = tuple(name for name, __ in spec.dimensions)
    parts = split(machine.webui.flags, site.catalogue, names)
    place = levels.Place(site, argv.all_values(parts.kept, flags))
    mine = argv.all_values(parts.tuned, flags)
    given = mine.get(FAST, ())
    used = rules.fast(mine) if FAST in mine else ()
    searched = {member for name, member in FAST_MEMBERS.items() if name in names}
    members = (*(one for one in used if one not in searched),
               *(one for one in given if one not in FAST_MEMBERS.values()))
    others = {flag: values for flag, values in mine.items() if flag != FAST}
    own: dict[str, tuple[str, ...]] = {}
    for flag, values in others.items():
        dimension = flags[flag].dimension or ""
        own[dimension] = (*own.get(dimension, ()), flag, *values)
    standing = tuple(word for dimension, words in own.items() if dimension not in names for word in words)
    current = of_given(argv.all_values(machine.webui.flags, flags), site)
    return _Base(place, spec.dimensions, parts.tuned, standing, members, FAST in mine and not given, own, current)


def _choices(base: _Base, dropped: list[Excluded]) -> list[tuple[str, tuple[str, ...]]]:
    """Per dimension its levels: the user's own first, then the profile's that can be had here."""
    choices = []
    for name, named in base.dimensions:
        own = level_of(name, base.current)
        usable = []
        for level in dict.fromkeys((own, *named)):
            reason = levels.obstacle(name, level, base.place)
            if reason is None or level == own:
                usable.append(level)
            else:
                dropped.append(_out(name, level, reason))
        choices.append((name, tuple(usable)))
    return choices


def _words(base: _Base, wanted: Mapping[str, str]) -> tuple[str, ...]:
    """The words of a combination in canonical order, the members of --fast gathered.

    A bare --fast is written only where the user has it and all its members are meant: later versions add members to it.
    """
    on = {FAST_MEMBERS[name] for name, level in wanted.items() if name in FAST_MEMBERS and level == "on"}
    members = tuple(one for one in FAST_MEMBERS.values() if one in on or one in base.members)
    members += tuple(one for one in base.members if one not in FAST_MEMBERS.values())
    every = base.bare and set(members) >= set(FAST_MEMBERS.values())
    fast = () if not members else (FAST,) if every else (FAST, *members)
    words = (*base.standing, *levels.words_of(wanted, base.own, _place(base, members)), *fast)
    return canonical(words, base.place.site.catalogue)


def _place(base: _Base, members: tuple[str, ...]) -> levels.Place:
    """The place with what stands for certain: words that no searched dimension varies count as kept."""
    standing = argv.all_values(base.standing, base.place.site.catalogue.flags)
    fast: Given = {FAST: members} if members else {}
    return levels.Place(base.place.site, {**base.place.kept, **standing, **fast})


def _candidate(base: _Base, words: tuple[str, ...]) -> Candidate:
    what = base.effective(words)
    name = describe(what)
    mine, theirs = Counter(base.mine), Counter(words)
    apart = sum((mine - theirs).values()) + sum((theirs - mine).values())
    return Candidate(
        id=name,
        flags=FlagSet(words),
        effective=what,
        launch_key=name,
        levels=tuple((dimension, level_of(dimension, what)) for dimension, __ in base.dimensions),
        simplicity=(len(words), apart),
    )


def _dimensions(
    choices: list[tuple[str, tuple[str, ...]]], found: Mapping[str, Candidate], dropped: list[Excluded]
) -> tuple[Dimension, ...]:
    """The searched dimensions, each with the levels that a candidate has; a level that none has is told apart."""
    held: dict[str, set[str]] = {name: set() for name, __ in choices}
    for candidate in found.values():
        for name, level in candidate.levels:
            held[name].add(level)
    dropped += [_out(name, level, _("it changes nothing on this machine"))
                for name, named in choices for level in named if level not in held[name]]
    # Levels that only a rule of ComfyUI's brings about, as the allocator beside --fast autotune, stand at the end.
    return tuple(
        Dimension(name, (*(level for level in named if level in held[name]),
                         *sorted(held[name] - set(named))), False)
        for name, named in choices
    )
