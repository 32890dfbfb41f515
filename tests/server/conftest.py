"""What the tests of every start share."""

from __future__ import annotations

from tests.server import sockets

sockets.heed()
