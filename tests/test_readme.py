"""The READMEs: both say the same, every figure comes from stored samples, every command and name exists."""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from math import exp, floor
from pathlib import Path
from typing import Any

import platformdirs
import pytest
from babel.messages.pofile import read_po
from PIL import Image, ImageChops, ImageStat

from autotune.cli import shortcut_file
from autotune.cli.main import VERBS
from autotune.report.card_facts import facts_of
from autotune.report.card_picture import png
from autotune.webui.a1111 import data_folder
from autotune.webui.a1111.flags import known_flags
from autotune.workload import profile
from benchmarks import make_priors
from tests import page_picture
from tests.cli.test_help import parsed
from tests.language.catalogue import file_of
from tests.test_documents import ROOT, project

READMES = {"en": "README.md", "ja": "README.ja.md"}
DATA = ROOT / "benchmarks" / "data"
EVERY = pytest.mark.parametrize("language", list(READMES))
BLOCK = re.compile(r"(?:(?:^|(?<=\n))(?: {4,}[^\n]*\n)+)")
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^()\s]+)\)")
NUMBER = re.compile(r"\d+(?:\.\d+)*")
BY_HAND, TIME = 3, 4
"""Which sections these are."""
COUNTS = {"1", "2"}
"""Digits that one language writes where the other has a word ("1本", "a clip"); where they are figures, they are in
``figures``."""


def text(language: str) -> str:
    return (ROOT / READMES[language]).read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The lines to type, without indent and comment."""
    lines = (line.split("  #")[0].strip() for block in BLOCK.findall(text(language)) for line in block.splitlines())
    return [line for line in lines if line]


def prose(language: str) -> str:
    """Without what is the same in every language or told elsewhere: lines to type, code, targets of links."""
    return LINK.sub("]", SPAN.sub("", BLOCK.sub("", text(language))))


def sections(page: str) -> list[str]:
    return re.split(r"^## ", page, flags=re.MULTILINE)


def section(language: str, number: int) -> str:
    return " ".join(sections(text(language))[number].split())


def test_each_names_the_other_first() -> None:
    for language, other in (("en", "ja"), ("ja", "en")):
        assert f"]({READMES[other]})" in text(language).split("\n", 1)[0]


def test_both_have_the_same_order_of_sections_lines_links_and_code() -> None:
    shape = {one: re.findall(r"^(#+|\d\.|-|\|) ?", text(one), re.MULTILINE) for one in READMES}
    assert shape["en"] == shape["ja"] and shape["en"].count("##") > 8
    assert blocks("en") == blocks("ja") and len(blocks("en")) > 10
    links = {one: [to.replace(f".{one}.png", ".png") for to in LINK.findall(text(one)) if to not in READMES.values()]
             for one in READMES}
    assert links["en"] == links["ja"]
    translated = {message for one in READMES for message, _ in rows(one)} | {"--webui FOLDER", "--webui フォルダー"}
    code = {one: [Counter(span for span in SPAN.findall(BLOCK.sub("", part)) if span not in translated)
                  for part in sections(text(one))] for one in READMES}
    assert code["en"] == code["ja"]


def test_no_japanese_paragraph_is_wrapped() -> None:
    """A browser shows a blank where two lines of the source meet."""
    wrapped = [line for line in re.findall(r"^.*[^\x00-\x7f] ?\n(?=\S)(?![-|#!]|\d\.)[^\n]+", text("ja"), re.MULTILINE)
               if not line.startswith(" ")]
    assert wrapped == []


def test_both_have_the_same_numbers_in_each_section() -> None:
    for english, japanese in zip(sections(prose("en")), sections(prose("ja")), strict=True):
        found = [Counter(one for one in NUMBER.findall(part) if one not in COUNTS) for part in (english, japanese)]
        assert found[0] == found[1], english[:40]
    assert len(NUMBER.findall(prose("en"))) > 30


@EVERY
def test_every_link_leads_somewhere(language: str) -> None:
    for target in LINK.findall(text(language)):
        file, _, anchor = target.partition("#")
        assert (ROOT / file).is_file(), target
        assert not anchor or anchor in anchors(file), target


@EVERY
def test_what_it_links_to_is_in_the_archive_and_in_the_zip_too(language: str) -> None:
    script = (ROOT / "tests/windows/portable.sh").read_text(encoding="utf-8")
    copied = re.search(r'^cp -r "\$checkout"/\{([^}]+)\} "\$work/autotune/"$', script, re.MULTILINE)
    packed = project()["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    tops = {target.partition("#")[0].partition("/")[0] for target in LINK.findall(text(language))}
    assert copied and tops <= set(copied[1].split(",")) and tops <= set(packed)


@lru_cache
def anchors(file: str) -> set[str]:
    """How GitHub and the site call the headings of a page."""
    titles = re.findall(r"^#+ (.*)", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


# Figures.


def tuned(name: str) -> dict[str, Any]:
    return page_picture.documents(name)[1]


def clip_of(name: str) -> tuple[int, int, int, int]:
    """Width, height, frames and steps of a recorded tune."""
    head = page_picture.documents(name)[0]
    (one,) = head["profile"]["workload"]
    return one["width"], one["height"], one["frames"], one["steps"]


def gtx_1070() -> int:
    """How many times as long sdp takes as xformers on that card, by its users' records under torch 2."""
    times = make_priors.times()["NVIDIA GeForce GTX 1070", "6", "2"]
    return round(exp(times["sdp"][0] - times["xformers"][0]))


