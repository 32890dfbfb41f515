"""No credential leaves through a report: values of flags and variables that hold one are masked.

A diff shows lines of the owner's launch file and an error message may quote a command line; both can carry
``--api-auth user:password``, tokens or ``user:password@host`` addresses.
"""

from __future__ import annotations

from autotune.model import secrets

MASK = "•••"


def masked(text: str) -> str:
    """The text with every value that may be a credential replaced by a mask."""
    return secrets.masked(text, MASK)
