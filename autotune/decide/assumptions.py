"""All figures that a decision or a search assumes before it has seen this machine.

Each has its unit, its source, and what goes wrong when it is wrong. They are starting points and bounds: what a study
can measure replaces them. How each was found: docs/assumptions.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

Level = tuple[str, str]


def _frozen(table: Mapping[str, float]) -> Mapping[str, float]:
    return MappingProxyType(dict(table))


@dataclass(frozen=True, slots=True)
class NoiseAssumptions:
    """How much times scatter, as standard deviations of log seconds (0.01 = 1 %): between clips of one process, and
    between processes ("starts") of the same set.

    From a real AUTOMATIC1111 1.10.1 with AnimateDiff on an NVIDIA H200 (benchmarks/data/a1111-h200.jsonl): 0.1 to 1.7 %
    within a process; medians of processes of the same set differ by 1.2 % (sdp 4.74, 4.90, 4.88 s; Doggettx 7.11, 7.23,
    7.19 s and others).
    """

    between_sd: float = 0.014
    """Between starts, on a machine like the recorded one. Too small: a single start is trusted too much."""
    start_sorts: tuple[tuple[float, float], ...] = ((0.7, 0.014), (0.3, 0.045))
    """(chance, deviation between starts) of the sorts of machine that a search considers; the samples choose among
    them. A shared or hot machine is of the second sort. Without it one unlucky start misleads the search. Two
    factorials on a shared H200 (docs/assumptions.md) fit the second."""
    decision_start_sd: float = 0.018
    """The deviation between starts that a decision begins with. Too small: equal sets are called different; too large:
    more pairs are needed."""
    clip_noise_share: float = 0.4
    """Share of the clips' deviation that is added to it, in squares: where clips are noisy, starts are too. Source:
    ``python -m benchmarks.calibration``."""
    between_df: float = 3.0
    """Degrees of freedom of that prior. Too many: a machine whose starts scatter more is recognised too late."""
    start_sd_spread: float = 0.5
    """How far machines like the recorded one differ in the deviation between starts, as a standard deviation of its
    logarithm."""
    unlike_recorded: float = 0.8
    """Chance beforehand that a machine is not like the recorded one: its starts may then scatter by anything from
    ``least_start_sd`` to ``most_start_sd``, all orders of magnitude equally likely. Too small: starts that scatter by 8
    % are recognised too late; too large: more pairs everywhere."""
    least_start_sd: float = 0.003
    most_start_sd: float = 0.2
    start_sd_steps: int = 18
    """Number of values from the least to the most at which the start noise is evaluated."""
    within_sd: float = 0.01
    """Between clips of one process, before two clips of one set have been seen."""
    within_df: float = 2.0
    """Degrees of freedom of that prior: few, so that it cannot hide clips that vary by a fifth."""
    outlier_sds: float = 2.5
    """Standard deviations at which a clip's deviation is cut off: other programs stall single clips (two of ten of the
    article's first set are 7 % slow). Too large: one stalled clip moves a mean; too small: real noise is hidden."""


