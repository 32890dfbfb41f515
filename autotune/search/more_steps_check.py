"""After a gain is proven: one clip a side with as many steps as people use, to check the speedup predicted for such
clips."""

from __future__ import annotations

from autotune.decide.compare import confirmation_result
from autotune.decide.more_steps import CHECK_STEPS
from autotune.language.translate import _
from autotune.model.study import Proposal
from autotune.search.thresholds import THRESHOLDS
from autotune.search.view import View


def next_steps_check(view: View, winner: str) -> Proposal | None:
    """The clip of CHECK_STEPS steps that is still missing, the live process's set first; None where nothing was proven,
    where such a clip would add nothing, or where both sides' clips would take more than is left or than they are
    worth."""
    if any(workload.is_workflow for workload in view.profile.workloads):
        return None
    least = min(workload.steps for workload in view.profile.workloads)
    if least >= CHECK_STEPS or THRESHOLDS.steps_check_factor * least < CHECK_STEPS or not _is_proven(view, winner):
        return None
    done = {s.candidate for s in view.history.samples if s.purpose == "confirm" and s.block is None}
    missing = [name for name in (view.space.baseline, winner) if name not in done]
    costs = {name: _cost(view, name, CHECK_STEPS / least) for name in missing}
    ended = next((s.candidate for s in reversed(view.history.samples)), None)
    missing.sort(key=lambda name: name != ended)
    spare = THRESHOLDS.steps_check_share * view.history.spent if len(missing) == 2 else view.seconds_left
    if not missing or sum(costs.values()) > min(view.seconds_left, spare):
        return None
    return Proposal(missing[0], "confirm", 1,
                    why=_("a clip of {steps} steps, to check what is said of such clips").format(
                        steps=CHECK_STEPS), steps=CHECK_STEPS)


def _is_proven(view: View, winner: str) -> bool:
    """Whether the winner was shown to be better."""
    found = confirmation_result(view.history, view.space, view.scored, winner, view.profile.decide)
    return found is not None and found.answer == "better"


def _cost(view: View, name: str, times: float) -> float:
    """Seconds that such a clip takes at most, with the start and warm-up before it."""
    return view.cost(name, 1) + (times - view.short_share) * view.round_cost(name)
