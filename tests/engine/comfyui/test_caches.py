"""What is kept of earlier prompts in each mode, against a plain model of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.engine.comfyui.caches import Cache, Entry, Keys
from autotune.engine.comfyui.choices import GIB
from tests.engine.comfyui.running import Graph, graph

SEEDS = st.lists(st.integers(0, 3), min_size=1, max_size=8)


def _play(cache: Cache, seeds: list[int]) -> list[set[str]]:
    """The nodes that are kept for each prompt of the smallest graph, whose seed alone changes."""
    found = []
    for seed in seeds:
        prompt = graph(seed=seed)
        cache.begin(prompt)
        found.append({node for node in prompt if cache.get(node) is not None})
        for node in prompt:
            if node not in found[-1]:
                cache.put(node, Entry((node,), None))
    return found


SEEDED = {"8", "9", "10"}
"""Nodes that depend on the seed."""


@given(SEEDS)
def test_classic_keeps_the_last_prompts_results(seeds: list[int]) -> None:
    for number, kept in enumerate(_play(Cache("classic", ()), seeds)):
        same = number > 0 and seeds[number - 1] == seeds[number]
        assert kept == (set() if not number else set(graph()) if same else set(graph()) - SEEDED)


@given(SEEDS)
def test_none_keeps_nothing(seeds: list[int]) -> None:
    assert _play(Cache("none", ()), seeds) == [set()] * len(seeds)


@given(SEEDS)
def test_ram_with_memory_to_spare_keeps_everything(seeds: list[int]) -> None:
    for number, kept in enumerate(_play(Cache("ram", (1, 8), lambda: 9 * GIB), seeds)):
        known = seeds[number] in seeds[:number]
        assert kept == (set() if not number else set(graph()) if known else set(graph()) - SEEDED)


@given(SEEDS)
def test_ram_below_the_second_threshold_keeps_the_last_prompts_results(seeds: list[int]) -> None:
    """As recorded: with less free than all of the machine's memory, seeds A, B, A compute three times."""
    for number, kept in enumerate(_play(Cache("ram", (1, 8), lambda: 7 * GIB), seeds)):
        same = number > 0 and seeds[number - 1] == seeds[number]
        again = number > 1 and kept == set(graph()) and not same
        assert not again
        assert kept >= (set() if not number else set(graph()) - SEEDED)


def test_ram_below_the_first_threshold_keeps_nothing_for_long() -> None:
    assert _play(Cache("ram", (1, 8), lambda: GIB // 2), [1, 1]) == [set(), set()]


@given(SEEDS, st.integers(1, 40))
def test_lru_keeps_what_was_used_last(seeds: list[int], most: int) -> None:
    cache = Cache("lru", (float(most),))
    for number, kept in enumerate(_play(cache, seeds)):
        known = seeds[number] in seeds[:number]
        assert kept <= (set(graph()) if known else set(graph()) - SEEDED)
        if known and most >= len(graph()) + len(SEEDED) * len(set(seeds)):
            assert kept == set(graph())


def test_lru_forgets_the_oldest_first() -> None:
    small, large = _play(Cache("lru", (10.0,)), [1, 2, 3, 1]), _play(Cache("lru", (40.0,)), [1, 2, 3, 1])
    assert "8" not in small[3]
    assert "8" in large[3]


@pytest.mark.parametrize(("node", "name", "value", "changed"), [
    ("8", "seed", 2, {"8", "9", "10"}), ("4", "width", 128, {"4", "8", "9", "10"}),
    ("10", "filename_prefix", "other", {"10"}), ("1", "ckpt_name", "other", {"1", "2", "3", "7", "8", "9", "10"}),
])
def test_a_key_holds_all_that_comes_before(node: str, name: str, value: Any, changed: set[str]) -> None:
    before, after = graph(), graph()
    after[node]["inputs"][name] = value
    keys, others = Keys(before), Keys(after)
    assert {one for one in before if keys.of(one) != others.of(one)} == changed


def test_the_same_part_under_other_numbers_has_the_same_key() -> None:
    renamed: Graph = {f"n{node}": {**told, "inputs": {
        name: [f"n{value[0]}", value[1]] if isinstance(value, list) else value
        for name, value in told["inputs"].items()}} for node, told in graph().items()}
    assert Keys(graph()).of("10") == Keys(renamed).of("n10")
