"""`tune`: measures candidate sets in the real web UI and ends in a verdict. Changes nothing of the user's."""

from __future__ import annotations

import itertools
import platform
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from autotune import __version__
from autotune.install import which_gpu
from autotune.install.inspection import Inspection
from autotune.model import codec
from autotune.model.errors import BaselineFailed, Refused
from autotune.model.flagset import NONE_TUNED, Space
from autotune.model.machine import Fingerprint
from autotune.model.study import History, Proposal
from autotune.model.workload import Profile
from autotune.search.strategy import SearchQuestion
from autotune.store import events, running_set
from autotune.store.places import Places
from autotune.store.studies import Study, open_study, question_key
from autotune.tune.document import tune_json
from autotune.tune.optuna_search import OptunaSearch
from autotune.tune.stopwatch import Budget, Stopwatch
from autotune.webui.recognise import face_of
from autotune.workload import profile as profiles

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

    from autotune.tune.driver import StudySetup


POLL = 1.0
"""Seconds between two looks at what other workers do."""


@dataclass(frozen=True, slots=True)
class TuneOptions:
    """What to tune for. ``budget`` in seconds; ``cause``: who asked, for the history; ``taken``: seconds of the budget
    that looking at the install took; ``strategy``: who searches, see ``search.NAMES``, or MODULE:CLASS; ``storage``:
    address of Optuna's storage, None for autotune's own file."""

    profile: Profile
    objective: str = "speed"
    budget: float = 600.0
    fresh: bool = False
    seed: int = 0
    strategy: str = "screen"
    cause: str = "asked"
    taken: float = 0.0
    storage: str | None = None


class Progress:
    """What a tune says while it runs; this one says nothing."""

    def say(self, text: str) -> None:
        """One line about what happens now."""

    def update(self, history: History, left: float) -> None:
        """After each measurement; ``left``: seconds of the budget that are left at most."""


def tune(install: Inspection, places: Places, options: TuneOptions, progress: Progress) -> dict[str, Any]:
    """Runs or resumes the study of this question and returns its document (docs/contract.md: tune).

    Raises NothingToWorkOn, Busy, BaselineFailed (the current flags do not start or render), StateDamaged
    (records cannot be written), Interrupted; whatever it raises, all samples taken are kept.
    """
    from autotune.install import idle
    from autotune.launchfile.lock import exclusively
    from autotune.trial.sweep import sweep
    from autotune.tune import optuna_search

    install.require_tunable()
    places.require_outside(install.root)
    said = install.require_certain()
    with (events.record_failure(places.history(install.root), "tune", options.cause) as facts,
          exclusively(places.lock, install.root, "tune")):
        sweep(places.runs)
        watch = Stopwatch()
        if said is not None:
            progress.say(said)
        idle.require_idle(install.machine)
        setup = _setup(install, places, options)
        setup.in_flight.record_machine_down()
        if options.fresh:
            setup.in_flight.forget_machine_down()
        with optuna_search.storage(places, options.storage, options.strategy) as storage:
            study = _resumed(install, places, options, setup, progress.say)
            facts["study"] = study.id
            with _asking(storage, setup, study, options, progress.say) as search:
                kept = Budget(options.budget, watch, study.spent() + options.taken)
                if _loop(setup, study, search, kept, progress):
                    study.set_cost(watch.seconds())
                return _conclude(install, places, options, setup, study, search)


def _resumed(
    install: Inspection, places: Places, options: TuneOptions, setup: StudySetup, say: Callable[[str], None]
) -> Study:
    """The study of this question, sound as far as it goes."""
    study = _study(install, places, options, setup.space)
    study.set_bad_result_aside()
    study.checked_question()
    if study.moved_aside is not None:
        say(study.moved_aside)
    if study.samples:
        say(f"going on with study {study.id}: {len(study.samples)} clips are there already")
    return study


def _asking(
    storage: BaseStorage, setup: StudySetup, study: Study, options: TuneOptions, say: Callable[[str], None]
) -> OptunaSearch:
    from autotune.tune.prior_knowledge import stored_prior

    prior = stored_prior(study.head)
    if prior is not None and not study.samples:
        say(f"what to expect comes from {prior.source}; all of it is measured again")
    question = SearchQuestion(
        setup.space, options.profile, options.objective, options.strategy, options.seed, prior,
        f"autotune-{study.head.get('alike', study.head['key'])}" if options.storage else None, options.fresh)
    return OptunaSearch(storage, study, question, say)