def figures() -> Iterator[tuple[int, str, str]]:
    """Section, and what stands there in English and in Japanese, from what is recorded."""
    hand = json.loads((DATA / "a1111-h200-by-hand.json").read_text(encoding="utf-8"))["medians"]
    before, after = (next(one["seconds"] for one in hand if one["flags"] == tuned("article512")[side]["flags"])
                     for side in ("baseline", "winner"))
    width, height, frames, steps = clip_of("article512")
    clip = f"{width}×{height}, {frames} frames, {steps} steps", f"{width}×{height}、{frames}フレーム、{steps}ステップ"
    (flag,) = tuned("article512")["winner"]["flags"]
    yield 0, f"with `{flag}` a clip of {clip[0]} takes {after} s in place of {before} s", (
        f"`{flag}`で、{clip[1]}のクリップが{before}秒から{after}秒")
    gain = tuned("article512")["speedup"]
    low, high, sure = f"{gain['low']:.2f}", f"{gain['high']:.2f}", f"{gain['confidence']:.0%}".replace("%", " %")
    yield 0, (f"says {gain['estimate']:.2f} times as fast, and with {sure} certainty between {low} and {high} times"), (
        f"{gain['estimate']:.2f}倍で、{sure}の確かさで{low}～{high}倍")
    sides = [tuned("article512")[side]["seconds"]["median"] for side in ("baseline", "winner")]
    yield 0, f"{sides[1]:.2f} s in place of {sides[0]:.2f} s a clip", f"1本{sides[0]:.2f}秒が{sides[1]:.2f}秒に"
    yield 0, f"H200 tune ({clip[0]})", f"H200のチューニング（{clip[1]}）"
    width, height, frames, steps = clip_of("article768")
    sides = [tuned("article768")[side] for side in ("baseline", "winner")]
    was, now = (f"{one['seconds']['median']:.1f}" for one in sides)
    much, less = (round(one["memory_peak"] / 1024) for one in sides)
    (flag,) = tuned("article768")["winner"]["flags"]
    yield 0, (f"with `{flag}` a clip of {width}×{height}, {frames} frames, {steps} steps takes {now} s in place of "
              f"{was} s and needs {less} GiB of graphics memory in place of {much}."), (
        f"`{flag}`で、{width}×{height}、{frames}フレーム、{steps}ステップのクリップが{was}秒から{now}秒になり、"
        f"必要なVRAMは{much} GiBから{less} GiB")
    yield 0, f"`{flag}` takes {gtx_1070()} times as long there as `--xformers`", (
        f"`{flag}`は`--xformers`の{gtx_1070()}倍の時間")
    yield 0, *comfyui()
    names = sorted(path.name.removesuffix("-result.json") for path in page_picture.RECORDED.glob("*-result.json"))
    walls = [tuned(name)["cost"]["wall"] / 60 for name in names]
    clips = [tuned(name)[side]["seconds"]["median"] for name in names for side in ("baseline", "winner")]
    shortest, longest, least, most = floor(min(walls)), round(max(walls)), round(min(clips)), round(max(clips))
    yield TIME, (f"The {len(names)} recorded tunes on an H200 took {shortest} to {longest} minutes each, with clips of "
                 f"{least} to {most} seconds"), (
        f"H200での{len(names)}回のチューニングは、1本{least}～{most}秒のクリップで、それぞれ{shortest}～{longest}分")
    limit = profile.load("default").minutes
    yield TIME, f"after {limit:g} minutes at the latest", f"遅くとも{limit:g}分で"


