"""Optuna's own tools can read what autotune measured."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from autotune.model.errors import StateDamaged
from autotune.store.optuna_mirror import mirror, mirror_anew, url
from tests.search.test_sessions import play, small


def test_optuna_reads_the_study_with_its_best_trial(tmp_path: Path) -> None:
    surface = small()
    session, verdict = play(surface)
    path = tmp_path / "optuna.db"
    count = mirror(path, "study-1", surface.space, session.samples, verdict)
    study = optuna.load_study(study_name="study-1", storage=url(path))
    assert len(study.trials) == count
    assert count == len({(s.launch, s.purpose, s.candidate) for s in session.samples})
    assert study.best_trial.params["attention"] in ("sdp", "sdp-no-mem")
    assert study.user_attrs["decision"] == "apply"
    assert verdict.winner is not None
    assert study.user_attrs["winner"] == verdict.winner.candidate


def test_writing_again_replaces_and_leaves_other_studies(tmp_path: Path) -> None:
    surface = small()
    session, verdict = play(surface)
    path = tmp_path / "optuna.db"
    mirror(path, "other", surface.space, session.samples[:2], verdict)
    first = mirror(path, "study-1", surface.space, session.samples, verdict)
    again = mirror(path, "study-1", surface.space, session.samples, verdict)
    assert first == again
    found = {s.study_name: s.n_trials for s in optuna.get_all_study_summaries(url(path))}
    assert found == {"other": 1, "study-1": first}


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    surface = small()
    session, verdict = play(surface)
    path = tmp_path / "optuna.db"
    path.write_bytes(b"not a database, not at all" * 100)
    with pytest.raises(StateDamaged, match="cannot be written"):
        mirror(path, "study-1", surface.space, session.samples, verdict)
    count = mirror_anew(path, "study-1", surface.space, session.samples, verdict)
    assert len(optuna.load_study(study_name="study-1", storage=url(path)).trials) == count
    assert path.with_name("optuna.db.damaged").exists()
