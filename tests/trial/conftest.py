"""What the tests of every start share."""

from __future__ import annotations

from tests.trial import sockets

sockets.heed()
