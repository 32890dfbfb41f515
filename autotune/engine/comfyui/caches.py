"""What nodes gave, kept by what went into them, in ComfyUI's four modes.

A key holds the node's class and values and those of everything before it, so the same part of another prompt has the
same key. ``ram`` drops results while less memory is free than its threshold; ``classic`` keeps the last prompt's,
``lru`` the last N results, ``none`` nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from autotune.engine import memory
from autotune.engine.comfyui import nodes
from autotune.engine.comfyui.choices import GIB
from autotune.engine.comfyui.validate import is_link
from autotune.engine.values import Json


@dataclass(frozen=True)
class Entry:
    """What a node gave: its outputs, and what it told the page."""

    outputs: tuple[Any, ...]
    ui: dict[str, Json] | None


class Never:
    """A value that equals nothing: what changes each time."""

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return False


class Keys:
    """The keys of one prompt's nodes."""

    def __init__(self, graph: Mapping[str, Json]) -> None:
        self.graph = graph
        self._changed: dict[str, Hashable] = {}

    def of(self, node_id: str) -> Hashable:
        """The key of a node: itself, then all before it in the order in which they are met."""
        order: dict[str, int] = {}
        self._walk(node_id, order)
        return tuple(self._own(one, order) for one in (node_id, *order))

    def _walk(self, node_id: str, order: dict[str, int]) -> None:
        for _name, value in sorted(_inputs(self.graph[node_id]).items()):
            if is_link(value) and value[0] not in order and value[0] in self.graph:
                order[value[0]] = len(order)
                self._walk(value[0], order)

    def _own(self, node_id: str, order: dict[str, int]) -> Hashable:
        node = self.graph[node_id]
        values = tuple((name, ("link", order.get(value[0], -1), value[1]) if is_link(value) else _hashable(value))
                       for name, value in sorted(_inputs(node).items()))
        return node["class_type"], self._change(node_id), values

    def _change(self, node_id: str) -> Hashable:
        """What the node's IS_CHANGED says, asked once a prompt."""
        if node_id not in self._changed:
            node = self.graph[node_id]
            asked = getattr(nodes.NODE_CLASS_MAPPINGS.get(node["class_type"]), "IS_CHANGED", None)
            plain = {name: value for name, value in _inputs(node).items() if not is_link(value)}
            try:
                answer = None if asked is None else _hashable(asked(**plain))
            except Exception:  # noqa: BLE001 - a node's own code; as in ComfyUI it then counts as changed
                answer = Never()
            always = isinstance(answer, float) and math.isnan(answer)
            self._changed[node_id] = Never() if always else answer
        return self._changed[node_id]


def _inputs(node: dict[str, Json]) -> dict[str, Json]:
    """A node's inputs; those of a node that no output needs were not checked, and may be missing."""
    found = node.get("inputs")
    return found if isinstance(found, dict) else {}


def _hashable(value: Json) -> Hashable:
    if isinstance(value, dict):
        return tuple(sorted((str(name), _hashable(one)) for name, one in value.items()))
    if isinstance(value, (list, tuple)):
        return tuple(_hashable(one) for one in value)
    return value if isinstance(value, Hashable) else Never()


class Cache:
    """The results of one process in one of the modes; ``kept`` as in `choices.Choices`.

    ``free``: bytes of memory that are free now.
    """

    def __init__(self, mode: str, kept: tuple[float, ...], free: Callable[[], int] | None = None) -> None:
        self.mode, self.kept = mode, kept
        self._free = free or (lambda: memory.free_bytes("cpu"))
        self._entries: dict[Hashable, Entry] = {}
        self._used: dict[Hashable, int] = {}
        self._generation = 0
        self._keys: dict[str, Hashable] = {}

    def begin(self, graph: Mapping[str, Json]) -> None:
        """A prompt begins: its keys are worked out, and the mode drops what it does not keep."""
        self._generation += 1
        keys = Keys(graph)
        self._keys = {node_id: keys.of(node_id) for node_id in graph}
        for key in self._keys.values():
            self._used[key] = self._generation
        if self.mode == "classic":
            self._drop(lambda key: self._used[key] != self._generation)
        elif self.mode == "lru":
            oldest = 0
            while len(self._entries) > self.kept[0] and oldest < self._generation:
                oldest += 1
                self._drop(lambda key: self._used[key] < oldest)  # noqa: B023 - called at once

    def get(self, node_id: str) -> Entry | None:
        """What the node gave when it last had these inputs."""
        return self._entries.get(self._keys[node_id])

    def put(self, node_id: str, entry: Entry) -> None:
        """Keeps what a node gave; then `ram` drops what memory is short for, oldest first."""
        if self.mode == "none":
            return
        self._entries[self._keys[node_id]] = entry
        if self.mode == "ram":
            active, inactive = (limit * GIB for limit in self.kept)
            self._release(inactive, lambda key: self._used[key] != self._generation)
            self._release(active, lambda _key: True)

    def clear(self) -> None:
        """Forgets everything."""
        self._entries.clear()

    def _release(self, limit: float, among: Callable[[Hashable], bool]) -> None:
        for key in sorted(filter(among, self._entries), key=lambda key: self._used[key]):
            if self._free() >= limit:
                return
            del self._entries[key]

    def _drop(self, unwanted: Callable[[Hashable], bool]) -> None:
        for key in [key for key in self._entries if unwanted(key)]:
            del self._entries[key]
