"""Figures in words are those of the document."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from autotune.report import html, tables, words
from autotune.report.rows import story_of
from tests.report.examples import document, effective, full, recorded


def test_the_summary_tells_counts_and_the_fastest_clips_of_its_document() -> None:
    for seed in range(60):
        draw = random.Random(seed)
        doc = document(recorded(), draw.choice(("apply", "keep")))["tune"]
        doc.update(clips=draw.randrange(1, 500), launches=draw.randrange(1, 60))
        fastest = set()
        for trial in doc["trials"]:
            if trial["failure"]:
                continue
            trial["samples"] = [round(draw.uniform(1, 60), 4) for _ in range(draw.randrange(1, 6))]
            fastest.add(words.seconds(min(trial["samples"])))
        said = tables.text(tables.tune_summary(doc), 300)
        assert words.plural(doc["clips"], "clip") in said and words.plural(doc["launches"], "launch") in said
        rows = said[said.index("Fastest clip"):said.index("Took")]
        assert set(re.findall(r"\d+\.\d+ s", rows)) == fastest


def leaves(value: Any) -> Iterator[Any]:
    """Every value of a document, and how many a list or table has."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield key
            yield from leaves(one)
    elif isinstance(value, list | tuple):
        yield len(value)
        for one in value:
            yield from leaves(one)
    else:
        yield value


def shaken(value: Any, draw: random.Random, key: str = "") -> Any:
    """The same document with other figures, so that none is right by chance."""
    if isinstance(value, dict):
        return {name: shaken(one, draw, name) for name, one in value.items()}
    if isinstance(value, list):
        return [shaken(one, draw, key) for one in value]
    if isinstance(value, bool | str) or value is None or key == "confidence":
        return value
    if isinstance(value, int):
        return max(1, int(value * draw.uniform(0.6, 1.7)) + draw.randrange(3))
    return value * draw.uniform(0.7, 1.4)


def spellings(number: float) -> set[str]:
    """How a figure of a document may read: as it is, in percent, in GiB, as a change, as the inverse."""
    forms = ("%.0f", "%.1f", "%.2f", "%.3f", "%.3g", "%.2g")
    values = (number, number * 100, number / 1024, abs(number - 1) * 100, 1 / number if number else 0.0)
    return {form % value for value in values for form in forms}


def test_every_figure_on_the_screen_is_one_of_the_document() -> None:
    for seed in range(60):
        draw = random.Random(seed)
        doc = shaken(document(recorded(), draw.choice(("apply", "keep")))["tune"], draw)
        said = tables.text(tables.tune_summary(doc), 300)
        found = list(leaves(doc))
        numbers = [float(one) for one in found if isinstance(one, int | float) and not isinstance(one, bool)]
        known = {text for one in numbers for text in spellings(one)}
        known |= set(re.findall(r"\d+(?:\.\d+)?", " ".join(one for one in found if isinstance(one, str))))
        for minutes, seconds in re.findall(r"(\d+) min (\d+) s", said):
            assert any(abs(int(minutes) * 60 + int(seconds) - one) <= 0.5 for one in numbers), (seed, minutes, seconds)
        rest = re.sub(r"\d+ min \d+ s", "", said)
        assert len(re.findall(r"\d", rest)) > 30
        unknown = [one for one in re.findall(r"\d+(?:\.\d+)?", rest) if one not in known]
        assert not unknown, (seed, unknown, said)


def test_the_probe_tells_each_fact_once_and_whether_the_web_ui_runs() -> None:
    for running, told in ((True, "yes, it is up"), (False, "no"), (None, "not known")):
        doc = {"gpus": [], "webui": {"flavour": "a1111", "version": "1.10.1", "root": "/w", "running": running}}
        facts = tables._probe_facts(doc)
        assert dict(facts)["Runs now"] == told
        names = [name for name, _ in facts if name]
        assert len(names) == len(set(names))


@pytest.mark.slow
def test_torchs_own_peaks_stand_beside_the_cards_where_they_are_known() -> None:
    for decision in ("apply", "keep"):
        whole = document(recorded(), decision)
        doc = whole["tune"]
        note = recorded()
        page = html.render(whole, note.samples, note.launches, None)
        for side in filter(None, (doc["baseline"], doc["winner"], doc["challenger"])):
            for key in ("peak", "torch_active", "torch_reserved"):
                figure = words.memory(side["memory"][key])
                assert figure in tables.text(tables.tune_summary(doc), 300) and figure in page.replace("\xa0", " ")
        older = document(recorded(memory=False), decision, memory=False)
        del older["tune"]["baseline"]["memory"], older["tune"]["winner"]["memory"]
        assert "Torch" not in tables.text(tables.tune_summary(older["tune"]), 300)


def test_what_short_clips_told_is_marked_and_a_whole_clip_takes_its_place() -> None:
    whole, note = document(recorded()), recorded()
    shortened = [replace(one, steps=10, rendered=one.seconds) if "attention=invokeai" in one.candidate else one
                 for one in note.samples]
    page = html.render(whole, shortened, note.launches, None)
    assert words.ABOUT in page and words.ABOUT not in html.render(whole, note.samples, note.launches, None)
    told = story_of(whole, [*shortened, replace(shortened[-1], candidate=full("invokeai"), seconds=7.5)], note.launches)
    row = next(row for row in told.rows if row.candidate == full("invokeai"))
    assert row.median(0) == 7.5 and not row.is_shortened(0)
    tune = whole["tune"]
    for trial in tune["trials"]:
        if trial["flags"] == ["--opt-split-attention-invokeai"]:
            trial.update(steps=10, samples=[7.2])
    said = tables.text(tables.tune_summary(tune), 300)
    assert f"{words.ABOUT}7.20 s" in said and "told from clips with fewer steps" in said
    tune["trials"].append({**trial, "flags": ["--opt-split-attention-invokeai"], "effective": effective("invokeai"),
                           "failure": None, "steps": None, "samples": [7.4]})
    assert words.ABOUT.strip() not in tables.text(tables.tune_summary(tune), 300)


def test_longer_clips_are_told_in_plain_words_checked_or_not() -> None:
    whole, note = document(recorded()), recorded()
    said = tables.text(tables.tune_summary(whole["tune"]), 300)
    page = html.render(whole, note.samples, note.launches, None).replace("\xa0", " ")
    interval = "times as fast (95 % interval 1.51 to 1.72)"
    for line in (f"A clip of 20 steps: 1.58 {interval}, checked with one clip of each set (1.57).",
                 f"A clip of 30 steps: 1.61 {interval}, told from clips with fewer steps, not checked."):
        assert line in said and line in page
    row = whole["tune"]["expected_at"][0]
    assert "not sure: one clip of each set came to 1.90" in words.longer_clips([{**row, "checked": False,
                                                                                 "measured": 1.9}])[0]
    assert words.longer_clips([{**row, "measured": 1.58}])[0].endswith(", measured.")
    assert words.longer_clips([row], several=True)[0].startswith("Clip 1 with 20 steps: ")


def test_what_was_not_measured_is_listed_with_the_reason() -> None:
    whole, note = document(recorded()), recorded()
    assert "--no-half-vae: not measured, expected 1.5 % slower" in tables.text(tables.tune_summary(whole["tune"]), 300)
    page = html.render(whole, note.samples, note.launches, None)
    assert "Not measured" in page and "expected 1.5 % slower" in page
