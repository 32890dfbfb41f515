"""Which attention class is in effect: flags, option, device."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterable

import pytest

from autotune.engine import cmd_args
from autotune.engine.attention import CLASSES, NONE, Host, available, choose

CPU, MPS = Host("cpu"), Host("mps")
CUDA = Host("cuda", xformers=True, capability=(8, 6))
BARE = Host("cuda", capability=(8, 6))
RTX50 = Host("cuda", xformers=True, capability=(12, 0))

FLAGS = {kind.key: "--" + kind.flag.replace("_", "-") for kind in (*CLASSES, NONE)}
ORDER = {  # A1111's order of preference among classes whose flag was given
    "cuda": ["xformers", "doggettx", "sdp-no-mem", "sdp", "sub-quad", "v1", "invokeai"],
    "bare": ["doggettx", "sdp-no-mem", "sdp", "sub-quad", "v1", "invokeai"],
    "cpu": ["invokeai", "doggettx", "sdp-no-mem", "sdp", "sub-quad", "v1"],
    "mps": ["sub-quad", "doggettx", "sdp-no-mem", "sdp", "v1", "invokeai"],
}


def flags(keys: Iterable[str], *more: str) -> argparse.Namespace:
    return cmd_args.parser.parse_args([*(FLAGS[k] for k in keys), *more])


HOSTS = [(CUDA, "cuda"), (BARE, "bare"), (RTX50, "bare"), (CPU, "cpu"), (MPS, "mps")]


@pytest.mark.parametrize(("host", "order"), HOSTS)
def test_all_subsets_of_flags(host: Host, order: str) -> None:
    """All 256 subsets of the eight flags: one class each, by priority; the default is the first of the order."""
    outcomes = set()
    for given in itertools.chain.from_iterable(itertools.combinations(FLAGS, n) for n in range(len(FLAGS) + 1)):
        if "none" in given:
            expected = "none"
        else:
            first = [key for key in ORDER[order] if key in given]
            default = [key for key in ORDER[order] if key != "xformers"]
            expected = (first or default)[0]
        found = choose(host, flags(given), "Automatic").key
        assert found == expected, given
        outcomes.add(found)
    assert len(outcomes) == len(ORDER[order]) + 1


def test_the_articles_pair_is_sdp_no_mem() -> None:
    assert choose(CUDA, flags(["sdp", "sdp-no-mem"]), "Automatic").key == "sdp-no-mem"


@pytest.mark.parametrize("host", [CUDA, BARE, CPU, MPS, RTX50])
def test_the_option_beats_every_flag(host: Host) -> None:
    for kind in available(host, flags(["xformers"])):
        for given in (["none"], ["doggettx"], ["v1", "sdp"], []):
            assert choose(host, flags(["xformers", *given]), kind.title).key == kind.key


def test_none_and_wrong_titles() -> None:
    assert choose(CUDA, flags(["sdp"]), "None") is NONE
    # A title that nobody has: the default, whatever the flags say.
    assert choose(BARE, flags(["sdp"]), "bogus").key == "doggettx"
    assert choose(BARE, flags(["sdp", "none"]), "sdp").key == "doggettx"
    assert choose(CPU, flags(["v1"]), "xformers").key == "invokeai"


def test_xformers_needs_flag_gpu_and_capability() -> None:
    def has(host: Host, *words: str) -> bool:
        return "xformers" in {k.key for k in available(host, cmd_args.parser.parse_args(list(words)))}

    assert has(CUDA, "--xformers")
    assert not has(CUDA)
    assert not has(BARE, "--xformers")
    assert not has(RTX50, "--xformers")
    assert has(RTX50, "--force-enable-xformers")
    assert not has(Host("cpu", xformers=True), "--xformers")


def test_titles_are_a1111s() -> None:
    assert {k.key: k.title for k in CLASSES} == {
        "xformers": "xformers", "doggettx": "Doggettx", "sub-quad": "sub-quadratic", "v1": "V1 - original v1",
        "sdp-no-mem": "sdp-no-mem - scaled dot product without memory efficient attention",
        "sdp": "sdp - scaled dot product", "invokeai": "InvokeAI"}