@dataclass(frozen=True, slots=True)
class EffectAssumptions:
    """What flags may do to the time of a clip, in log seconds (0.05 = 5 %), and how their effects are related."""

    effect_sd: Mapping[str, float] = field(default_factory=lambda: _frozen({
        "attention": 0.2,          # sdp or xformers against Doggettx on one card: 0.15-0.26
        "batch_cond_uncond": 0.04,
        "channelslast": 0.024,     # -3 % to +9 % reported; article -6 %; H200 -0.5 %
        "no_half_vae": 0.012,      # decode +0.08 s of 4.9 s on the H200
        "precision": 0.06,         # sampling 12 % faster on the H200, whole clips 20-30 % slower
        "memory": 0.1,             # medvram +1.1 s of 4.9 s on the H200
        "cudnn_benchmark": 0.02,   # nothing on the H200; the last three: benchmarks/data/torch-switches-h200.json
        "fp16_accumulation": 0.05,  # 0.7 % there, whose cards sum in 32 bits at full rate; others may not
        "sdpa_order": 0.1,
    }))
    """Standard deviation of one level's effect, by dimension; two levels differ by the square root of two times as
    much. Attention from webui-benchmarks-2023.csv. Too small: a flag that does much is not tried."""
    other_sd: float = 0.05
    """The same for a dimension that the table does not name."""
    effect_mean: Mapping[Level, float] = field(default_factory=lambda: MappingProxyType({
        ("attention", "sdp"): -0.25,            # H200 at 512 x 512 x 16 x 20: 4.9 s, Doggettx 7.2, InvokeAI 7.2,
        ("attention", "sdp-no-mem"): -0.25,     # sub-quadratic 7.9, none 8.2, V1 13.5
        ("attention", "xformers"): -0.2,        # within a few percent of sdp in webui-benchmarks-2023.csv
        **{("attention", name): -0.25 for name in ("pytorch", "sage", "flash")},  # ComfyUI's; fused kernels, as sdp
        ("attention", "sub-quad"): 0.09, ("attention", "quad"): 0.09,
        ("attention", "none"): 0.13,
        ("attention", "v1"): 0.4,
        ("batch_cond_uncond", "false"): 0.04,   # speed for memory: 5.60 against 4.21 GB on a 4090
        ("no_half_vae", "true"): 0.018,         # decode +0.08 s of 4.9 s on the H200
        ("precision", "half"): -0.05,           # sampling 10-12 % faster on the H200
        ("precision", "upcast"): 0.01,          # +0.04 s on the H200
        ("memory", "medvram"): 0.15,            # +1.1 s of 4.9 to 7.2 s on the H200
        ("memory", "lowvram"): 0.6,
        ("precision", "no-half"): 0.4,
        ("precision", "full"): 0.4, ("unet", "fp32"): 0.4,
        ("sdpa_order", "flash"): 0.08,          # H200, against cuDNN's kernel, which torch takes there by itself
        ("sdpa_order", "mem-efficient"): 0.1,   # H200: 0.17 against cuDNN's, 0.09 against flash
        ("sdpa_order", "math"): 1.1,
    }))
    """Expected log seconds of a level, all others 0. It orders what is tried first; two clips outweigh it."""
    family: Mapping[str, str] = field(default_factory=lambda: MappingProxyType(
        dict.fromkeys(("sdp", "sdp-no-mem", "xformers", "pytorch", "sage", "flash"), "fused")))
    """Attention classes that run fused kernels: on most cards they are about equally fast."""
    family_sd: Mapping[str, float] = field(default_factory=lambda: _frozen({"fused": 0.09}))
    """How far the classes of one family differ (AnimateDiff stretches it). Too small: the best of them is not looked
    for."""
    wild_effect_sd: Mapping[str, float] = field(default_factory=lambda: _frozen({"attention": 0.6}))
    wild_family_sd: Mapping[str, float] = field(default_factory=lambda: _frozen({"fused": 0.4}))
    """Both for a card on which the classes differ widely: sdp 5 times as slow as xformers on a GTX 1070, twice on an
    RTX 4060 Laptop, xformers 2.6 times as slow as sdp on a V100S (webui-benchmarks-2023.csv)."""
    wild_chance: float = 0.2
    """Chance beforehand that this card is such a one; the samples decide. At least 3 of the records' 29 are."""
    multiplies: tuple[str, ...] = ("attention", "batch_cond_uncond", "fp16_accumulation", "sdpa_order")
    """Dimensions whose effect multiplies the time of sampling; the effect of all others is a fixed number of seconds
    (H200, sdp and Doggettx: medvram +1.1 and +1.2 s, half +1.7 and +1.7 s). Wrong: launch flags beside a fast class
    look worth more or less than they are, until one set with both was measured."""
    middle_clip: float = 0.85
    """The clip that ``effect_sd``'s shares refer to, relative to one with Doggettx: between that and sdp (0.68)."""
    weight_bounds: tuple[float, float] = (0.4, 3.0)
    """Bounds of how much more an added second counts beside a faster attention class."""
    odd_chance: float = 0.15
    odd_sd: float = 0.06
    """Chance that this machine's launch flags do what no table expects, and by how much (log seconds). Without it a
    flag that is expected to cost a little is never tried."""
    interaction_sorts: tuple[tuple[float, float, float], ...] = (
        (0.6, 0.003, 0.002), (0.25, 0.015, 0.01), (0.15, 0.04, 0.03))
    """(chance, deviation of interactions of two dimensions, deviation of what is a set's own beyond that) of the sorts
    of machine that are considered; the samples choose among them. Without the latter two, what is learnt from one set
    is applied to others too confidently: where interactions are 6 %, regret was three times that of a search without
    such transfer. Two factorials on an H200 found no interaction, with a bound of about 4 % (docs/assumptions.md)."""


