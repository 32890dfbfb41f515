"""Asks ComfyUI's API."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

from autotune.model.api import Rendered
from autotune.model.workload import Workload
from autotune.webui.face import Reported, RunningJob, WebUIClient


class Client(WebUIClient):
    """One ComfyUI's API."""

    def __init__(self, base_url: str, auth: tuple[str, str] | None = None, *, verify: bool = True) -> None:
        self.base_url, self._auth, self._verify = base_url, auth, verify

    def answers(self, limit: float = 10.0) -> None:
        """."""
        raise NotImplementedError

    def still(self, limit: float = 60.0) -> None:
        """."""
        raise NotImplementedError

    def render(
        self, workload: Workload, seed: int, *, motion_module: str | None = None, limit: float = 600.0,
        cancel: threading.Event | None = None,
    ) -> Rendered:
        """."""
        raise NotImplementedError

    def job(self, limit: float = 5.0) -> RunningJob:
        """."""
        raise NotImplementedError

    def reported(self, attention: str | None = None) -> Reported:
        """."""
        raise NotImplementedError



def of_owner(address: str, words: Sequence[str] | None) -> Iterator[Client]:
    """."""
    raise NotImplementedError
