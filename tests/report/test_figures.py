"""Figures in words are those of the document."""

from __future__ import annotations

import random
import re

from autotune.report import tables, words
from tests.report.examples import document, recorded


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