@dataclass(frozen=True, slots=True)
class ClipAssumptions:
    """By how much single clips may be off beyond the clip noise, in log seconds."""

    stall_sd: float = 0.02
    """Deviation of a stalled clip, or of one that loaded kernels after a live switch; with n clips it counts 1/n as
    much."""
    stalled: float = 0.05
    """Share of clips that another program on the machine stalls: 3 of the article's 38."""
    stalled_by: float = 0.07
    stalled_sd: float = 0.03
    """By how much such a clip is late, and the deviation of that: 5 to 8 %; the article's other clips at most 2.1 %."""
    drift_sd: float = 0.004
    """Slow drift of the machine (clocks, heat), which fades over ``drift_rounds`` clips."""
    drift_rounds: float = 15.0
    short_sd: float = 0.04
    """What all scores from short clips may be off by together: they are all converted by one line
    (measure.short_clips)."""


@dataclass(frozen=True, slots=True)
class DecisionRules:
    """When a comparison is finished, and which flags go into it."""

    min_blocks: int = 2
    """Pairs (one cold start a side each) before the first look at the data."""
    max_blocks: int = 16
    """Pairs after which the question is left open. Fewer: gains of 3 to 5 % under noise are left unproven."""
    most_planned_blocks: int = 8
    """Most pairs that the number of clips a start is planned for; the rest are for a gain smaller than expected."""
    boundary_shape: float = 0.4
    """Wang and Tsiatis's shape of the boundaries: 0.5 is Pocock, 0 is O'Brien and Fleming."""
    two_clock_gain: float = 0.17
    """Log gain below which two pairs may show a difference by chance on a card with two clocks (boost on or off,
    differing by 5 to 15 %): such a gain counts only after ``two_clock_pairs`` pairs. Too small: such a card adopts an
    equal set."""
    two_clock_pairs: int = 4
    """Pairs after which that is rare: chance alone gives four starts one clock and four others the other once in 70
    times."""
    precise_share: float = 0.2
    """An interval of this share of the gain is precise enough, however wide: nobody who gains 60 % waits to learn
    whether it is 55 or 65. Too large: a gain is given vaguely; too small: large gains cost time."""
    precision_pairs: float = 1.0
    """Most pairs that only tell how much better a set is, as a multiple of those that it took to be sure that it is
    better."""
    error_share: float = 0.65
    """Share of the error allowed by the profile's confidence that the boundaries use up; the rest is for noise that is
    not as assumed (heavy tails, two clocks, drift: up to 1.8 times as many equal sets are called different)."""
    futile_chance: float = 0.1
    """Chance, by the pairs, that the set reaches the minimum gain, below which no more pairs are made. It can only end
    in "keep". Too large: gains are given up; too small: equal sets are compared for long."""
    helpful_chance: float = 0.7
    """A flag stays in the finalist when it is at least this likely to help. Too large: flags that help are dropped; too
    small: idle flags are kept."""
    kept_in_doubt: float = 0.01
    """Expected saving of a flag, in log seconds, from which it stays even if it is less likely to help: where clips
    vary by 6 %, a flag that helps by a tenth is often in doubt when the search ends. Too small: idle flags are kept."""
    shown_chance: float = 0.975
    """A flag that fresh pairs measured stays only if all clips together make it this likely to help, no level being
    expected to, and the pairs do not contradict that. Too large: flags of 2 and 3 % are dropped."""
    fresh_errors: float = 1.0
    """Standard errors by which its fresh pairs alone must lie above zero: the search chose the flag by its own clips,
    so only these are free of selection. Too small: luck is kept."""
    most_flag_pairs: int = 6
    """Pairs after which a flag that is still in doubt is dropped. More: smaller effects are shown, at two starts
    each."""
    expected_sd_factor: float = 1.4
    """Factor on the deviation of an effect that is only expected: the set was chosen by the very clips that the
    expectation comes from. 1.0 held the truth in 85 of 100 (benchmarks.credit)."""
    tie: float = 0.003
    """Sets whose expected scores differ by less (0.3 %) are equal; the simplest of them is taken."""
    plausible_chance: float = 0.08
    """A set less likely than this to reach the minimum gain is not worth a confirmation."""
    slower_at_most: float = 0.05
    """With the objectives vram and balanced, a set may be this much slower than the current flags, and this must be
    sure."""


@dataclass(frozen=True, slots=True)
class Assumptions:
    """The assumptions of one kind of score (times, or memory peaks) together."""

    noise: NoiseAssumptions = NoiseAssumptions()
    effects: EffectAssumptions = field(default_factory=EffectAssumptions)
    clips: ClipAssumptions = ClipAssumptions()
    rules: DecisionRules = DecisionRules()


ASSUMED = Assumptions()
"""The assumptions on times, used where no others are given."""
NOISE, EFFECTS, CLIPS, RULES = ASSUMED.noise, ASSUMED.effects, ASSUMED.clips, ASSUMED.rules