def _loop(
    setup: StudySetup, study: Study, search: OptunaSearch, budget: Budget, progress: Progress
) -> int:
    """Asks, measures, records, until nothing more is asked for; how many proposals that were."""
    from autotune.machine.nvml import Nvml
    from autotune.tune.driver import Driver

    with Nvml() as nvml, Driver(setup, study, budget, nvml, progress.say) as driver:
        driver.bar(setup.in_flight.machine_down_sets())
        return ask_and_tell(driver, study, search, budget, progress, setup.space)


class Carrier(Protocol):
    """What carries proposals out: the driver of a web UI, or one whose clips only wait."""

    @property
    def live_launch(self) -> int | None:
        """Number of the process that is up."""
        ...

    def give_way(self) -> None:
        """Waits while somebody else has the machine."""
        ...

    def carry_out(self, proposal: Proposal) -> None:
        """Measures what is proposed, and records it in the study."""
        ...


def ask_and_tell(
    driver: Carrier, study: Study, search: OptunaSearch, budget: Budget, progress: Progress, space: Space,
    poll: float = POLL,
) -> int:
    """The loop of every tune; how many proposals were carried out."""
    told = (-1, -1)

    def history() -> History:
        nonlocal told
        found = study.history(budget.seconds, budget.spent(), driver.live_launch)
        before, told = told, (len(found.samples), len(found.launches))
        if told != before:  # not each time that another worker is waited for
            progress.update(found, max(0.0, budget.left()))
        return found

    def pause() -> bool:
        with budget.watch.on("waiting"):
            time.sleep(poll)
        return budget.left() > 0.0

    for done in itertools.count():
        driver.give_way()
        proposal = search.next(history, pause)
        if proposal is None:
            search.gather()
            return done
        if not search.begin(proposal):
            continue
        _tell(proposal.candidate, proposal.why, space, progress.say)
        try:
            driver.carry_out(proposal)
        finally:
            search.finish()
            study.set_cost(budget.watch.seconds())
    raise AssertionError("a count has no end")


def _tell(candidate: str, why: str, space: Space, say: Callable[[str], None]) -> None:
    words = space[candidate].flags
    settings = [f"{key}={value}" for key, value in words.settings]
    name = " ".join((*words.words, *settings)) or NONE_TUNED
    say(f"{name}" + (f" ({why})" if why else ""))


def _setup(install: Inspection, places: Places, options: TuneOptions) -> StudySetup:
    from autotune.tune.driver import StudySetup
    webui = face_of(install.root)
    space = webui.space(install.machine, options.profile.search)
    return StudySetup(
        machine=install.machine,
        space=space,
        profile=options.profile,
        webui=webui,
        launch_file=install.path,
        run_root=places.runs,
        motion_module=install.motion_module(max(one.window for one in options.profile.workloads)),
        in_flight=running_set.of_webui(places, install.root),
    )


def _study(install: Inspection, places: Places, options: TuneOptions, space: Space) -> Study:
    from autotune.tune import prior_knowledge

    machine = install.machine
    asked = profiles.to_json(options.profile)
    asked.pop("budget")  # a larger budget goes on with the same study
    question = {
        "fingerprint": machine.fingerprint.id,
        "profile": asked,
        "objective": options.objective,
        "strategy": options.strategy,
        "seed": options.seed,
        "baseline": space.baseline,
        "candidates": [candidate.id for candidate in space.candidates],
    }
    alike = {**question, "fingerprint": _alike(machine.fingerprint)}
    head = {
        "alike": question_key(alike),
        "created": events.now(),
        "autotune": __version__,
        "profile": profiles.to_json(options.profile),
        "objective": options.objective,
        "strategy": options.strategy,
        "seed": options.seed,
        "webui": {
            "flavour": machine.webui.flavour,
            "version": machine.webui.version,
            "root": str(machine.webui.root),
        },
        "gpu": machine.gpus[0].name if machine.gpus else f"CPU ({platform.machine()})",
        "memory_untold": which_gpu.memory_untold(machine),
        "stand_in": machine.webui.flavour == "reference",
        "fingerprint": codec.dump(machine.fingerprint),
        "space": codec.dump(space),
        "budget": options.budget,
        "prior": codec.dump(prior_knowledge.prior_of(
            places.studies(machine.webui.root), machine, options.objective, options.fresh)),
    }
    study = open_study(places.studies(machine.webui.root), question_key(question), head, options.fresh)
    if study.head.get("budget") != options.budget:
        study.set_head(budget=options.budget)
    return study


