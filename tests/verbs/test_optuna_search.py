"""A tune's study in Optuna's storage while it runs: every clip, once, whatever is killed; and anybody's sampler."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from autotune.model import codec
from autotune.model.errors import UsageProblem
from autotune.model.study import Failure, History
from autotune.search import trial_history, user_sampler
from autotune.search.sampler import LaunchAwareSampler
from autotune.store import optuna_storage
from autotune.store.places import Places
from autotune.store.studies import Study
from benchmarks.waiting import open_waiting, tuned
from tests.search.test_sessions import small

pytestmark = pytest.mark.slow

TELLS = """
import json, optuna, sys
optuna.logging.set_verbosity(optuna.logging.ERROR)
name, = optuna.get_all_study_names(sys.argv[1])
study = optuna.load_study(study_name=name, storage=sys.argv[1])
print(json.dumps([[t.state.name, len(t.user_attrs.get("samples", [])), len(t.intermediate_values),
                   t.user_attrs.get("purpose")] for t in study.trials]))
"""


def url(state: Path) -> str:
    return optuna_storage.url_of(Places(state).optuna)


def shown(state: Path, study: Study) -> optuna.Study:
    return optuna.load_study(study_name=study.id, storage=url(state))


def recorded(study: optuna.Study) -> tuple[Counter[int], Counter[int]]:
    """How often each clip and each start of the journal is in the storage."""
    rows: dict[str, Counter[int]] = {trial_history.SAMPLES: Counter(), trial_history.LAUNCHES: Counter()}
    for kind, counted in rows.items():
        for trial in study.get_trials(deepcopy=False):
            counted.update(row["number"] for row in trial.user_attrs.get(kind, ()))
    return rows[trial_history.SAMPLES], rows[trial_history.LAUNCHES]


def once(study: Study, there: optuna.Study) -> None:
    """Every record of the journal is in the storage exactly once."""
    assert recorded(there) == (Counter(one.number for one in study.samples),
                               Counter(one.number for one in study.launches))


def test_each_clip_is_there_for_another_process_while_the_tune_runs(tmp_path: Path) -> None:
    seen: list[Any] = []
    state = tmp_path

    def look() -> None:
        study = open_waiting(state, small())
        confirms = any(one.purpose == "confirm" for one in study.samples)
        if len(study.samples) == 4 or (confirms and len(seen) < 2):
            done = subprocess.run([sys.executable, "-c", TELLS, url(state)], capture_output=True, text=True, check=True)
            seen.append((len(study.samples), json.loads(done.stdout)))

    study, verdict = tuned(state, small(), 0, each=look)
    assert len(seen) == 2 and any("confirm" in row for row in seen[-1][1])
    for count, rows in seen:
        assert [row[0] for row in rows].count("RUNNING") == 1 and rows[-1][0] == "RUNNING"
        assert sum(row[1] for row in rows) == count, "every clip so far, the running trial's too"
    there = shown(state, study)
    once(study, there)
    assert all(trial.state == TrialState.COMPLETE for trial in there.trials)
    assert {"screen", "confirm"} <= {trial.user_attrs["purpose"] for trial in there.trials}
    assert there.user_attrs["decision"] == verdict.decision == "apply"
    assert verdict.winner is not None and there.user_attrs["winner"] == verdict.winner.candidate
    assert there.best_trial.params["attention"] in ("sdp", "sdp-no-mem")
    told = [trial for trial in there.trials if trial.user_attrs["clips"]]
    assert all(len(trial.intermediate_values) == trial.user_attrs["clips"] for trial in told)


def test_the_storage_alone_tells_the_history(tmp_path: Path) -> None:
    """What the sampler reads from the trials is what the journal holds: the same proposal follows from either."""
    surface = small()
    study, _ = tuned(tmp_path, surface, 3)
    sampler = LaunchAwareSampler(surface.space, profile=surface.profile)
    found = sampler.history(shown(tmp_path, study))
    assert found.samples == tuple(study.samples) and found.launches == tuple(study.launches)
    half = len(study.samples) // 2
    part = History(found.samples[:half], found.launches, 100.0, 3600.0, None)
    again = dataclasses.replace(part, samples=tuple(study.samples[:half]))
    assert sampler.next_proposal(part) == sampler.next_proposal(again)


def test_how_trials_ended_is_shown(tmp_path: Path) -> None:
    surface = small()
    bad: dict[str, Failure] = {c.id: "oom" for c in surface.space.candidates if c.effective.attention == "sdp"}
    study, _ = tuned(tmp_path, dataclasses.replace(surface, failing=bad), 0)
    failed = [trial for trial in shown(tmp_path, study).trials if trial.state == TrialState.FAIL]
    assert failed and all(trial.user_attrs["failure"] == "oom" for trial in failed)
    assert {trial.params["attention"] for trial in failed} == {"sdp"}


@pytest.mark.parametrize(("states", "ends"), [
    (["ok", "too_slow"], ("PRUNED", {"too_slow": 1})), (["too_slow"], ("PRUNED", {"too_slow": 1})),
    (["discarded", "ok"], ("COMPLETE", {"discarded": 1})), (["discarded"], ("FAIL", {"discarded": 1})),
    (["warmup"], ("FAIL", {"warmups": 1})), ([], ("FAIL", {"clips": 0}))])
def test_how_a_trial_ends_by_its_clips(tmp_path: Path, states: list[str], ends: tuple[str, dict[str, int]]) -> None:
    surface = small()
    study, _ = tuned(tmp_path, surface, 0, budget=30.0)
    template = next(one for one in study.samples if one.state == "ok")
    number = study.begin_trial()
    for state in states:
        study.add_sample(dataclasses.replace(template, number=len(study.samples), state=state))  # type: ignore[arg-type]
    tuned(tmp_path, surface, 0, budget=30.0)  # a later start puts into the storage what it lacks
    found = [one for one in shown(tmp_path, study).trials if one.user_attrs.get("trial") == number]
    assert [one.state.name for one in found] == ([ends[0]] if states else [])
    assert all(ends[1].items() <= one.user_attrs.items() for one in found)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
def test_killed_at_any_record_nothing_is_lost_or_there_twice(tmp_path: Path) -> None:
    surface = small()
    for kill in (1, 2, 3, 5, 8, 4, 1, 7):
        child = os.fork()
        if not child:
            left = [kill]

            def each(left: list[int] = left) -> None:
                left[0] -= 1
                if not left[0]:
                    os.kill(os.getpid(), signal.SIGKILL)

            tuned(tmp_path, surface, 0, each=each)
            os._exit(0)
        os.waitpid(child, 0)
    study = open_waiting(tmp_path, surface)
    killed = len(study.samples) + len(study.launches)
    assert killed >= 31
    study, _ = tuned(tmp_path, surface, 0)
    once(study, shown(tmp_path, study))
    assert not [one for one in shown(tmp_path, study).trials if not one.state.is_finished()]


def test_a_storage_that_cannot_be_written_for_a_while_lacks_nothing_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(optuna_storage, "LOCKED_FOR", 0.02)
    monkeypatch.setattr("autotune.store.optuna_study.RETRY_AFTER", 0.0)
    held: list[sqlite3.Connection] = []
    count = 0

    def each() -> None:
        nonlocal count
        count += 1
        if count == 6:
            held.append(sqlite3.connect(Places(tmp_path).optuna))
            held[0].execute("begin exclusive")
        if count == 20:
            held.pop().close()

    study, _ = tuned(tmp_path, small(), 0, each=each)
    assert count > 20
    once(study, shown(tmp_path, study))


def test_a_file_that_is_no_database_is_moved_aside(tmp_path: Path) -> None:
    path = Places(tmp_path).optuna
    path.write_bytes(b"not a database, not at all" * 100)
    study, _ = tuned(tmp_path, small(), 0, budget=60.0)
    once(study, shown(tmp_path, study))
    assert path.with_name("optuna.db.damaged").exists()


class Grid(optuna.samplers.BruteForceSampler):
    """Wants to stop the study when it has asked for all."""


def made() -> optuna.samplers.BaseSampler:
    """A function that makes one."""
    return optuna.samplers.RandomSampler(seed=1)


class Stubborn(optuna.samplers.RandomSampler):
    """Asks for one set for ever."""

    def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: Any) -> Any:
        return param_distribution.choices[-1]


class Broken(optuna.samplers.RandomSampler):
    """Works for a while."""

    def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: Any) -> Any:
        if trial.number > 2:
            raise {"a": KeyError, "v": ValueError, "o": SystemExit}[os.environ["BROKEN"]]("gone\nby")
        return super().sample_independent(study, trial, param_name, param_distribution)


@pytest.mark.parametrize("how", ["a", "v", "o"])
def test_a_sampler_that_breaks_ends_in_one_line_and_nothing_is_lost(
    tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROKEN", how)
    with pytest.raises(UsageProblem, match="failed when it was asked") as caught:
        tuned(tmp_path, small(), 0, sampler=f"{__name__}:Broken")
    assert "\n" not in caught.value.message
    study, verdict = tuned(tmp_path, small(), 0)
    assert verdict.decision == "apply"
    once(study, shown(tmp_path, study))
    assert all(one.state.is_finished() for one in shown(tmp_path, study).trials)


@pytest.mark.parametrize("name", [
    "tpe", "gp", f"{__name__}:Grid", f"{__name__}:made", f"{__name__}:Stubborn", "optuna.samplers:NSGAIISampler"])
def test_any_sampler_may_ask_and_all_end_in_the_same_confirmation(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "gp":
        pytest.importorskip("torch")
    monkeypatch.setattr(user_sampler, "SEARCH_TRIALS", 8)
    study, verdict = tuned(tmp_path, small(), 0, sampler=name, budget=7200.0)
    assert verdict.decision == "apply" and verdict.speedup is not None
    there = shown(tmp_path, study)
    once(study, there)
    purposes = [one.user_attrs.get("purpose") for one in there.trials]
    assert purposes.count("confirm") >= 4
    assert len({one.candidate for one in study.samples if one.purpose == "screen"}) == 9
    assert not [one for one in there.trials if not one.state.is_finished()]


def test_an_optunahub_sampler_is_named_as_the_documentation_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("optunahub", exc_type=ImportError)  # which wants git, too
    registry = tmp_path / "registry"
    package = registry / "samplers" / "plain"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("import optuna\nclass Plain(optuna.samplers.RandomSampler):\n    pass\n")
    (tmp_path / "from_the_hub.py").write_text(
        "import optunahub\nPlain = optunahub.load_local_module('samplers/plain', "
        f"registry_root={str(registry)!r}).Plain\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert isinstance(user_sampler.sampler_by_name("from_the_hub:Plain", 0), optuna.samplers.RandomSampler)


@pytest.mark.parametrize(("name", "words"), [
    ("bogus", "no such sampler"), ("", "no such sampler"), ("no.such:Thing", "cannot be imported"),
    ("optuna.samplers:Nothing", "cannot be imported"), ("json:JSONDecoder", "not an optuna.samplers.BaseSampler"),
    ("json:loads", "cannot be made"), ("optuna.samplers:GridSampler", "cannot be made"), ("os:sep", "not an optuna"),
    ("optuna.samplers:BaseSampler", "cannot be made"), (":x", "no such sampler"), ("x:", "no such sampler")])
def test_what_is_no_sampler_is_refused_in_one_line(name: str, words: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        user_sampler.sampler_by_name(name, 0)
    assert words in caught.value.message and "\n" not in caught.value.message
    assert caught.value.code == 2 and caught.value.hint


def test_a_module_that_breaks_is_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    for name, text in {"broken_one": "raise RuntimeError('two\\nlines')", "broken_two": "raise SystemExit('two')",
                       "broken_three": "import ("}.items():
        (tmp_path / f"{name}.py").write_text(text)
        with pytest.raises(UsageProblem, match=r"be imported: (RuntimeError: two|SystemExit: two|Syn)") as caught:
            user_sampler.sampler_by_name(f"{name}:X", 0)
        assert "\n" not in caught.value.message


def test_a_record_of_an_older_version_is_shown_too(tmp_path: Path) -> None:
    """Clips without a trial's number: one trial for each set and purpose in one process."""
    surface = small()
    study, _ = tuned(tmp_path / "a", surface, 0)
    old = open_waiting(tmp_path / "b", surface)
    for launch in study.launches:
        old.add_launch(dataclasses.replace(launch, trial=None))
    for sample in study.samples:
        old.add_sample(dataclasses.replace(sample, trial=None))
    assert all("trial" not in codec.dump(one) or one.trial is None for one in old.samples)
    tuned(tmp_path / "b", surface, 0)
    there = shown(tmp_path / "b", old)
    once(open_waiting(tmp_path / "b", surface), there)
    assert len(there.trials) >= len({(s.launch, s.purpose, s.candidate) for s in study.samples})
