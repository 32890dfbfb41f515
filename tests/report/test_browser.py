"""The page in a real browser: clips move together, stop and step, with and without scripts; it fits every screen, and
axe-core finds nothing. Skipped where there is no Chromium or, for axe-core, no npm that can fetch it."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autotune.report import html
from autotune.workload.small_clips import small_pair
from tests import page_picture
from tests.browser import Page, page
from tests.report import examples
from tests.report.test_clips import clips
from tests.workload.test_small_clips import gif

pytestmark = pytest.mark.slow
FRAME = "Number(document.querySelector('.clips').style.getPropertyValue('--frame'))"
PLACES = "[...document.querySelectorAll('.stage img')].map(one => getComputedStyle(one).objectPosition)"


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    with page() as one:
        yield one


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with two workloads, failures, a change and long flags."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    note = examples.recorded(2)
    document = examples.document(note)
    path.write_text(html.render(document, note.samples, note.launches, examples.DIFF, clips(2)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """axe-core's program, fetched anew: no copy of it is in this repository."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    folder = tmp_path_factory.mktemp("axe")
    try:
        command = [npm, "pack", "--silent", "axe-core@4"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)
    except (subprocess.SubprocessError, OSError) as error:
        pytest.skip(f"axe-core cannot be fetched: {error}")
    (packed,) = folder.glob("axe-core-*.tgz")
    with tarfile.open(packed) as archive:
        found = archive.extractfile("package/axe.min.js")
        assert found is not None
        return found.read().decode()


def test_clips_move_together_and_stop_where_they_are_told(browser: Page, file: Path) -> None:
    browser.look(1280, 800)
    browser.open(file)
    for wanted in (2, 5, 0):
        browser.wait(f"{FRAME} === {wanted}")
    browser.run("document.querySelector('.hold').focus()")
    browser.press(" ", 32)
    assert browser.run("document.querySelector('.hold').checked")
    stopped = browser.run(FRAME)
    assert len(set(browser.run(PLACES)[:3])) == 1, "both clips and their difference show the same frame"
    browser.run("document.querySelector('.frame').focus()")
    browser.press("ArrowRight", 39)
    assert browser.run(FRAME) == min(stopped + 1, 5)
    for label, step in (("back", -1), ("on", 1), ("on", 1)):
        before = browser.run(FRAME)
        browser.run(f"document.querySelector('.{label}').focus()")
        browser.press(" ", 32)
        assert browser.run(FRAME) == (before + step) % 6
    at = browser.run(FRAME)
    assert browser.run("document.querySelector('.said').textContent") == f"Frame {at + 1} of 6"
    assert browser.run("document.querySelector('.frame').getAttribute('aria-valuetext')") == f"Frame {at + 1} of 6"
    # A screen reader would read out every frame of a clip that plays.
    assert browser.run("document.querySelectorAll('output, [aria-live], [role=status]').length") == 0
    # The other pair of the page is not held.
    other = FRAME.replace("querySelector('.clips')", "querySelectorAll('.clips')[1]")
    browser.wait(f"{other} !== {at} && {FRAME} === {at}")
    browser.run("document.querySelector('.hold').click()")
    browser.wait(f"{FRAME} !== {at}")
    assert browser.messages == [], "no error, and nothing that the policy refused"


def test_one_clip_lies_over_the_other_as_far_as_the_slider_says(browser: Page, file: Path) -> None:
    for width in (1280, 390):
        browser.look(width, 800)
        browser.open(file)
        boxes = ("['.one img', '.two img'].map(name => document.querySelector(name).getBoundingClientRect())"
                 ".map(box => [box.x, box.y, box.width, box.height])")
        first, second = browser.run(boxes)
        assert first[0] < second[0] and first[1:] == second[1:], "side by side"
        browser.run("document.querySelector('.over').click()")
        first, second = browser.run(boxes)
        assert first == second
        browser.run("document.querySelector('.wipe').focus()")
        for _ in range(3):
            browser.press("ArrowLeft", 37)
        clip = browser.run("getComputedStyle(document.querySelector('.two img')).clipPath")
        assert clip == "inset(1.5px 0px 1.5px 47%)"


def test_frames_of_a_long_clip_are_counted_as_in_the_clip(browser: Page, tmp_path: Path) -> None:
    (pair,) = clips(frames=100)
    assert (pair.every, pair.frames) == (3, 34)
    note = examples.recorded()
    path = tmp_path / "long.html"
    path.write_text(html.render(examples.document(note), note.samples, note.launches, None, [pair]), encoding="utf-8")
    browser.look(1280, 800)
    browser.open(path)
    browser.run("document.querySelector('.hold').click(), document.querySelector('.frame').focus()")
    browser.press("End", 35)
    assert browser.run("document.querySelector('.said').textContent") == "Frame 100 of 100"


