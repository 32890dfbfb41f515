"""Tells who listens at the websocket how far the node that runs has come."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from autotune.engine.values import Json

Send = Callable[[str, dict[str, Json]], None]


class Progress:
    """The nodes of one prompt that have begun, with how far each is."""

    def __init__(self, prompt_id: str, send: Send) -> None:
        self.prompt_id, self.send = prompt_id, send
        self.nodes: dict[str, dict[str, Json]] = {}
        self.running = ""

    def start(self, node: str) -> None:
        """A node begins."""
        self.running = node
        self._set(node, 0.0, 1.0, "running")
        self.send("executing", {"node": node, "display_node": node, "prompt_id": self.prompt_id})

    def step(self, value: int, most: int) -> None:
        """The node that runs has done ``value`` of ``most`` steps."""
        self._set(self.running, value, most, "running")
        self.send("progress", {"value": value, "max": most, "prompt_id": self.prompt_id, "node": self.running})

    def finish(self, node: str) -> None:
        """A node is done."""
        most = self.nodes[node]["max"] if node in self.nodes else 1
        self._set(node, most, most, "finished")

    def _set(self, node: str, value: float, most: float, state: str) -> None:
        self.nodes[node] = {"value": value, "max": most, "state": state, "node_id": node, "prompt_id": self.prompt_id,
                            "display_node_id": node, "parent_node_id": None, "real_node_id": node}
        self.send("progress_state", {"prompt_id": self.prompt_id, "nodes": dict(self.nodes)})


_current: Sequence[Progress] = ()


def begin(one: Progress) -> None:
    """The prompt that `tell` speaks of."""
    global _current  # noqa: PLW0603 - one prompt runs at a time
    _current = (one,)


def tell(value: int, most: int) -> None:
    """How many steps the node that runs has done."""
    for one in _current:
        one.step(value, most)
