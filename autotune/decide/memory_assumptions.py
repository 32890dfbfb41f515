"""What is assumed of memory peaks: which flags save memory, and that a peak hardly varies.

A search for less memory that used the assumptions on times treated each peak as being as noisy as a clip's seconds, and
tried first what is fast.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from autotune.decide.assumptions import ASSUMED, Assumptions, EffectAssumptions, Level, NoiseAssumptions
from autotune.decide.surface import Surface
from autotune.model.flagset import Space
from autotune.model.workload import SEARCH_LEVELS

DIMENSIONS = tuple(SEARCH_LEVELS)
"""All dimensions: each multiplies the peak."""
FUSED_ATTENTION = ("sdp", "sdp-no-mem", "xformers", "pytorch", "sage", "flash")
"""Attention classes that run fused kernels."""


def _memory_mean() -> dict[Level, float]:
    """Expected log MiB of a level, all others 0."""
    return {
        **{("attention", name): -0.5 for name in FUSED_ATTENTION},  # H200: 5.2 GB of 20 GB with split
        ("attention", "sub-quad"): -0.4, ("attention", "quad"): -0.4,
        ("batch_cond_uncond", "false"): -0.25,  # 4.21 against 5.60 GB on a 4090
        ("memory", "medvram"): -0.35,
        ("memory", "lowvram"): -0.7, ("memory", "novram"): -0.7,
        ("no_half_vae", "true"): 0.05,
        ("precision", "no-half"): 0.5,
        ("precision", "full"): 0.5,
        ("sdpa_order", "math"): 2.1,  # H200: 40.2 instead of 4.6 GiB
    }


def _frozen(values: Mapping[str, float]) -> Mapping[str, float]:
    return MappingProxyType(dict(values))


PEAK_ASSUMPTIONS = Assumptions(
    noise=NoiseAssumptions(between_sd=0.003, start_sorts=((0.8, 0.003), (0.2, 0.02))),
    effects=EffectAssumptions(
        effect_sd=_frozen({"attention": 0.4, "batch_cond_uncond": 0.15, "channelslast": 0.02, "no_half_vae": 0.04,
                           "precision": 0.1, "memory": 0.3, "cudnn_benchmark": 0.05, "fp16_accumulation": 0.02,
                           "sdpa_order": 0.1}),
        effect_mean=MappingProxyType(_memory_mean()),
        family_sd=_frozen({"fused": 0.05}), wild_effect_sd=_frozen({"attention": 0.6}),
        wild_family_sd=_frozen({"fused": 0.3}), multiplies=DIMENSIONS, odd_chance=0.1, odd_sd=0.2,
        interaction_sorts=((0.6, 0.01, 0.005), (0.25, 0.05, 0.02), (0.15, 0.15, 0.05))))
"""Assumptions on the logarithm of a set's memory peak. Peaks of one set in several starts differ by less than 0.5 %
(H200)."""


def _balanced_assumptions() -> Assumptions:
    """Assumptions on the mean of both logarithms: half of each expected effect."""
    time, peak = ASSUMED.effects, PEAK_ASSUMPTIONS.effects
    means = {level: 0.5 * (time.effect_mean.get(level, 0.0) + peak.effect_mean.get(level, 0.0))
             for level in {*time.effect_mean, *peak.effect_mean}}
    spread = {name: 0.5 * math.hypot(time.effect_sd.get(name, 0.0), peak.effect_sd.get(name, 0.0))
              for name in {*time.effect_sd, *peak.effect_sd}}
    halves = tuple((chance, 0.5 * start) for chance, start in ASSUMED.noise.start_sorts)
    return Assumptions(
        noise=NoiseAssumptions(between_sd=0.5 * ASSUMED.noise.between_sd, start_sorts=halves),
        effects=EffectAssumptions(
            effect_sd=_frozen(spread), effect_mean=MappingProxyType(means), multiplies=DIMENSIONS, odd_chance=0.15,
            odd_sd=0.1, interaction_sorts=((0.6, 0.006, 0.004), (0.25, 0.03, 0.015), (0.15, 0.08, 0.04))))


@lru_cache(maxsize=4)
def assumptions_for(objective: str) -> Assumptions:
    """The assumptions on an objective's score."""
    return ASSUMED if objective == "speed" else PEAK_ASSUMPTIONS if objective == "vram" else _balanced_assumptions()


def surface_for(space: Space, objective: str, prior: dict[Level, float] | None = None, doubt: float = 1.0) -> Surface:
    """The model of an objective's score (see Surface)."""
    return Surface(space, prior, doubt, assumptions_for(objective))
