"""The page as a reader's browser sees it: whole, offline, escaped, the same every time."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import hatchling.build
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotune.model.study import History
from autotune.report.html import render
from autotune.report.rows import pairs, story_of
from tests.report import examples

VOID = {"meta", "br", "link", "img", "hr", "input", "path", "use", "rect"}


class Outline(HTMLParser):
    """Checks that tags close in order and collects what tests ask about."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).replace("\xa0", " ").split())


def outline(page: str) -> Outline:
    parsed = Outline()
    parsed.feed(page)
    parsed.close()
    assert parsed.open == []
    return parsed


@pytest.fixture(scope="module")
def applied() -> str:
    note = examples.recorded()
    return render(examples.document(note), note.samples, note.launches, examples.DIFF)


@pytest.fixture(scope="module")
def kept() -> str:
    note = examples.keep()
    document = {**examples.document(note, "keep", memory=False), "stand_in": True, "gpu": "CPU"}
    return render(document, note.samples, note.launches, None)


def test_verdict_change_and_undo_are_said_in_words(applied: str) -> None:
    said = outline(applied).words
    assert "Change your flags: clips render 1.47 times as fast, 4.90 s instead of 7.20 s." in said
    assert "1.447 to 1.492" in said
    assert "−15.0 GiB" in said
    assert "autotune rollback" in said
    assert "faster in 8 of 8" in said
    assert "+export COMMANDLINE_ARGS=" in said
    assert "Out of memory" in said
    assert "ModuleNotFoundError: xformers" in said
    assert "xformers is not installed" in said
    assert "stand-in" not in said


def test_memory_that_nobody_tells_by_process_is_said_beside_it(applied: str) -> None:
    note = examples.recorded()
    document = examples.document(note)
    document["tune"]["memory_untold"] = "nobody <tells> it"
    page = render(document, note.samples, note.launches, examples.DIFF)
    assert "all that was in use on the card: nobody <tells> it." in outline(page).words
    assert "in use on the card" not in outline(applied).words


def test_keep_names_the_rival_and_changes_nothing(kept: str) -> None:
    said = outline(kept).words
    assert "Keep your flags: nothing better was proven." in said
    assert "Nothing." in said
    assert "sdp, channels last best rival" in said
    assert "0.972 to 1.001" in said
    assert "It contains 1" in said
    assert "autotune apply" not in said
    assert said.startswith("autotune:")
    assert said.index("A stand-in web UI was measured.") < said.index("CPU")


@pytest.mark.parametrize("name", ["applied", "kept"])
def test_page_is_offline_and_runs_nothing(name: str, request: pytest.FixtureRequest) -> None:
    page: str = request.getfixturevalue(name)
    assert "http:" not in page
    assert "https:" not in page
    assert "url(" not in re.sub(r"url\(#[\w-]+\)", "", page)
    parsed = outline(page)
    names = {tag for tag, _ in parsed.tags}
    assert not names & {"script", "link", "img", "iframe", "object", "embed", "image", "base", "form"}
    for tag, attributes in parsed.tags:
        assert not [key for key in attributes if key.startswith("on")], tag
        for key in ("href", "src", "xlink:href"):
            assert (attributes.get(key) or "#").startswith("#"), (tag, attributes)


@pytest.mark.parametrize("name", ["applied", "kept"])
def test_ids_are_unique_and_references_lead_somewhere(name: str, request: pytest.FixtureRequest) -> None:
    page: str = request.getfixturevalue(name)
    parsed = outline(page)
    ids = [a["id"] for _, a in parsed.tags if a.get("id")]
    assert len(ids) == len(set(ids))
    wanted = {a["href"] for _, a in parsed.tags if a.get("href")}
    wanted |= {f"#{one}" for one in re.findall(r"url\(#([\w-]+)\)", page)}
    assert {one.lstrip("#") for one in wanted if one} <= set(ids)


