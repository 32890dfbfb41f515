"""`tune`: measures sets of flags in the real web UI and decides for one. Changes nothing of the user's."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from autotune import __version__
from autotune.install import which_gpu
from autotune.install.inspection import Inspection
from autotune.language.translate import _, ngettext
from autotune.model import codec
from autotune.model.errors import BaselineFailed, Refused
from autotune.model.flagset import Space
from autotune.model.machine import Machine
from autotune.model.workload import Profile
from autotune.search.strategy import SearchQuestion
from autotune.store import events
from autotune.store.places import Places
from autotune.store.studies import Study, open_study, question_key
from autotune.tune.document import tune_json
from autotune.tune.loop import TuneRun, ask_and_tell
from autotune.tune.optuna_search import OptunaSearch
from autotune.tune.progress import Progress
from autotune.tune.stopwatch import Budget, Stopwatch
from autotune.tune.study_setup import StudySetup, with_workflows_read
from autotune.webui.recognise import face_of
from autotune.workload import profile as profiles


@dataclass(frozen=True, slots=True)
class TuneOptions:
    """What to tune for, and how.

    ``budget`` in seconds, of which ``taken`` were used before (for the inspection of the install). ``strategy``: a name
    of ``search.STRATEGY_NAMES``, or a sampler as MODULE:CLASS. ``storage``: URL of Optuna's storage, None for
    autotune's own file. ``fresh``: do not resume a study; ``newer_than``: nor one that was begun before that moment
    (ISO 8601, UTC), for what was measured then holds no more. ``cause``: who asked, for the history.
    """

    profile: Profile
    objective: str = "speed"
    budget: float = 600.0
    fresh: bool = False
    seed: int = 0
    strategy: str = "screen"
    cause: str = "asked"
    taken: float = 0.0
    storage: str | None = None
    newer_than: str = ""


def tune(install: Inspection, places: Places, options: TuneOptions, progress: Progress) -> dict[str, Any]:
    """Runs or resumes the study of this question and returns its document (docs/contract.md: tune).

    Raises NothingToWorkOn, Busy, BaselineFailed (the current flags do not start or render), StateDamaged (records
    cannot be written), Interrupted. Whatever is raised, all clips measured so far are kept.
    """
    from autotune.install import idle
    from autotune.launchfile.lock import exclusively
    from autotune.trial.sweep import sweep
    from autotune.tune import optuna_search

    options = replace(options, profile=with_workflows_read(install.kind, options.profile))
    install.require_tunable(clips=not all(one.is_workflow for one in options.profile.workloads))
    places.require_outside(install.root)
    doubt = install.require_certain()
    with (events.record_failure(places.history(install.root), "tune", options.cause) as facts,
          exclusively(places.lock, install.root, "tune")):
        sweep(places.runs)
        watch = Stopwatch()
        if doubt is not None:
            progress.say(doubt)
        idle.require_idle(install.machine)
        space = install.kind.space(install.machine, options.profile.search)
        setup = StudySetup.of(install, places, options.profile, space)
        setup.in_flight.record_machine_down()
        if options.fresh:
            setup.in_flight.forget_machine_down()
        with optuna_search.storage(places, options.storage, options.strategy) as storage:
            study = _open_study(install.machine, places, options, space, progress.say)
            facts["study"] = study.id
            question = _search_question(study, options, space, progress.say)
            with OptunaSearch(storage, study, question, progress.say) as search:
                budget = Budget(options.budget, watch, study.spent() + options.taken)
                if _measure(setup, TuneRun(study, search, budget, progress)):
                    study.set_cost(watch.seconds())
                return _conclude(install, places, options, study, search)


def _measure(setup: StudySetup, run: TuneRun) -> int:
    """Measures until the search is over; returns how many proposals were carried out."""
    from autotune.machine.nvml import Nvml
    from autotune.tune.driver import Driver

    with Nvml() as nvml, Driver(setup, run.study, run.budget, nvml, run.progress) as driver:
        driver.rule_out(setup.in_flight.machine_down_sets())
        return ask_and_tell(driver, run)


def _search_question(study: Study, options: TuneOptions, space: Space, say: Callable[[str], None]) -> SearchQuestion:
    from autotune.tune.prior_knowledge import stored_prior

    prior = stored_prior(study.head)
    if prior is not None and not study.samples:
        say(_("what to expect comes from {source}; all of it is measured again").format(source=prior.source))
    shared = f"autotune-{study.head.get('alike', study.head['key'])}" if options.storage else None
    return SearchQuestion(space, options.profile, options.objective, options.strategy, options.seed, prior, shared,
                          options.fresh)


def _open_study(
    machine: Machine, places: Places, options: TuneOptions, space: Space, say: Callable[[str], None]
) -> Study:
    """The study of this question, resumed where there is one. Raises StateDamaged when its records cannot be used."""
    from autotune.tune.prior_knowledge import prior_of

    studies = places.studies(machine.webui.root)
    profile = profiles.to_json(options.profile)
    question = {
        "fingerprint": machine.fingerprint.id,
        # A larger budget resumes the study.
        "profile": {key: value for key, value in profiles.question_json(options.profile).items() if key != "budget"},
        "objective": options.objective,
        "strategy": options.strategy,
        "seed": options.seed,
        "baseline": space.baseline,
        "candidates": [candidate.id for candidate in space.candidates],
    }
    shared = face_of(machine.webui.root).shared_parts(machine.fingerprint)
    head = {
        "alike": question_key({**question, "fingerprint": shared}),
        "created": events.now(),
        "autotune": __version__,
        "profile": profile,
        "objective": options.objective,
        "strategy": options.strategy,
        "seed": options.seed,
        "webui": {
            "flavour": machine.webui.flavour, "version": machine.webui.version, "root": str(machine.webui.root)},
        "gpu": machine.gpus[0].name if machine.gpus else f"CPU ({platform.machine()})",
        "memory_untold": which_gpu.memory_untold(machine),
        "stand_in": machine.webui.flavour.startswith("reference"),
        "fingerprint": codec.dump(machine.fingerprint),
        "space": codec.dump(space),
        "budget": options.budget,
        "prior": codec.dump(prior_of(studies, machine, options.objective, options.fresh)),
    }
    study = open_study(studies, question_key(question), head, options.fresh, options.newer_than)
    if study.head.get("budget") != options.budget:
        study.set_head(budget=options.budget)
    study.set_bad_result_aside()
    study.checked_question()
    if study.moved_aside is not None:
        say(study.moved_aside)
    if study.samples:
        say(ngettext("going on with study {name}: {count} clip is there already",
                     "going on with study {name}: {count} clips are there already", len(study.samples)).format(
                         name=study.id, count=len(study.samples)))
    return study


def _conclude(
    install: Inspection, places: Places, options: TuneOptions, study: Study, search: OptunaSearch
) -> dict[str, Any]:
    """Decides, and records the verdict. Raises BaselineFailed when the current flags do not start or render."""
    from autotune.decide import verdict as decide
    from autotune.decide.rounds import failures
    from autotune.tune import compared_clips
    from autotune.tune.time_limits import discard_warning

    space = search.question.space
    history = study.history(options.budget, study.spent(), None)
    broken = failures(history, space).baseline
    verdict = decide(history, space, options.profile, options.objective)
    document = tune_json(study.head, verdict, space, history, study.cost(), install.machine.fingerprint)
    document["change"] = _change(install, document, [dimension.name for dimension in space.dimensions])
    discarded = discard_warning(study.samples)
    document["warnings"] = [*study.head.get("warnings", ()), *([discarded] if discarded else [])]
    compared_clips.conclude(study, options.profile, space.baseline, verdict.winner)
    if study.document() != document:
        study.save_document(document)
        if broken is None:
            events.record(
                places.history(install.root), "tune", options.cause, study=study.id, decision=document["decision"],
                reason=document["reason"], speedup=document["speedup"], flags=document["winner"]["flags"],
                settings=document["winner"]["settings"], cost=document["cost"]["wall"])
        search.conclude(verdict)
    if broken is not None and any(one.failure == "machine_down" and one.candidate == space.baseline
                                  for one in study.samples):
        raise BaselineFailed(_("{broken}: they are not measured again without being asked").format(broken=broken),
                             _("If it went down for another reason (a power cut, a reset), `autotune tune --fresh` "
                               "measures them again."))
    if broken is not None:
        detail, words = _last_failure(study, space.baseline)
        message = _("the web UI does not start or render with its current flags: {broken}: {detail}")
        hint = (_("Start it yourself to see what is wrong; its last words are in {file}.").format(file=words) if words
                else _("Start it yourself to see what is wrong."))
        raise BaselineFailed(message.format(broken=broken, detail=detail), hint)
    return document


def _last_failure(study: Study, baseline: str) -> tuple[str, Path | None]:
    """(last failure of the current flags in words, file with the end of the web UI's output or None)."""
    clips = [one for one in study.samples if one.candidate == baseline and one.state == "failed"]
    starts = [one for one in study.launches if one.candidate == baseline and one.failure]
    if starts and not (clips and clips[-1].launch > starts[-1].number):
        detail, name = starts[-1].detail, f"start-{starts[-1].number}.log"
    elif clips:
        detail, name = clips[-1].detail, f"clip-{clips[-1].number}.log"
    else:
        return _("no detail is known"), None
    path = study.folder / name
    return detail, path if path.is_file() else None


def _change(install: Inspection, document: dict[str, Any], dimensions: Sequence[str]) -> dict[str, Any] | None:
    """The edit that `apply` would make, as a diff with credentials masked; None where there is nothing to apply."""
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
