"""The pictures in the READMEs: ``python -m tests.page_picture`` writes docs/page.png, docs/page.ja.png (which need
Chromium, the second a Japanese font and ``make messages`` too) and docs/card.png.

They show the recorded tune "article512" of a real web UI on an H200 (benchmarks/data/tunes-a1111-h200): the page as
``report`` writes it now, down to the comparison, and the card as ``card`` draws it.
"""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from autotune.language.translate import language as in_use
from autotune.language.translate import use_language
from autotune.model import codec
from autotune.model.study import Launch, Sample
from autotune.report.card_facts import facts_of
from autotune.report.card_picture import png
from autotune.report.page import page_of
from tests.browser import page

ROOT = Path(__file__).parents[1]
RECORDED = ROOT / "benchmarks" / "data" / "tunes-a1111-h200"
PICTURES = {"en": ROOT / "docs" / "page.png", "ja": ROOT / "docs" / "page.ja.png"}
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


@contextmanager
def spoken(language: str) -> Iterator[None]:
    """That language in this block, and then again the one before."""
    before = in_use()
    use_language(language)
    try:
        yield
    finally:
        use_language(before)


def picture(language: str) -> bytes:
    """The upper part of that page in that language, as a PNG with few colours and nothing else in it."""
    with spoken(language), tempfile.TemporaryDirectory() as folder, page() as browser:
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
    for name, place in PICTURES.items():
        place.write_bytes(picture(name))
    CARD.write_bytes(png(facts_of(*documents())))
