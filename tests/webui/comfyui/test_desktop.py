"""Comfy Desktop's files: read as its own code reads them (a table that this gave), and edited without a stray byte."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotune.launchfile.spelled_words import split
from autotune.model.errors import Refused
from autotune.webui.comfyui.desktop import Desktop1File, Desktop2File
from autotune.webui.comfyui.layout import recognise
from tests.webui.comfyui.installs import desktop_1, desktop_2
from tests.webui.comfyui.judges import owns
from tests.webui.installs import write

TABLE = json.loads((Path(__file__).parent / "argv_of_others.json").read_text(encoding="utf-8"))
ONE, TWO = Desktop1File(), Desktop2File()
SETTINGS, LIST = Path("comfy.settings.json"), Path("installations.json")
ARGS = "Comfy.Server.LaunchArgs"
ROOT = Path("/somewhere/ComfyUI 2/ComfyUI")
ANYWAY = ("--listen", "127.0.0.1", "--port", "8000", "--enable-manager")


@pytest.mark.parametrize(("text", "words"), TABLE["settings"])
def test_words_of_the_first_are_those_that_it_starts_with(text: str, words: list[str]) -> None:
    """What it cannot read it ignores, and starts with its defaults: that is refused, for an edit would do nothing."""
    try:
        file = ONE.parse(text.encode(), SETTINGS, None)
    except Refused as error:
        assert tuple(words) == ANYWAY and "not JSON" in str(error) and error.hint
        return
    assert file.why_not is None and list(file.words) == words


@pytest.mark.parametrize(("text", "words"), TABLE["texts"])
def test_words_of_the_second_are_those_that_it_starts_with(text: str, words: list[str]) -> None:
    data = json.dumps([{"installPath": "/x", "launchArgs": text}]).encode()
    assert list(TWO.parse(data, LIST, None).words) == words


@pytest.mark.parametrize(("text", "words"), TABLE["windows"])
def test_words_of_a_command_line_are_those_that_windows_gives(text: str, words: list[str]) -> None:
    assert [word.text for word in split(text)] == words


layouts = st.fixed_dictionaries({"indent": st.sampled_from([None, 2, 4, "\t"]), "ensure_ascii": st.booleans(),
                                 "separators": st.sampled_from([None, (",", ":"), (", ", " : ")])})
names = st.sampled_from(["Comfy.ColorPalette", "é影", "a\tb", "\ud800", "\\", "{", "id"])
anything = st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=6),
                        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
                        max_leaves=6)
own_flags = st.sampled_from([("port", "9000"), ("listen", ""), ("preview-method", "auto"), ("a", "b c"), ("é", '"影'),
                             ("cuda-device", 1), ("7", "")])
managed_flags = st.sampled_from([("lowvram", ""), ("fast", ""), ("fast", "autotune"), ("cache-lru", "7"),
                                 ("use-pytorch-cross-attention", "")])
targets = st.sampled_from([(), ("--use-sage-attention",), ("--fast", "fp16_accumulation", "--lowvram"),
                           ("--cache-lru", "3", "--force-channels-last")])
two_members = ("--fast", "fp16_accumulation", "autotune")


def written(document: object, layout: Mapping[str, Any], newline: str) -> bytes:
    text = json.dumps(document, **layout).replace("\n", newline)
    try:
        return text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which only an escape can spell
        return json.dumps(document, **{**layout, "ensure_ascii": True}).replace("\n", newline).encode()


def kept_and_managed(words: Sequence[str]) -> tuple[list[str], list[str]]:
    mine = owns(words)
    return ([word for word, gone in zip(words, mine, strict=True) if not gone],
            sorted(word for word, gone in zip(words, mine, strict=True) if gone))


@settings(deadline=None)
@given(others=st.dictionaries(names, anything, max_size=4), flags=st.lists(own_flags | managed_flags, max_size=6),
       absent=st.booleans(), layout=layouts, newline=st.sampled_from(["\n", "\r\n"]), target=targets)
def test_the_first_keeps_all_else(others: dict[str, Any], flags: list[tuple[str, Any]], absent: bool,
                                  layout: Mapping[str, Any], newline: str, target: tuple[str, ...]) -> None:
    document = {**others} if absent else {**others, ARGS: dict(flags), "Comfy.Server.ServerConfigValues": {"a": 1}}
    data = written(document, layout, newline)
    file = ONE.parse(data, SETTINGS, None)
    edited = ONE.edit(file, target, owns)
    after = json.loads(edited)
    given_flags = after.pop(ARGS, {})
    assert list(after.items()) == [pair for pair in document.items() if pair[0] != ARGS]
    assert {k: v for k, v in given_flags.items() if not owns([f"--{k}"])[0]} == {
        k: v for k, v in dict(() if absent else flags).items() if not owns([f"--{k}"])[0]}
    again = ONE.parse(edited, SETTINGS, None)
    assert kept_and_managed(again.words) == (kept_and_managed(file.words)[0], sorted(target))
    if not kept_and_managed(file.words)[1] and not absent:
        assert ONE.edit(again, (), owns) == data, "there and back"
    assert ONE.edit(again, target, owns) == edited or len(flags) > 1


def test_the_first_gives_a_flag_one_value_at_most() -> None:
    with pytest.raises(Refused, match="one value at most") as caught:
        ONE.edit(ONE.parse(b"{}", SETTINGS, None), two_members, owns)
    assert caught.value.hint


texts = st.lists(st.sampled_from([
    "--port 9000", "--listen", "--lowvram", "--fast", "--fast autotune cublas_ops", "'a b'", '"it\'s"', "--cache-lru 7",
    "--x=é", "\u3000--extra", "--use-pytorch-cross-attention"]), max_size=6)


@settings(deadline=None)
@given(others=st.dictionaries(names, anything, max_size=3), parts=texts | st.none(), blank=st.sampled_from([" ", "  "]),
       layout=layouts, newline=st.sampled_from(["\n", "\r\n"]), target=targets | st.just(two_members),
       source=st.sampled_from(["standalone", "portable", "git"]), before=st.booleans())
def test_the_second_keeps_all_else(others: dict[str, Any], parts: list[str] | None, blank: str,
                                   layout: Mapping[str, Any], newline: str, target: tuple[str, ...], source: str,
                                   before: bool) -> None:
    mine: dict[str, Any] = {**others, "name": "é", "sourceId": source, "installPath": str(ROOT.parent)}
    if parts is not None:
        mine["launchArgs"] = blank.join(parts)
    another = {"name": "b", "sourceId": "git", "installPath": "/elsewhere", "launchArgs": "--lowvram"}
    document = [{"sourceId": "cloud", "installPath": ""}, *([another] if before else []), mine, another]
    data = written(document, layout, newline)
    file = TWO.parse(data, LIST, ROOT)
    if parts is None:
        default = {"standalone": "--enable-manager", "portable": "--windows-standalone-build --disable-auto-launch"}
        assert " ".join(file.words) == default.get(source, "")
    edited = TWO.edit(file, target, owns)
    after = json.loads(edited)
    now = next(one for one in after if one["installPath"] == mine["installPath"])
    assert {**now, "launchArgs": 0} == {**mine, "launchArgs": 0} and [one for one in after if one is not now] == [
        one for one in document if one is not mine]
    again = TWO.parse(edited, LIST, ROOT)
    assert kept_and_managed(again.words) == (kept_and_managed(file.words)[0], sorted(target))
    assert TWO.edit(again, target, owns) == edited


@pytest.mark.parametrize("value", ['--port "8000', "it's", 7, ["--cpu"], {"a": 1}])
def test_what_cannot_be_edited_says_why(value: object) -> None:
    file = TWO.parse(json.dumps([{"installPath": str(ROOT.parent), "launchArgs": value}]).encode(), LIST, ROOT)
    with pytest.raises(Refused) as caught:
        TWO.edit(file, ("--lowvram",), owns)
    assert file.why_not and "--lowvram" in caught.value.hint


@pytest.mark.parametrize("value", [["--cpu"], "--cpu", 7, {"port": {"a": 1}}, {"port": 1e300}])
def test_settings_that_are_no_flags_say_so(value: object) -> None:
    file = ONE.parse(json.dumps({ARGS: value}).encode(), SETTINGS, None)
    with pytest.raises(Refused):
        ONE.edit(file, ("--lowvram",), owns)
    assert file.why_not


@pytest.mark.parametrize("data", [b"{}", b"[", b"\xff", b"\xef\xbb\xbf[]", b"[NaN]", b"[" * 100_000, b"[]", b""])
def test_a_damaged_list_is_refused(data: bytes) -> None:
    with pytest.raises(Refused) as caught:
        TWO.parse(data, LIST, ROOT)
    assert caught.value.hint


def test_the_layouts_name_their_files(tmp_path: Path) -> None:
    made = desktop_2(tmp_path / "2")
    layout = recognise(made.root, made.platform, made.environ)
    assert layout.manageable and [file.name for file in layout.launch_files] == [LIST.name]
    file = TWO.parse(layout.launch_files[0].read_bytes(), layout.launch_files[0], made.root)
    assert file.words == ("--port", "8000", "--enable-manager")
    for platform in ("win32", "darwin"):
        made = desktop_1(tmp_path / platform, platform)
        layout = recognise(made.root, platform, made.environ)
        assert (layout.host, layout.manageable) == ("desktop", False) and "not there yet" in str(layout.why_not)
        place = write(made.base / "user/default/comfy.settings.json", json.dumps({ARGS: {"lowvram": ""}}))
        layout = recognise(made.root, platform, made.environ)
        assert layout.manageable and layout.launch_files == (place,)
        assert ONE.parse(place.read_bytes(), place, made.root).words == (*ANYWAY, "--lowvram")
