"""Puts a study's samples into Optuna's storage, so that Optuna's own tools (optuna-dashboard) show them."""

from __future__ import annotations

import gc
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from autotune.disk.files import make_folder, open_to_append
from autotune.model.errors import StateDamaged
from autotune.model.flagset import Space
from autotune.model.study import Sample, Verdict

if TYPE_CHECKING:
    import optuna


def url(path: Path) -> str:
    """The storage's address, as Optuna and optuna-dashboard take it."""
    return f"sqlite:///{path.resolve().as_posix()}"


def mirror(path: Path, study_id: str, space: Space, samples: Sequence[Sample], verdict: Verdict) -> int:
    """Writes the study as it is now into the SQLite file at ``path``; returns the number of trials.

    One trial for each set measured for one purpose in one process; its value is the median of the seconds of
    the first workload's clips, its parameters are the set's levels. A study of that name is replaced: the
    journal is the record, this a view of it. Raises StateDamaged when the file cannot be written.
    """
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    make_folder(path.parent)
    with suppress(OSError):
        os.close(open_to_append(path))  # SQLite leaves a file's mode as it finds it
    trials = _trials(space, samples)
    try:
        storage = optuna.storages.RDBStorage(url(path))
        try:
            if study_id in [name.study_name for name in optuna.get_all_study_summaries(storage)]:
                optuna.delete_study(study_name=study_id, storage=storage)
            study = optuna.create_study(storage=storage, study_name=study_id, direction="minimize")
            for name, value in _attributes(space, verdict).items():
                study.set_user_attr(name, value)
            study.add_trials(trials)
        finally:
            storage.engine.dispose()
    except (SQLAlchemyError, optuna.exceptions.OptunaError, OSError) as problem:
        raise StateDamaged(
            f"Optuna's copy of the study cannot be written to {path}: {type(problem).__name__}",
            "The study itself is safe; remove that file to have it made again.",
        ) from problem
    return len(trials)


def mirror_anew(path: Path, study_id: str, space: Space, samples: Sequence[Sample], verdict: Verdict) -> int:
    """``mirror``, where a file that is no database any more is moved aside first: it is only a view."""
    from sqlalchemy.exc import DatabaseError, OperationalError

    try:
        return mirror(path, study_id, space, samples, verdict)
    except StateDamaged as problem:
        if not isinstance(problem.__cause__, DatabaseError) or isinstance(problem.__cause__, OperationalError):
            raise  # in use, or the disk is full
    # The storage that was not made to its end still holds the file open, which Windows then does not rename.
    gc.collect()
    path.replace(path.with_name(path.name + ".damaged"))
    return mirror(path, study_id, space, samples, verdict)


def _attributes(space: Space, verdict: Verdict) -> dict[str, Any]:
    speedup = verdict.speedup
    return {
        "baseline": space.baseline,
        "decision": verdict.decision,
        "reason": verdict.reason,
        "winner": verdict.winner.candidate if verdict.winner else None,
        "speedup": [speedup.estimate, speedup.low, speedup.high] if speedup else None,
    }


def _trials(space: Space, samples: Sequence[Sample]) -> list[optuna.trial.FrozenTrial]:
    import optuna

    held = {c.id: c for c in space.candidates}
    distributions: dict[str, optuna.distributions.BaseDistribution] = {
        d.name: optuna.distributions.CategoricalDistribution(
            tuple(dict.fromkeys(dict(c.levels)[d.name] for c in space.candidates)))
        for d in space.dimensions
    }
    groups: dict[tuple[int, str, str], list[Sample]] = {}
    for sample in samples:
        if sample.candidate in held:
            groups.setdefault((sample.launch, sample.purpose, sample.candidate), []).append(sample)
    trials = []
    for (launch, purpose, name), group in groups.items():
        times = [s.seconds for s in group if s.state == "ok" and s.workload == 0 and s.seconds is not None]
        failed = next((s.failure for s in group if s.failure is not None), None)
        peaks = [s.memory_peak for s in group if s.memory_peak is not None]
        state = optuna.trial.TrialState.COMPLETE if times else optuna.trial.TrialState.FAIL
        trials.append(optuna.trial.create_trial(
            state=state, value=median(times) if times else None, params=dict(held[name].levels),
            distributions=distributions,
            user_attrs={
                "set": name, "flags": list(held[name].flags.words), "launch": launch, "purpose": purpose,
                "clips": len(times), "failure": failed, "memory_peak": max(peaks, default=None),
            }))
    return trials
