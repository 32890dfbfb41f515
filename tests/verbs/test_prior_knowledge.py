"""What a new study expects: an earlier study of this machine, one from elsewhere, or the card's kind; kept with it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import benchmarks
from autotune.model import codec
from autotune.model.flagset import Space
from autotune.model.machine import Fingerprint, Machine, ProbedInstall, Runtime
from autotune.model.study import Launch, Sample
from autotune.search import attention_prior, warm_start
from autotune.store.studies import Study, open_study
from autotune.tune import prior_knowledge

FILE = Path(benchmarks.__file__).parent / "data" / "reference-sd15-h200-tune.json"


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return document


def keep(studies: Path, recorded: dict[str, Any], key: str, **head: Any) -> Study:
    """The recorded study in a folder of studies, as if it had been measured there."""
    study = open_study(studies, key, {**recorded["study"], **head}, True)
    for row in recorded["launches"]:
        study.add_launch(codec.load(Launch, row))
    for row in recorded["samples"]:
        study.add_sample(codec.load(Sample, row))
    return study


def machine(recorded: dict[str, Any], **changed: str) -> Machine:
    """The recorded machine, with parts of its fingerprint changed."""
    parts = dict(recorded["study"]["fingerprint"]["parts"]) | changed
    webui = ProbedInstall("reference", "v1.10.1", None, Path("webui"), None, None, (), (), (), False, True)
    runtime = Runtime("3.12.1", "2.11.0", "13.0", None, None, device="cuda", compute_capability="9.0")
    return Machine((), webui, runtime, None, (), (), Fingerprint("x", tuple(sorted(parts.items()))), ())


def test_an_earlier_study_of_this_machine_comes_before_one_from_elsewhere(
    tmp_path: Path, recorded: dict[str, Any],
) -> None:
    here = keep(tmp_path, recorded, "aaaa")
    keep(tmp_path, recorded, "bbbb", imported=True)
    prior = prior_knowledge.prior_of(tmp_path, machine(recorded, driver="999.1"), "speed", False)
    assert prior is not None
    assert prior.source == f"study {here.id}"
    assert prior.doubt == warm_start.SAME_MACHINE_DOUBT < warm_start.OTHER_MACHINE_DOUBT
    space: Space = codec.load(Space, recorded["study"]["space"])
    base = dict(space[space.baseline].levels)
    effects = {(dimension, level): value for dimension, level, value in prior.effects}
    assert effects["attention", base["attention"]] == 0.0
    assert min(effects, key=effects.__getitem__)[0] == "attention"


def test_another_card_or_an_import_holds_less(tmp_path: Path, recorded: dict[str, Any]) -> None:
    keep(tmp_path, recorded, "aaaa", imported=True)
    prior = prior_knowledge.prior_of(tmp_path, machine(recorded), "speed", False)
    assert prior is not None
    assert prior.doubt == warm_start.OTHER_MACHINE_DOUBT
    shutil.rmtree(next(tmp_path.iterdir()))
    keep(tmp_path, recorded, "bbbb")
    moved = prior_knowledge.prior_of(tmp_path, machine(recorded, gpu="another card"), "speed", False)
    assert moved is not None
    assert moved.doubt == warm_start.OTHER_MACHINE_DOUBT


def test_damaged_studies_and_those_of_a_real_web_ui_are_left_out(tmp_path: Path, recorded: dict[str, Any]) -> None:
    table = attention_prior.prior_for_machine(machine(recorded))
    assert table is not None
    keep(tmp_path, recorded, "aaaa", stand_in=False)
    keep(tmp_path, recorded, "bbbb", space={"nothing": 1})
    broken = keep(tmp_path, recorded, "cccc")
    (broken.folder / "study.json").write_text("{")
    assert prior_knowledge.prior_of(tmp_path, machine(recorded), "speed", False) == table
    keep(tmp_path, recorded, "dddd")
    assert prior_knowledge.prior_of(tmp_path, machine(recorded), "speed", True) == table, "--fresh"
    assert prior_knowledge.prior_of(tmp_path, machine(recorded), "speed", False) != table


def test_it_is_kept_with_the_study_so_that_a_resumed_one_asks_for_the_same(
    tmp_path: Path, recorded: dict[str, Any],
) -> None:
    keep(tmp_path, recorded, "aaaa")
    prior = prior_knowledge.prior_of(tmp_path, machine(recorded), "speed", False)
    study = open_study(tmp_path, "bbbb", {"prior": codec.dump(prior)}, False)
    assert prior_knowledge.stored_prior(open_study(tmp_path, "bbbb", {"prior": None}, False).head) == prior
    assert prior_knowledge.stored_prior({**study.head, "prior": None}) is None
