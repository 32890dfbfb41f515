"""The queue of prompts and the history of those done; each call holds the lock."""

from __future__ import annotations

import copy
import heapq
import threading
from collections.abc import Callable
from typing import NamedTuple

from autotune.engine.comfyui.executor import Outcome
from autotune.engine.comfyui.runtime import Runtime
from autotune.engine.values import Json

MOST = 10000
"""Prompts that the history holds."""


class Item(NamedTuple):
    """A prompt in the queue. ``number`` orders it; ``outputs``: the nodes that it is executed for."""

    number: float
    prompt_id: str
    graph: dict[str, Json]
    extra: dict[str, Json]
    outputs: list[str]

    def __lt__(self, other: tuple[object, ...]) -> bool:
        return (self.number, self.prompt_id) < (float(str(other[0])), str(other[1]))


class PromptQueue:
    """``changed`` is called whenever something comes or goes."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._lock = threading.RLock()
        self._filled = threading.Condition(self._lock)
        self._waiting: list[Item] = []
        self._running: list[Item] = []
        self._history: dict[str, Json] = {}
        self._flags: dict[str, Json] = {}

    def put(self, item: Item) -> None:
        """A prompt joins."""
        with self._lock:
            heapq.heappush(self._waiting, item)
            self._changed()
            self._filled.notify()

    def get(self, timeout: float) -> Item | None:
        """The next prompt, which then counts as running; None after ``timeout`` seconds, or when a flag was set."""
        with self._filled:
            if not self._waiting and not self._flags:
                self._filled.wait(timeout)
            if not self._waiting:
                return None
            item = heapq.heappop(self._waiting)
            self._running.append(copy.deepcopy(item))
            self._changed()
            return item

    def done(self, item: Item, outcome: Outcome) -> None:
        """A prompt ended: it moves to the history."""
        with self._lock:
            self._running = [one for one in self._running if one.prompt_id != item.prompt_id]
            while len(self._history) > MOST:
                del self._history[next(iter(self._history))]
            status = {"status_str": "success" if outcome.success else "error", "completed": outcome.success,
                      "messages": outcome.messages}
            self._history[item.prompt_id] = {"prompt": list(item), "outputs": outcome.outputs, "status": status,
                                             "meta": outcome.meta}
            self._changed()

    def state(self) -> tuple[list[Item], list[Item]]:
        """The prompts that run and those that wait."""
        with self._lock:
            return list(self._running), sorted(self._waiting)

    def remaining(self) -> int:
        """How many run or wait."""
        with self._lock:
            return len(self._running) + len(self._waiting)

    def clear(self) -> None:
        """Forgets those that wait."""
        with self._lock:
            self._waiting.clear()
            self._changed()

    def delete(self, prompt_id: str) -> bool:
        """Forgets one that waits; returns whether it did."""
        with self._lock:
            kept = [item for item in self._waiting if item.prompt_id != prompt_id]
            found = len(kept) < len(self._waiting)
            self._waiting = kept
            heapq.heapify(self._waiting)
            self._changed()
            return found

    def interrupt(self, prompt_id: str) -> bool:
        """Asks a prompt to end if it is the one that runs; returns whether it is."""
        with self._lock:
            found = any(item.prompt_id == prompt_id for item in self._running)
            if found:
                Runtime.current.interrupted.set()
            return found

    def history(self, prompt_id: str | None = None, most: int | None = None, offset: int = -1) -> dict[str, Json]:
        """Prompts that are done, oldest first: one, or ``most`` from ``offset`` on (-1: the newest)."""
        with self._lock:
            if prompt_id is not None:
                return {key: self._history[key] for key in (prompt_id,) if key in self._history}
            keys = list(self._history)
            if most is not None:
                begin = max(0, len(keys) - most) if offset < 0 else offset
                keys = keys[begin : begin + most]
            return {key: self._history[key] for key in keys}

    def clear_history(self) -> None:
        """Forgets all that is done."""
        with self._lock:
            self._history.clear()

    def delete_history(self, prompt_id: str) -> None:
        """Forgets one that is done."""
        with self._lock:
            self._history.pop(prompt_id, None)

    def set_flag(self, name: str, value: Json) -> None:
        """Asks the worker for something between prompts (unload_models, free_memory)."""
        with self._lock:
            self._flags[name] = value
            self._filled.notify()

    def take_flags(self) -> dict[str, Json]:
        """What was asked for since the last call."""
        with self._lock:
            flags, self._flags = self._flags, {}
            return flags
