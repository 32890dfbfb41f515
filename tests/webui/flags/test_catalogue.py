"""The catalogue as data, and how it reads argv words: argparse itself is the judge."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import autotune.engine
from autotune.flags import checker
from autotune.flags.catalogue import KINDS, Catalogue
from autotune.webui.a1111.flags.effective import given as flags_given
from autotune.webui.a1111.flags.known_flags import flavours, load, version_pair
from tests.flags.machines import parser, words_of

A1111 = load("a1111")
RECORDED = json.loads(
    (Path(__file__).parent / "cmd_flags_a1111_1.10.1.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("flavour", sorted(flavours()))
def test_every_flag_has_a_class_a_reason_and_a_known_number_of_values(flavour: str) -> None:
    catalogue = load(flavour)
    assert catalogue.tuned or catalogue.why_not
    for flag in catalogue.flags.values():
        assert flag.kind in KINDS
        assert flag.why
        assert flag.takes in {"0", "1", "?", "+", "*"}
        assert (flag.to is not None) == (flag.kind == "alias")
        assert flag.to is None or flag.to in catalogue.flags


def test_tuned_flavours_are_those_we_know_the_rules_of() -> None:
    tuned = {name for name in flavours() if load(name).tuned}
    assert tuned == {"a1111", "reference", "amdgpu", "forge", "reforge"}


def test_the_recorded_command_line_of_1_10_1_is_classified_completely() -> None:
    known = {name.lstrip("-").replace("-", "_") for name in A1111.flags}
    assert set(RECORDED) - known == set()
    extensions = {name for name, flag in A1111.flags.items() if flag.kind == "alias"}
    assert {name.lstrip("-").replace("-", "_") for name in set(A1111.flags) - extensions} == set(RECORDED)


def test_nothing_that_a_tuner_must_not_touch_is_ever_managed() -> None:
    never = words_of(
        "--listen --port --share --api-auth --gradio-auth --tls-keyfile --cors-allow-origins "
        "--ngrok --data-dir --ckpt --ckpt-dir --vae-path --allow-code --disable-safe-unpickle "
        "--freeze-settings --device-id --use-cpu --use-ipex --reinstall-torch --update-check "
        "--skip-install --nowebui --theme --api"
    )
    everything = ("precision", "memory", "attention", "channelslast", "no_half_vae", "batch_cond_uncond")
    for flavour in flavours():
        managed = load(flavour).managed(everything)
        assert not managed & set(never)
    for flag in never:
        assert A1111.classify(flag) in {"protected", "fixed"}


def test_versions_differ_as_the_parsers_did() -> None:
    assert "--no-prompt-history" not in load("a1111", "1.6.0").flags
    assert "--no-prompt-history" in load("a1111", "1.9.4").flags
    assert load("a1111", "v1.9.4").flags["--precision"].values == ("full", "autocast")
    assert "half" in load("a1111", "1.10.1").flags["--precision"].values
    assert load("a1111", "1.6").classify("--enable-console-prompts") == "fixed"
    assert load("a1111", "1.10.1").classify("--enable-console-prompts") == "no-op"
    assert load("amdgpu", "v1.10.1-amd").classify("--use-zluda") == "protected"
    assert load("amdgpu", "1.7.0").classify("--use-zluda") == "unknown"
    assert "--force-channels-last" in load("reforge", "1.0.0v2-v1.10.1RC").flags
    assert "--force-channels-last" not in load("reforge", "1.3.5-v1.10.1RC").flags
    assert load("forge").classify("--opt-sdp-attention") == "no-op"


def test_a_version_out_of_range_is_said_and_the_nearest_is_taken() -> None:
    assert load("a1111", "1.3.2").note and load("a1111", "2.0").note
    assert load("a1111", "1.3.2").flags == load("a1111", "1.6").flags
    assert load("a1111", "1.10.1").note is None and load("a1111", None).note is None


def test_an_unknown_flavour_owns_nothing() -> None:
    nowhere = load("something-else")
    assert not nowhere.tuned and nowhere.owns(["--xformers", "--api"]) == (False, False)


@pytest.mark.parametrize(
    ("words", "mine"),
    [
        ("--api --opt-sdp-attention", [0, 1]),
        ("--opt-sdp", [0]),  # two flags begin so: argparse refuses, we leave it
        ("--opt-sdp-a --opt-ch --no-half-v", [1, 1, 1]),
        ("--no-half --no-half-vae", [0, 1]),
        ("--xformers=1 --xformers", [0, 1]),
        ("--ckpt --xformers", [0, 0]),  # a value, however odd
        ("--ckpt=a.safetensors --xformers", [0, 1]),
        ("--use-cpu all --opt-channelslast", [0, 0, 1]),
        ("--xformers -- --xformers", [1, 0, 0]),
        ("--made-up-by-an-extension 3 --xformers --medvram", [0, 0, 1, 0]),
        ("--force-enable-xformers --disable-opt-split-attention", [0, 1]),
        ("--precision full --upcast-sampling", [0, 0, 0]),
    ],
)
def test_owns(words: str, mine: list[int]) -> None:
    assert A1111.owns(words.split()) == tuple(map(bool, mine))


def test_opened_dimensions_are_owned_with_their_values() -> None:
    words = ["--api", "--precision", "full", "--no-half", "--medvram", "--precision=half"]
    assert A1111.owns(words, ("precision",)) == (False, True, True, True, False, True)
    assert A1111.owns(words, ("precision", "memory")) == (False, True, True, True, True, True)
    assert A1111.owns(["--precision"], ("precision",)) == (False,)  # its value is missing: argparse stops


def _words(catalogue: Catalogue) -> st.SearchStrategy[list[str]]:
    names = sorted(catalogue.flags)
    full = st.sampled_from(names)
    short = st.tuples(full, st.integers(4, 12)).map(lambda pair: pair[0][: pair[1]])
    valued = st.tuples(full, st.sampled_from(["a", "7", "half", "all", "/p q"])).map("=".join)
    loose = st.sampled_from(["a", "7", "half", "autocast", "/p q", "-1", "--unknown", "x=y"])
    return st.lists(st.one_of(full, short, valued, loose), max_size=8)


@pytest.mark.slow
@given(_words(A1111))
@settings(max_examples=400, deadline=None)
def test_words_are_read_as_argparse_reads_them(words: list[str]) -> None:
    try:
        space, _ = parser(A1111).parse_known_args(words)
    except (argparse.ArgumentError, SystemExit):
        return  # the web UI would not start with these words
    read = flags_given(words, A1111)
    expected = {name for name, value in vars(space).items() if value not in (None, False, [])}
    assert expected <= set(read)
    assert all(vars(space)[name] is not None for name in read)
    for name, value in read.items():
        if A1111.flags[name].takes == "1":
            assert vars(space)[name] == value


@example(["--precision", "--add-stop-route=/p q"], ("precision",))
@given(_words(A1111), st.sampled_from([(), ("precision",), ("memory", "precision")]))
@settings(deadline=None)
def test_owned_words_are_managed_flags_or_their_values(words: list[str], opened: tuple[str, ...]) -> None:
    mine = A1111.owns(words, opened)
    assert len(mine) == len(words)
    managed = A1111.managed(opened)
    for word, ours in zip(words, mine, strict=True):
        flag = A1111.find(word) if word.startswith("--") else None
        if ours and word.startswith("--"):
            assert flag and flag.name in managed


class TestChecker:
    def test_the_reference_web_uis_own_parser_is_classified_completely(self) -> None:
        source = (Path(autotune.engine.__file__).parent / "cmd_args.py").read_text(encoding="utf-8")
        result = checker.compare(load("reference"), source)
        assert result.unclassified == () and result.differing == ()

    def test_new_flags_are_listed_and_kept(self) -> None:
        source = (
            "import argparse\nparser = argparse.ArgumentParser()\n"
            "parser.add_argument('--xformers', action='store_true')\n"
            "parser.add_argument('--warp-speed', '-w', type=int, nargs='+')\n"
            "parser.add_argument('--port')\nparser.add_argument('positional')\n"
            "group = parser.add_mutually_exclusive_group()\ngroup.add_argument('--medvram', nargs='?')\n"
        )
        result = checker.compare(A1111, source)
        assert result.unclassified == ("--warp-speed", "-w")
        assert result.differing == ("--medvram",)
        assert "--lowvram" in result.missing and "--lyco-dir" not in result.missing
        assert A1111.owns(["--warp-speed", "9"]) == (False, False)

    def test_source_that_is_not_python_is_said(self) -> None:
        with pytest.raises(SyntaxError):
            checker.compare(A1111, "def (")


def test_version_pair() -> None:
    assert version_pair("v1.10.1-amd") == (1, 10) and version_pair("1.8.0rc") == (1, 8)
    assert version_pair(None) is None and version_pair("classic") is None