@pytest.mark.parametrize(("width", "scale"), [(1280, 1.0), (1280, 1.25), (390, 3.0), (411, 2.625)])
def test_no_other_frame_is_seen_at_the_edges(browser: Page, tmp_path: Path, width: int, scale: float) -> None:
    """Frames of black and white in turn: whatever lets the next one through shows grey."""
    frames = np.zeros((6, 96, 128, 3), dtype=np.uint8)
    frames[1::2] = 255
    (pair,) = clips()
    names = (pair.current, pair.other)
    turns = small_pair((gif(frames), b""), (frames, frames[::-1]), names, (0, 1), 300_000)
    note = examples.recorded()
    path = tmp_path / "turns.html"
    path.write_text(html.render(examples.document(note), note.samples, note.launches, None, [turns]), encoding="utf-8")
    browser.look(width, 800, scale=scale)
    browser.open(path)
    browser.run("document.querySelector('.hold').click()")
    for colour in (255, 0):
        while browser.run(FRAME) % 2 != (colour > 0):
            browser.run("document.querySelector('.on').click()")
        browser.run("document.querySelector('.one img').style.background = "
                    f"document.body.style.background = 'rgb({colour} {colour} {colour})'")
        browser.run("document.querySelectorAll('section').forEach(one => one.style.background = 'transparent')")
        x, y, high = browser.run("(box => [box.x + box.width / 2, box.y + scrollY, box.height])"
                                 "(document.querySelector('.one img').getBoundingClientRect())")
        seen = Image.open(io.BytesIO(browser.picture())).convert("L")
        column = np.asarray(seen)[int(y * scale) + 1:int((y + high) * scale), int(x * scale)].astype(int)
        assert len(column) > 50 and np.abs(column - colour).max() < 12, column


def test_clips_move_and_stop_without_scripts_too(browser: Page, file: Path) -> None:
    states = "[...document.querySelectorAll('.stage img')].map(one => one.getAnimations().map(a => a.playState).join())"
    browser.look(1280, 800)
    browser.open(file, scripts=False)
    assert browser.run("document.querySelectorAll('.driven').length") == 0
    assert set(browser.run(states)) == {"running"}
    for wanted in ("0px 40%", "0px 80%", "0px 0%"):  # of six frames the third, the fifth, the first
        browser.wait(f"{PLACES}[0] === '{wanted}'")
    assert len(set(browser.run(PLACES)[:3])) == 1
    browser.run("document.querySelector('.hold').click()")
    assert browser.run(states)[:3] == ["paused"] * 3 and browser.run(states)[3:] == ["running"] * 3
    assert not browser.run("[...document.querySelectorAll('.with-script, .wipe')].some(one => one.offsetParent)")


@pytest.mark.parametrize("scripts", [True, False])
def test_less_motion_begins_paused_and_plays_when_asked(browser: Page, file: Path, scripts: bool) -> None:
    browser.look(1280, 800, prefers_reduced_motion="reduce")
    browser.open(file, scripts)
    assert browser.run("document.querySelector('.controls label').innerText.trim()") == "Play"
    moves = f"{FRAME} !== 0" if scripts else "document.querySelector('img').getAnimations()[0].playState === 'running'"
    # Longer than all frames take: what does not move now was not told to.
    browser.run("new Promise(done => setTimeout(done, 900))") if scripts else None
    assert not browser.run(moves)
    browser.run("document.querySelector('.hold').click()")
    browser.wait(moves)


@pytest.mark.parametrize("width", [320, 390, 640, 1280, 3840])
def test_no_screen_has_to_be_moved_sideways(browser: Page, file: Path, width: int) -> None:
    browser.look(width, 800)
    browser.open(file)
    browser.run("document.querySelectorAll('summary, .over').forEach(one => one.click())")
    assert browser.run("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing(browser: Page, file: Path, axe: str, colours: str, width: int) -> None:
    browser.look(width, 800, prefers_color_scheme=colours)
    browser.open(file)
    browser.run("document.querySelectorAll('details').forEach(one => one.open = true)")
    browser.run(f"{axe};0")
    found = browser.run("axe.run().then(all => all.violations.map(one => ({id: one.id, impact: one.impact, "
                        "nodes: one.nodes.map(node => node.html.slice(0, 200))})))")
    assert found == [], json.dumps(found, indent=1)
    assert browser.run("axe.run().then(all => all.passes.length)") > 20


def test_paper_has_one_frame_a_clip_and_no_controls(browser: Page, file: Path) -> None:
    browser.look(1280, 800)
    browser.open(file)
    browser("Emulation.setEmulatedMedia", media="print")
    assert browser.run("[...document.querySelectorAll('.controls')].every(one => !one.offsetParent)")
    assert browser.run("document.querySelectorAll('.stage img').length") == 6
    assert browser.run("document.getAnimations().length") == 0
    assert browser.pdf()[:5] == b"%PDF-"
    browser("Emulation.setEmulatedMedia", media="")


@pytest.mark.parametrize("language", list(page_picture.PICTURES))
def test_the_picture_for_the_readme_is_made_anew_and_small_enough(language: str) -> None:
    stands = page_picture.PICTURES[language]
    made = [Image.open(io.BytesIO(one)) for one in (page_picture.picture(language), stands.read_bytes())]
    assert stands.stat().st_size <= 200_000
    for one in made:
        assert one.format == "PNG" and one.width == page_picture.WIDTH and 800 < one.height < 2000
        assert one.info.keys() <= {"transparency"}, "nothing but the picture"
        assert len(one.convert("RGB").getcolors(1 << 24) or ()) > 40