def test_readers_without_sight_get_headings_names_and_cell_scopes(applied: str) -> None:
    parsed = outline(applied)
    levels = [tag for tag, _ in parsed.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == "h1"
    assert levels.count("h1") == 1
    assert set(levels) <= {"h1", "h2", "h3"}
    pictures = [a for tag, a in parsed.tags if tag == "svg"]
    assert pictures
    assert all(a["role"] == "img" and a["aria-label"] for a in pictures)
    assert all(a.get("scope") for tag, a in parsed.tags if tag == "th")
    assert ("html", {"lang": "en"}) in parsed.tags


def test_every_good_clip_is_a_dot_with_its_figures(applied: str) -> None:
    good = [s for s in examples.recorded().samples if s.state == "ok"]
    for s in good:
        assert re.search(rf"<title>[^<]*, clip {s.number}, {s.purpose}, launch {s.launch}, ", applied), s


def test_every_recorded_clip_is_in_the_raw_table(applied: str) -> None:
    said = outline(applied).words
    for s in examples.recorded().samples:
        if s.seconds is not None:
            assert f"{s.seconds:.4f}" in said


def test_equal_input_gives_equal_bytes(applied: str) -> None:
    note = examples.recorded()
    assert render(examples.document(note), note.samples, note.launches, examples.DIFF) == applied


def test_credentials_do_not_reach_the_page(applied: str) -> None:
    assert "hunter2" not in applied
    note = examples.recorded()
    leaky = replace(
        note.samples[-1], state="failed", failure="crash", seconds=None, detail="--ngrok=2abcTOKEN"
    )
    page = render(examples.document(note), [*note.samples, leaky], note.launches, None)
    assert "2abcTOKEN" not in page


HOSTILE = '<script>alert(1)</script>"><img src=x onerror=a>&amp;'


def hostile(value: Any) -> Any:
    """The document with every text in it made hostile, names of things that have meaning left alone."""
    if isinstance(value, dict):
        keep = {"decision", "failure", "state", "attention", "created"}
        return {k: v if k in keep else hostile(v) for k, v in value.items()}
    if isinstance(value, list):
        return [hostile(v) for v in value]
    return HOSTILE + value if isinstance(value, str) else value


def test_everything_from_outside_is_escaped() -> None:
    note = examples.recorded()
    bad = {s.candidate: f"{HOSTILE} {s.candidate}" for s in note.samples}
    samples = [replace(s, candidate=bad[s.candidate], detail=HOSTILE) for s in note.samples]
    launches = [replace(x, candidate=bad[x.candidate], detail=HOSTILE) for x in note.launches]
    document = hostile(examples.document(note))
    document["tune"]["baseline"]["candidate"] = bad[examples.full("doggettx")]
    document["tune"]["winner"]["candidate"] = bad[examples.full("sdp")]
    page = render(document, samples, launches, HOSTILE)
    assert "<script" not in page
    assert "<img" not in page
    assert "onerror=a>" not in re.sub(r"&[a-z#0-9]+;", "", page.replace("onerror=a&gt;", ""))
    assert outline(page).words.count("<script>alert(1)</script>") > 20


class Skeleton(HTMLParser):
    """The page's tags in order, opened with their attributes' names or closed."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, ...]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, *(name for name, _ in attrs)))

    def handle_endtag(self, tag: str) -> None:
        self.tags.append((f"/{tag}",))


def page_with(text: str) -> str:
    """A page with a text in every flag, setting, path, name, reason, detail and set, and in the difference."""

    def put(value: Any) -> Any:
        if isinstance(value, Mapping):
            keep = {"decision", "failure", "state", "created"}
            return {key: one if key in keep else put(one) for key, one in value.items()}
        if isinstance(value, list):
            return [put(one) for one in value]
        return f"{value}x{text}" if isinstance(value, str) else value

    note = examples.recorded()
    samples = [replace(s, candidate=put(s.candidate), detail=f"x{text}") for s in note.samples]
    launches = [replace(x, candidate=put(x.candidate), detail=f"x{text}") for x in note.launches]
    document = put(examples.document(note))
    document["tune"]["baseline"]["candidate"] = put(examples.full("doggettx"))
    document["tune"]["winner"]["candidate"] = put(examples.full("sdp"))
    document["tune"]["winner"]["settings"] = {f"x{text}": text}
    return render(document, samples, launches, examples.DIFF.replace("--theme", "".join(text.splitlines())))


MARKUP = st.lists(
    st.sampled_from(["<", ">", "&", '"', "'", "=", "/", "</title>", "</style>", "<!--", "-->", "]]>", "&lt;", "{{",
                     "}}", "{%", "<b>", "</td>", "<script>", "' onload=", '" id="', "\x00", "\x1b", "\u202e", "😀",
                     "ß", " "])
    | st.text(max_size=4),
    max_size=8,
).map("".join)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(MARKUP)
def test_no_text_from_outside_becomes_markup(text: str) -> None:
    assert Skeleton(page_with(text)).tags == Skeleton(page_with("plain")).tags


@pytest.mark.slow
def test_the_built_wheel_makes_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    wheel = tmp_path / hatchling.build.build_wheel(str(tmp_path))
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(tmp_path / "site")
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})\n"
        "from autotune.report import html\nprint(html.__file__)\n"
        "print(html.render({'tune': {'decision': 'keep'}}, [], [], None))"
    )
    done = subprocess.run([sys.executable, "-X", "utf8", "-c", program], cwd=tmp_path, capture_output=True,
                          encoding="utf-8", check=True)
    place, page = done.stdout.split("\n", 1)
    assert Path(place).is_relative_to(tmp_path)
    assert "Keep your flags: nothing could be measured." in outline(page.strip()).words


def test_a_tune_without_any_clip_still_makes_a_page() -> None:
    empty = History()
    tune = {
        **{"decision": "keep", "reason": "The budget ended.", "baseline": {"flags": [], "seconds": None}},
        **{
            "winner": None,
            "speedup": None,
            "memory_saving": None,
            "image": None,
            "ablation": [],
            "trials": [],
        },
        **{"cost": {"wall": 0.0}, "launches": 0, "clips": 0, "fingerprint": {"id": "x", "parts": {}}},
    }
    said = outline(render({"tune": tune, "profile": "tiny"}, empty.samples, empty.launches, None)).words
    assert "Keep your flags: nothing could be measured." in said


def test_the_bare_document_of_tune_is_taken_too() -> None:
    note = examples.recorded()
    whole = examples.document(note)
    flat = {**whole, **whole.pop("tune")}
    assert "7.20 s" in outline(render(flat, note.samples, note.launches, None)).words


def test_slow_sets_make_the_axis_logarithmic() -> None:
    note = examples.recorded()
    spread = [
        replace(s, seconds=s.seconds * 9) if "v1" in s.candidate and s.seconds else s for s in note.samples
    ]
    assert "seconds per clip, logarithmic" in render(examples.document(note), spread, note.launches, None)


def test_pairs_take_both_sides_of_a_block_only() -> None:
    note = examples.recorded()
    told = story_of(examples.document(note), note.samples, note.launches)
    assert [p.block for p in pairs(told)] == list(range(8))
    last = [s for s in note.samples if not (s.block == 7 and s.candidate == examples.full("sdp"))]
    told = story_of(examples.document(note), last, note.launches)
    assert [p.block for p in pairs(told)] == list(range(7))


def test_colours_have_contrast_in_both_themes() -> None:
    """WCAG AA asks 4.5 : 1 for text; counted for every text colour on the card and on the page."""
    from autotune.report import html

    css = (Path(html.__file__).with_name("templates") / "style.css").read_text(encoding="utf-8")
    light, dark = css.split("prefers-color-scheme: dark")[:2]
    for theme in (light, dark.split("\n}\n")[0]):
        colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", theme))
        for ground in ("page", "card", "code"):
            for name in ("ink", "muted", "now", "tuned", "other", "bad"):
                assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground)
        assert contrast(colours["warn-ink"], colours["warn"]) >= 4.5
        for ground in ("add", "del"):
            assert contrast(colours["ink"], colours[ground]) >= 4.5


def contrast(one: str, other: str) -> float:
    """WCAG's contrast ratio of two colours."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_a_switch_is_spoken_of_only_where_there_was_one() -> None:
    note = examples.recorded()
    own = [replace(sample, cold=True) for sample in note.samples]
    switched, started = (outline(render(examples.document(note), clips, note.launches, None)).words
                         for clips in (note.samples, own))
    assert "Hollow" in switched and "Hollow" not in started and "The axis does not start at zero." in started


def test_a_flag_that_the_tuned_set_leaves_out_is_named_once_without() -> None:
    note = examples.recorded()
    whole = examples.document(note)
    whole["tune"]["ablation"][0]["flag"] = "without --use-split-cross-attention --no-half"
    said = outline(render(whole, note.samples, note.launches, None)).words
    assert "leaving out --use-split-cross-attention --no-half" in said
    assert "without --use-split" not in said
