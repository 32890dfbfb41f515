"""Every threshold of the search strategies: how much time is spent, and on what.

Units and sources stand beside each figure; what was tried instead, and what it cost: docs/assumptions.md.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The thresholds of one strategy. Gains and losses are log seconds (0.01 = 1 %), costs seconds of the GPU."""

    least_rate_live: float = 0.0002
    least_rate_start: float = 0.0001
    """Smallest expected drop of the best time for which the time of one baseline clip is spent, in a live process and
    with a start: what a start shows about a launch flag applies to every set that has it. Too large: the search stops
    early."""
    least_drop: float = 0.001
    """Smallest expected drop of the best time for which anything is measured, however cheap: among sets that differ by
    less the simplest one is as good."""
    counted_gain_share: float = 0.7
    """Share of the minimum gain that a set must be expected to have over the current one for a clip of it to be worth
    anything: a smaller gain would not be adopted. Too large: gains that are just worth it are not looked for."""
    loss_to_stop: float = 0.0035
    loss_to_stop_near: float = 0.0015
    """The search ends when taking the best set now is expected to lose less than this against the truly best one; the
    second figure while the best set is close to the current one (``near_gain``): there a little more decides whether a
    gain can be proven at all."""
    search_share: float = 0.35
    """Share of the budget after which the search ends: an unproven set is worth nothing. Too large: where clips take
    half a minute, too few pairs are left to prove a gain of a tenth."""
    proofs_left_for_flags: float = 3.0
    """Flags are compared during the confirmation only while this many times the expected cost of the proof is left.
    Smaller: single flags are measured, and the gain of the whole set is not proven."""
    near_gain: float = 0.08
    """Log seconds by which the best set is expected to beat the current one, below which it is close to it."""
    search_launches: int = 10
    """Starts that the search may use; the rest are for the confirmation. It seldom needs more than 6."""
    fewest_clips: int = 1
    most_clips: int = 6
    """Rounds that each cold start gives in the confirmation, at least and at most."""
    least_planned_gain: float = 0.02
    """Smallest gain, in log seconds, for which the number of clips a start is planned."""
    proof_share: float = 0.72
    """Largest share of the budget that the search leaves for proving what it found. Too small: a gain is found and not
    proven; too large: on a short budget it is not found."""
    first_pairs_margin: float = 1.05
    """The first pairs are planned to take this many times the expected seconds, so that a start that takes a second
    longer does not cost the last of four its clip."""
    batches: tuple[tuple[int, tuple[int, ...]], ...] = ((1, (1, 2, 4)), (2, (1, 2)), (3, (1, 2)), (5, (1, 2)))
    """(number of sets measured in one process, numbers of rounds of each) of the batches that are weighed against each
    other."""
    sets_of_new_process: int = 4
    """How many sets of each launch key, the best ones expected, may get a new process for themselves alone."""
    rounds_of_process: int = 5
    """Rounds of one set in one process after which more would only measure that process."""
    most_contenders: int = 40
    """Number of sets, those with the best optimistic scores, that are weighed; the rest are surely worse."""
    flag_price: float = 0.002
    """Log seconds that a set must gain for each dimension in which it differs from the current one, so that ties go to
    the simpler set."""
    flag_surely_helps: float = 0.99
    """Chance that a flag helps above which pairs with and without it only tell how much it does."""
    flag_time_share: float = 0.2
    """Share of the time measured so far that starts for such a flag may take."""
    flag_hopeless: float = 0.6
    """A measured flag that is less likely to help gets no more pairs; it is dropped."""
    gain_draws: int = 64
    loss_draws: int = 256
    """Number of normal draws behind an expected gain and an expected loss, in pairs of opposite sign; the draws are
    fixed, so that the same history gives the same figure."""
    assumed_startup: float = 20.0
    """Seconds to ready that are assumed before a start was seen (15.7-23.8 s on the H200)."""
    assumed_warmup_rounds: float = 2.0
    """Rounds that warming up a process is assumed to cost until it was seen (clip 4.9 s, first clip 11.3 s on the
    H200)."""
    short_clip_checks: int = 3
    """Number of sets that get a short clip beside their first whole one, until short clips are trusted
    (measure.short_clips's own count). Too small: the cost of a new set is underestimated."""
    steps_check_share: float = 0.25
    """Share of the time of the tune so far that the two clips with as many steps as people use may take: they check the
    figures for such clips, and decide nothing."""
    steps_check_factor: float = 5.0
    """Such a clip may have at most this many times the steps of the profile's: a profile of one step is no picture, and
    hardly predicts twenty."""
    max_launches: int = 44
    """Starts of the web UI in one study, confirmation included; up to four failed ones are not counted. Half of the
    studies need at most 10; only a gain that stays in doubt uses all."""
    max_samples: int = 600
    """Clips after which a study ends in any case."""


THRESHOLDS = Thresholds()
"""The thresholds of a usual tune."""