def comfyui() -> tuple[str, str]:
    """The tune of a ComfyUI that ended with no flag, told in both languages; the one without flags kept that."""
    (left, kept) = (json.loads((DATA / f"comfyui-h100-tune-{name}.json").read_text(encoding="utf-8"))["result"]
                    for name in ("split", "none"))
    assert kept["decision"] == "keep" and kept["winner"]["flags"] == kept["baseline"]["flags"] == []
    assert left["decision"] == "apply" and left["winner"]["flags"] == [] and "H100" in left["gpu"]
    (one,), (flag,), gain = left["profile"]["workload"], left["baseline"]["flags"], left["speedup"]
    low, high, sure = f"{gain['low']:.2f}", f"{gain['high']:.2f}", f"{gain['confidence']:.0%}".replace("%", " %")
    return (f"without `{flag}` clips of {one['width']}×{one['height']}, {one['frames']} frames, {one['steps']} steps "
            f"ran {gain['estimate']:.2f} times as fast, and with {sure} certainty between {low} and {high} times",
            f"`{flag}`を外すと、{one['width']}×{one['height']}、{one['frames']}フレーム、{one['steps']}ステップのクリップの"
            f"生成が{gain['estimate']:.2f}倍の速さになりました（{sure}の確かさで{low}～{high}倍の間）")


def squeezed(words: str) -> str:
    return re.sub(r"\s", "", words)


@pytest.mark.parametrize(("number", "english", "japanese"), list(figures()), ids=[one[1] for one in figures()])
def test_every_figure_is_made_of_what_was_recorded(number: int, english: str, japanese: str) -> None:
    assert english in section("en", number)
    assert squeezed(japanese) in squeezed(sections(text("ja"))[number])


def test_no_other_figure_stands_in_the_sections_on_measurements() -> None:
    """So that a new one has to be added to ``figures``."""
    told = Counter(NUMBER.findall(" ".join(english for _, english, _ in figures())))
    stands = Counter(NUMBER.findall(" ".join(sections(prose("en"))[number] for number in (0, TIME))))
    names = NUMBER.findall("AUTOMATIC1111, H200, H100, GTX 1070")
    assert stands.keys() - told.keys() - set(names) == set()


def test_by_hand_and_by_itself_agree() -> None:
    """Of what was timed by hand the medians alone were kept; samples of the same sets are in the recorded tunes."""
    hand = json.loads((DATA / "a1111-h200-by-hand.json").read_text(encoding="utf-8"))["medians"]
    for name in ("article512", "precision512"):
        for side in ("baseline", "winner"):
            one = tuned(name)[side]
            known = next(row for row in hand if row["flags"] == one["flags"])
            assert abs(known["seconds"] / one["seconds"]["median"] - 1) < 0.03


def test_the_card_is_the_one_that_is_drawn_now(tmp_path: Path) -> None:
    drawn = tmp_path / "card.png"
    drawn.write_bytes(png(facts_of(*page_picture.documents())))
    stands, fresh = (Image.open(path).convert("L") for path in (page_picture.CARD, drawn))
    assert page_picture.CARD.stat().st_size <= 100_000
    assert stands.size == fresh.size
    assert ImageStat.Stat(ImageChops.difference(stands, fresh)).mean[0] < 1, "python -m tests.page_picture"


# Commands and names.


def commands(language: str) -> set[str]:
    """Every command of autotune's that stands there."""
    found = [*blocks(language), *SPAN.findall(BLOCK.sub("", text(language)))]
    return {re.sub(r"^autotune\.bat ", "autotune ", line) for line in found if re.match(r"autotune(\.bat)? ", line)}


@pytest.mark.parametrize("line", sorted({line for one in READMES for line in commands(one)}))
def test_click_takes_every_command(line: str) -> None:
    words = shlex.split(line)[1:]
    if "-h" not in words:  # which ends the parsing: tests/e2e/verbs/test_readme_commands.py runs it
        assert [one.info_name for one in parsed(words)][1] in VERBS


