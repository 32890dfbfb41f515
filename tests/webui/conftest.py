"""Fixtures of the tests of what is known of web UIs."""

from __future__ import annotations

from tests.machine.conftest import built_nvml, fake
from tests.trial import sockets

__all__ = ["built_nvml", "fake"]

sockets.heed()