def _alike(fingerprint: Fingerprint) -> list[tuple[str, str]]:
    """What machines that may share a study have in common: all but which of its cards the web UI is told to use."""
    return [(name, re.sub(r"--device-id[ =]\S+ ?", "", value).strip() if name == "kept_flags" else value)
            for name, value in fingerprint.parts]


def _conclude(
    install: Inspection, places: Places, options: TuneOptions, setup: StudySetup, study: Study, search: OptunaSearch
) -> dict[str, Any]:
    from autotune.decide import verdict as decide
    from autotune.decide.rounds import failures
    from autotune.tune import time_limits

    history = study.history(options.budget, study.spent(), None)
    broken = failures(history, setup.space).baseline
    verdict = decide(history, setup.space, options.profile, options.objective)
    document = tune_json(
        study.head, verdict, setup.space, history, study.cost(), install.machine.fingerprint
    )
    document["change"] = _change(install, document, [dimension.name for dimension in setup.space.dimensions])
    discarded = time_limits.discard_warning(study.samples)
    document["warnings"] = [*study.head.get("warnings", ()), *([discarded] if discarded else [])]
    if study.document() != document:
        study.save_document(document)
        if broken is None:
            events.record(
                places.history(install.machine.webui.root), "tune", options.cause, study=study.id,
                decision=document["decision"], reason=document["reason"], speedup=document["speedup"],
                flags=document["winner"]["flags"], settings=document["winner"]["settings"],
                cost=document["cost"]["wall"],
            )
        search.conclude(verdict)
    if broken is not None and any(one.failure == "machine_down" and one.candidate == setup.space.baseline
                                  for one in study.samples):
        raise BaselineFailed(
            f"{broken}: they are not measured again without being asked",
            "If it went down for another reason (a power cut, a reset), `autotune tune --fresh` measures them again.",
        )
    if broken is not None:
        detail, words = _last_failure(study, setup.space.baseline)
        raise BaselineFailed(
            f"the web UI does not start or render with its current flags: {broken}: {detail}",
            "Start it yourself to see what is wrong" + (f"; its last words are in {words}." if words else "."),
        )
    return document


def _last_failure(study: Study, baseline: str) -> tuple[str, Path | None]:
    """What the current flags failed with last, in words, and the file that holds the end of the web UI's output."""
    clips = [one for one in study.samples if one.candidate == baseline and one.state == "failed"]
    starts = [one for one in study.launches if one.candidate == baseline and one.failure]
    if starts and not (clips and clips[-1].launch > starts[-1].number):
        detail, name = starts[-1].detail, f"start-{starts[-1].number}.log"
    elif clips:
        detail, name = clips[-1].detail, f"clip-{clips[-1].number}.log"
    else:
        return "no detail is known", None
    path = study.folder / name
    return detail, path if path.is_file() else None


def _change(install: Inspection, document: dict[str, Any], dimensions: Sequence[str]) -> dict[str, Any] | None:
    """The edit that `apply` would make, as a diff without credentials; None when there is none to make."""
    if document["decision"] != "apply" or install.file is None:
        return None
    from autotune.apply.apply import edited
    from autotune.secrets.mask import masked_diff

    try:
        after = edited(install, tuple(document["winner"]["flags"]), dimensions)
    except Refused as refusal:
        return {"file": str(install.path), "diff": "", "refused": refusal.message, "hint": refusal.hint}
    name = install.file.path.name
    return {"file": str(install.path), "diff": masked_diff(install.file.data, after, name), "refused": None, "hint": ""}