@EVERY
def test_every_verb_is_named(language: str) -> None:
    spans = [line.split() for line in SPAN.findall(text(language))]
    named = {words[1] for words in spans if words[0] == "autotune" and len(words) > 1} | {words[0] for words in spans}
    assert set(VERBS) - named == set()


def test_lines_of_other_programs_fit_what_is_there() -> None:
    about = project()["project"]
    assert about["scripts"].keys() == {"autotune"} and about["readme"] == READMES["en"]
    install, script = ((ROOT / name).read_text(encoding="utf-8") for name in ("docs/install.md", "install.ps1"))
    release = (ROOT / "tests/packaging/release.sh").read_text(encoding="utf-8")
    make = (ROOT / "Makefile").read_text(encoding="utf-8")
    others = [line for line in blocks("en") if not line.startswith("autotune")]
    for line in others:
        if line.startswith("make "):
            assert re.search(rf"^{line.split()[1]}:", make, re.MULTILINE), line
        elif line.startswith("powershell "):
            assert line in script and line in install
        elif line.startswith("py -m "):
            assert line in install
        else:
            asked = re.fullmatch(r"pipx install (?:--force )?'?\.(?:\[(\w+)\])?'?", line)
            assert asked and (asked[1] is None or asked[1] in about["optional-dependencies"]), line
    assert len(others) == 8
    told = [one for one in SPAN.findall(text("en")) if one.split()[0] in ("apt", "brew", "pipx", "setx", "uv")]
    assert len(told) == 5 and [one for one in told if one.removesuffix(" .") not in install] == []
    assert "`install.ps1 -Uninstall`" in text("en") and "[switch]$Uninstall" in script
    zipped = next(one for one in SPAN.findall(text("en")) if one.endswith(".zip"))
    assert zipped in install and zipped.replace("VERSION", "$version") in release
    assert "autotune.bat" in (ROOT / "tests/windows/portable.sh").read_text(encoding="utf-8")
    assert f"Python {about['requires-python'].removeprefix('>=')}" in text("en")


def test_names_are_those_of_the_program() -> None:
    page = text("en")
    assert {f"`{Path(shortcut_file.name(system)).stem}`" in page for system in ("win32", "linux", "darwin")} == {True}
    assert f"`{data_folder.OURS}`" in page
    here = platformdirs.user_state_dir("autotune", appauthor=False)
    assert Path(here) in [Path(one.replace("%LOCALAPPDATA%", str(Path.home() / "AppData/Local")).replace("\\", "/"))
                          .expanduser() for one in SPAN.findall(page)]
    versions = known_flags.flavours()["a1111"]
    assert f"AUTOMATIC1111 {versions['oldest']} to {versions['newest']}" in page


@lru_cache
def catalogue() -> dict[str, str]:
    """English to Japanese."""
    with file_of("ja").open("rb") as file:
        return {one.id: one.string for one in read_po(file) if isinstance(one.id, str) and isinstance(one.string, str)}


def test_buttons_are_called_as_in_the_tab() -> None:
    called = [re.findall(r"(?<![*\w])\*([^*\n]+)\*(?!\*)", section(one, BY_HAND)) for one in READMES]
    assert len(called[0]) == 4 and [catalogue()[one] for one in called[0]] == called[1]


def rows(language: str) -> list[tuple[str, str]]:
    """The message of each row of the table of troubles, and the heading that it leads to."""
    found = re.findall(r"^\| `([^`]+)` \|.*troubleshooting\.md#([\w-]+)\)", text(language), re.MULTILINE)
    assert len(found) == 5
    return found


def test_each_message_is_one_of_the_program_s_under_that_heading() -> None:
    troubles = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    under = {re.sub(r"[^\w\- ]", "", part.split("\n")[0].lower()).replace(" ", "-"): part
             for part in re.split(r"^###? ", troubles, flags=re.MULTILINE)}
    for (english, heading), (japanese, _) in zip(rows("en"), rows("ja"), strict=True):
        assert english in under[heading]
        spoken = [told for source, told in catalogue().items() if english in source]
        assert any(japanese in told for told in spoken) if spoken else japanese == english, (english, spoken)
