"""Two writings of the same rules, made apart: the canonical form here, the reference web UI's own choice there."""

from __future__ import annotations

import contextlib
import importlib
import io
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotune.model.machine import Runtime
from autotune.webui.a1111.flags import attention
from autotune.webui.a1111.flags.effective import effective
from autotune.webui.a1111.flags.known_flags import load
from tests.flags.machines import RUNTIMES

pytest.importorskip("torch", reason="the reference web UI needs the engine extra")
theirs = importlib.import_module("autotune.engine.attention")
numbers = importlib.import_module("autotune.engine.numbers")
parser = importlib.import_module("autotune.engine.cmd_args").parser

FLAGS = [*(cls.flag for cls in attention.CLASSES), attention.DISABLE, attention.FORCE_XFORMERS]
TITLES = [*(cls.title for cls in attention.CLASSES), "None", "Automatic", "sdp", "bogus"]


def host(runtime: Runtime) -> Any:
    major, minor = (runtime.compute_capability or "0.0").split(".")
    new = int((runtime.torch or "0").split(".")[0]) >= 2
    capability = (int(major), int(minor)) if runtime.compute_capability else None
    return theirs.Host(runtime.device, runtime.xformers is not None, capability, new)


@pytest.mark.parametrize("kind", sorted(RUNTIMES))
def test_attention_is_chosen_alike_for_every_subset_and_title(kind: str) -> None:
    runtime = RUNTIMES[kind]
    for size in range(len(FLAGS) + 1):
        for some in combinations(FLAGS, size):
            parsed = parser.parse_args(list(some))
            for title in TITLES if size < 3 else ("Automatic",):
                saved = {attention.OPTION: title}
                assert effective(some, saved, runtime).attention == theirs.choose(host(runtime), parsed, title).key


@pytest.mark.slow
@given(
    st.lists(
        st.one_of(
            st.sampled_from(sorted(load("reference").flags)),
            st.sampled_from(["--precision=half", "--precision", "full", "half", "3", "--no-h", "--medv", "--opt-ch"]),
        ),
        max_size=7,
    )
)
@settings(max_examples=300, deadline=None)
def test_all_other_rules_agree(words: list[str]) -> None:
    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            parsed = parser.parse_args(words)
    except SystemExit:
        return  # the web UI would not start with these words
    mine = effective(words, {}, RUNTIMES["cuda"], load("reference"))
    try:
        said = numbers.choose(parsed, "cuda")
    except AssertionError:
        assert mine.precision == "half" and "fp32" in (mine.unet, mine.vae)
        return
    assert (mine.unet, mine.vae) == (said.unet, said.vae)
    full = parsed.no_half or parsed.precision == "full"
    assert mine.precision == ("full" if full else parsed.precision)
    assert mine.upcast == (parsed.upcast_sampling and not parsed.no_half)
    assert mine.channelslast == parsed.opt_channelslast
    assert mine.memory == ("lowvram" if parsed.lowvram else "medvram" if parsed.medvram else "none")
