"""How much time a search spends, and on what: every threshold of the strategies in one frozen value.

Units and sources stand beside each figure; what was tried instead, and what it cost: docs/assumptions.md.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Thresholds:
    """An effort profile. Gains and losses are log seconds (0.01 = 1 %), costs seconds of the GPU."""

    least_rate_live: float = 0.0002
    least_rate_start: float = 0.0001
    """Smallest expected drop of the best time that a baseline clip's time is spent on, live and with a start: one
    factor settled by a start helps every set that has it. Too large: the search stops early."""
    least_drop: float = 0.001
    """Smallest expected drop of the best time that anything is measured for, however cheap: among sets that differ by
    less nobody waits gladly, and the simplest of them goes on."""
    counted_gain_share: float = 0.7
    """Share of the minimum gain that a set must be expected to have over the current one for a look at it to be worth
    anything: what is less would not be adopted. Too large: gains that are just worth it are not looked for."""
    loss_to_stop: float = 0.0035
    loss_to_stop_near: float = 0.0015
    """The search is over when the best set is expected to lose less than this against the truly best one; the second
    while it is ``near_gain`` the current one: there a little more decides whether a gain can be proven at all."""
    search_share: float = 0.35
    """Share of the budget after which nothing more is screened: an unproven set is worth nothing. Too large: where
    clips take half a minute, too few pairs are left to prove a gain of a tenth."""
    proofs_left_for_flags: float = 3.0
    """Times what the proof is expected to take that must be left for flags to be compared on the way to it. Smaller:
    flags are told apart, and the gain that they are part of is not proven."""
    near_gain: float = 0.08
    """Log seconds by which the best set is expected to beat the current one, below which it is near."""
    search_launches: int = 10
    """Starts the search may use; the rest confirm. It seldom needs more than 6."""
    fewest_clips: int = 1
    most_clips: int = 6
    """Rounds a cold start gives in confirmation, at least and at most."""
    least_planned_gain: float = 0.02
    """Smallest gain, in log seconds, that the number of clips a start is planned for."""
    proof_share: float = 0.72
    """Most of the budget that the search leaves for proving what it found. Too small: a gain is found and not proven;
    too large: on a short budget it is not found."""
    first_pairs_margin: float = 1.05
    """The first pairs are planned to take this many times what they are expected to: a start that takes a second
    longer must not leave the last of four without its clip."""
    batches: tuple[tuple[int, tuple[int, ...]], ...] = ((1, (1, 2, 4)), (2, (1, 2)), (3, (1, 2)), (5, (1, 2)))
    """Numbers of sets looked at in one process, and of rounds of each, that are weighed against each other."""
    sets_of_new_process: int = 4
    """Sets that a new process may be started for alone, per launch key: the best ones expected there."""
    rounds_of_process: int = 5
    """Rounds of one set in one process after which more would only measure that process."""
    most_contenders: int = 40
    """Sets with the best optimistic scores that are weighed; the rest are surely worse."""
    flag_price: float = 0.002
    """Log seconds that a set must gain for each thing in which it differs from the current one."""
    flag_surely_helps: float = 0.99
    """Chance that a flag helps beyond which fresh pairs with and without it only tell how much it does."""
    flag_time_share: float = 0.2
    """Share of the time measured so far that starts for such a flag may take: more than that for a figure alone is not
    worth it."""
    flag_hopeless: float = 0.6
    """A measured flag that is less likely to help gets no more pairs; it is dropped."""
    gain_draws: int = 64
    loss_draws: int = 256
    """Normal draws behind an expectation, in pairs of opposite sign; fixed, so that the same history gives the same."""
    assumed_startup: float = 20.0
    """Seconds to ready that are assumed before a start was seen (15.7-23.8 s on the H200)."""
    assumed_warmup_rounds: float = 2.0
    """Warming up a process costs this many rounds until it was seen (4.9 s, first clip 11.3 s on the H200)."""
    short_clip_checks: int = 3
    """Sets that get a short clip beside their first whole one until short clips are trusted (measure.fidelity's own
    count): what a look at a new set costs until then. Too small: looks at hopeless sets are forecast too cheap."""
    steps_check_share: float = 0.25
    """Share of what the tune took so far that the two clips with as many steps as people use may take, beside what is
    left of the budget: they check what is said of such clips, and decide nothing."""
    steps_check_factor: float = 5.0
    """Such a clip may have this many times the steps of the profile's: a profile of one step is no picture, and hardly
    tells anything of twenty."""
    max_launches: int = 44
    """Starts of the web UI in one study, confirmation included; failed ones are allowed four more. Half of the studies
    need at most 10; only a gain that stays in doubt uses all."""
    max_samples: int = 600
    """Clips after which a study ends whatever happens."""


THRESHOLDS = Thresholds()
"""The effort of a usual tune."""
