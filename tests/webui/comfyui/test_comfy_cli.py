"""comfy-cli's config.ini: read and edited as configparser, which comfy-cli uses, understands it."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotune.model.errors import Refused
from autotune.secrets.mask import masked_diff
from autotune.webui.comfyui.config_ini import OPTION, edit, parse
from autotune.webui.comfyui.layout import recognise
from tests.webui.comfyui.installs import comfy_cli
from tests.webui.comfyui.judges import owns

PATH = Path("config.ini")
TARGET = ("--use-sage-attention", "--fast", "fp16_accumulation", "autotune")


def options(data: bytes) -> dict[str, str]:
    """All options as comfy-cli's parser reads them, %% as one."""
    parser = configparser.ConfigParser()
    parser.read_string(data.decode("utf-8").replace("\r\n", "\n"))
    return {name: parser["DEFAULT"][name] for name in parser["DEFAULT"]}


keys = st.sampled_from(["enable_tracking", "default_workspace", "user_id", "recent_workspace", "ключ", "background"])
values = st.text(st.sampled_from("abc /\\:=;#[]é影\t'\"-"), max_size=12).map(str.strip)
units = st.sampled_from([["--port", "9000"], ["--listen"], ["--lowvram"], ["--fast"], ["--fast", "fp16_accumulation"],
                         ["x;y"], ["#z"], ["--preview-method", "auto"], ["100%"], ["C:\\é"], ['"a'],
                         ["--cache-lru", "9"]])
words = st.lists(units, max_size=5).map(lambda lists: [word for unit in lists for word in unit])
blanks = st.sampled_from(["", "\n", "# note\n", "; default_launch_extras = --no\n", "\n\n"])


@st.composite
def documents(draw: st.DrawFn) -> tuple[bytes, list[str] | None]:
    """(a config.ini, the words of its option; None: the option is not there)."""
    found: list[str] | None = None
    lines = [draw(blanks), "[DEFAULT]\n"]
    own = draw(st.dictionaries(keys, values, max_size=4))
    there = draw(st.booleans())
    entries = [f"{key}{draw(st.sampled_from([' = ', '=', ': ', ' :']))}{value}\n" for key, value in own.items()]
    if there:
        found = draw(words)
        name = draw(st.sampled_from([OPTION, OPTION.upper(), OPTION.title()]))
        written = " ".join(found).replace("%", "%%")
        entries.insert(draw(st.integers(0, len(entries))), f"{name}{draw(st.sampled_from([' = ', '=', ' :  ']))}"
                       f"{written}{draw(st.sampled_from(['', ' ', '  ']))}\n")
    for entry in entries:
        lines += [entry, draw(blanks)]
    lines.append(draw(st.sampled_from(["", "[Other]\na = 1\n", "[other]\ndefault_launch = 3\n"])))
    text = "".join(lines)
    text = text.rstrip("\n") if draw(st.booleans()) else text
    return text.replace("\n", draw(st.sampled_from(["\n", "\r\n"]))).encode(), found


@settings(deadline=None)
@given(document=documents(), target=st.sampled_from([TARGET, (), ("--highvram",), ("--cache-lru", "3")]))
def test_only_the_managed_words_change(document: tuple[bytes, list[str] | None], target: tuple[str, ...]) -> None:
    data, given_words = document
    try:
        before = options(data)
    except configparser.Error:
        with pytest.raises(Refused):
            parse(data, PATH)
        return
    file = parse(data, PATH)
    assert list(file.words) == (before[OPTION].split(" ") if before.get(OPTION) else [])
    assert file.words == tuple(given_words or ())
    edited = edit(file, target, owns)
    after = options(edited)
    own = [word for word, mine in zip(file.words, owns(file.words), strict=True) if not mine]
    got = after[OPTION].split(" ") if after[OPTION] else []
    assert sorted(got) == sorted([*own, *target])
    rest = iter(got)
    assert all(one in rest for one in own), "in their order"
    assert {k: v for k, v in after.items() if k != OPTION} == {k: v for k, v in before.items() if k != OPTION}
    assert edited.count(b"\r\n") == (edited.count(b"\n") if b"\r\n" in data else 0)
    again = parse(edited, PATH)
    assert edit(again, target, owns) == edited
    if given_words is not None:
        managed = tuple(word for word in file.words if word not in own)
        back = edit(again, managed, owns)
        assert options(back).keys() == before.keys() and len(back.splitlines()) == len(data.splitlines())


@pytest.mark.parametrize("value", ["a %(user_id)s", "a\n  b"])
def test_a_value_that_is_more_than_its_line_is_read_and_not_edited(value: str) -> None:
    file = parse(f"[DEFAULT]\nuser_id = 7\ndefault_launch_extras = {value}\n".encode(), PATH)
    assert file.why_not and file.words
    with pytest.raises(Refused) as caught:
        edit(file, TARGET, owns)
    assert "comfy launch -- " in caught.value.hint and "--use-sage-attention" in caught.value.hint


@pytest.mark.parametrize("data", [b"\xef\xbb\xbf[DEFAULT]\n", b"a = 1\n", b"[DEFAULT]\na = 1\na = 2\n",
                                  b"[DEFAULT]\ndefault_launch_extras = 5%\n", b"[DEFAULT]\nword\n"])
def test_what_comfy_cli_cannot_read_is_refused(data: bytes) -> None:
    with pytest.raises(Refused) as caught:
        parse(data, PATH)
    assert caught.value.hint


@pytest.mark.parametrize("word", ["a b", "", "é", "a\tb"])
def test_a_word_that_has_no_form_there_is_refused(word: str) -> None:
    with pytest.raises(Refused, match="splits"):
        edit(parse(b"[DEFAULT]\n", PATH), ("--cache-lru", word), owns)


def test_only_the_default_workspace_gets_the_flags(tmp_path: Path) -> None:
    made = comfy_cli(tmp_path, "--lowvram")
    config = tmp_path / "home/.config/comfy-cli/config.ini"
    layout = recognise(made.root, "linux", made.environ)
    assert (layout.host, layout.manageable, layout.launch_files) == ("comfy-cli", True, (config,))
    assert parse(config.read_bytes(), config).words == ("--lowvram",)
    config.write_text(f"[DEFAULT]\nrecent_workspace = {made.root}\n")
    layout = recognise(made.root, "linux", made.environ)
    assert (layout.host, layout.manageable, layout.launch_files) == ("comfy-cli", False, ())
    assert "comfy set-default" in layout.where_flags_go
    config.unlink()
    assert recognise(made.root, "linux", made.environ).host == ""


def test_tokens_beside_the_flags_are_never_shown() -> None:
    data = (b"[DEFAULT]\ncivitai_api_token = 0123456789abcdef0123\ndefault_launch_extras = --lowvram\n"
            b"hf_api_token = hf_AbCdEfGhIjKlMnOpQr\n")
    shown = masked_diff(data, edit(parse(data, PATH), TARGET, owns), "config.ini")
    assert "--use-sage-attention" in shown and "***" in shown
    assert "0123456789abcdef" not in shown and "AbCdEfGh" not in shown
