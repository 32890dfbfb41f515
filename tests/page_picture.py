"""The pictures in the READMEs: ``python -m tests.page_picture`` writes docs/page.png (which needs
Chromium) and docs/card.png.

They show the recorded tune "article512" of a real web UI on an H200 (benchmarks/data/tunes-a1111-h200): the page as
``report`` writes it now, down to the comparison, and the card as ``card`` draws it.
"""

from __future__ import annotations

import io
import json
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from autotune.model import codec
from autotune.model.study import Launch, Sample
from autotune.report.card_facts import facts_of
from autotune.report.card_picture import png
from autotune.report.page import page_of
from tests.browser import page

ROOT = Path(__file__).parents[1]
RECORDED = ROOT / "benchmarks" / "data" / "tunes-a1111-h200"
PICTURE = ROOT / "docs" / "page.png"
CARD = ROOT / "docs" / "card.png"
WIDTH = 1080
COLOURS = 96


def documents(name: str = "article512") -> tuple[dict[str, Any], dict[str, Any]]:
    """What a recorded tune asked (its study's head), and its result."""
    head, result = (json.loads((RECORDED / f"{name}-{part}.json").read_text(encoding="utf-8"))
                    for part in ("study", "result"))
    return head, result


def recorded(name: str = "article512") -> str:
    """The page of a recorded tune."""
    head, result = documents(name)
    rows = [json.loads(line) for line in (RECORDED / f"{name}-samples.jsonl").read_text(encoding="utf-8").splitlines()]
    samples = [codec.load(Sample, {"seconds": None, **row}) for row in rows if row["kind"] == "sample"]
    launches = [codec.load(Launch, row) for row in rows if row["kind"] == "launch"]
    return page_of(head, result, samples, launches)


def picture() -> bytes:
    """The upper part of that page as a PNG with few colours and nothing else in it."""
    with tempfile.TemporaryDirectory() as folder, page() as browser:
        file = Path(folder) / "report.html"
        file.write_text(recorded(), encoding="utf-8")
        browser.look(WIDTH, 800, prefers_color_scheme="light")
        browser.open(file)
        # What tells the result; a tune of that time kept no clips, which needs no sentence in a picture.
        rest = "#compared ~ *, #compared > .note, footer"
        browser.run(f"document.querySelectorAll('{rest}').forEach(one => one.remove())")
        height = int(browser.run("Math.ceil(document.querySelector('#compared').getBoundingClientRect().bottom)")) + 16
        browser.look(WIDTH, height, prefers_color_scheme="light")
        whole = Image.open(io.BytesIO(browser.picture(whole=False)))
    out = io.BytesIO()
    whole.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


if __name__ == "__main__":
    PICTURE.write_bytes(picture())
    CARD.write_bytes(png(facts_of(*documents())))
