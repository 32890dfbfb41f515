"""Splitting and replacing words: what is not ours never moves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from autotune.flags.words import canonical, replace, split
from autotune.model.flagset import FlagSet
from autotune.webui.a1111.flags.known_flags import load
from tests.flags.machines import words_of

A1111 = load("a1111")
WORDS = st.lists(
    st.sampled_from(
        words_of(
            "--api --xformers --opt-sdp-attention --opt-sdp-n --no-half-vae --opt-channelslast --port 7860 --ckpt "
            "a.ckpt --medvram --precision full --precision=half --theme=dark --my-flag --use-cpu all -f --no-half"
        )
    ),
    max_size=9,
)
TARGETS = st.sampled_from(
    [(), ("--opt-sdp-attention",), ("--xformers", "--no-half-vae"), ("--opt-channelslast", "--no-half-vae")]
)


@given(WORDS, TARGETS)
def test_kept_words_stay_in_order_and_the_target_is_there_once(words: list[str], target: tuple[str, ...]) -> None:
    before = split(words, A1111)
    after = replace(words, FlagSet(target), A1111)
    parts = split(after, A1111)
    assert parts.kept == before.kept
    assert parts.tuned == target


@given(WORDS, TARGETS)
def test_twice_is_once(words: list[str], target: tuple[str, ...]) -> None:
    once = replace(words, FlagSet(target), A1111)
    assert replace(once, FlagSet(target), A1111) == once


@given(WORDS)
def test_putting_the_own_words_back_changes_nothing(words: list[str]) -> None:
    assert replace(words, FlagSet(split(words, A1111).tuned), A1111) == tuple(words)


def test_place() -> None:
    words = ("--api", "--xformers", "--port", "7860", "--no-half-vae", "--listen")
    assert replace(words, FlagSet(("--opt-sdp-attention",)), A1111) == (
        "--api", "--opt-sdp-attention", "--port", "7860", "--listen",
    )
    assert replace(("--api",), FlagSet(("--xformers",)), A1111) == ("--api", "--xformers")
    assert replace(("--api", "--", "x"), FlagSet(("--xformers",)), A1111) == ("--api", "--xformers", "--", "x")


def test_opened_dimensions() -> None:
    words = ("--precision", "full", "--no-half", "--api", "--medvram")
    assert replace(words, FlagSet(("--precision", "half")), A1111, ("precision",)) == (
        "--precision", "half", "--api", "--medvram",
    )


def test_canonical_writes_full_names_once_in_one_order() -> None:
    assert canonical(("--no-half-v", "--xformers", "--no-half-vae", "--unknown"), A1111) == (
        "--xformers", "--no-half-vae",
    )
    assert canonical(("--precision=full", "--precision", "half"), A1111) == ("--precision", "half")
