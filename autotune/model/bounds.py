"""Types of stored numbers with their bounds: a value outside them was never measured, whoever wrote it."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

Seconds = Annotated[float, Meta(ge=0.0, le=1e8)]
"""A span of up to three years."""
ClipSeconds = Annotated[float, Meta(gt=0.0, le=1e8)]
"""Time of a clip: above zero, as its logarithm is taken."""
Count = Annotated[int, Meta(ge=0, le=10**9)]
Process = Annotated[int, Meta(ge=-1, le=10**9)]
"""Number of a process of a study; -1: none, the machine went down before one could be started again."""
Mebibytes = Annotated[float, Meta(ge=0.0, le=1e9)]
Joules = Annotated[float, Meta(ge=0.0, le=1e12)]
Similarity = Annotated[float, Meta(ge=-1.0, le=1.0001)]
Decibels = Annotated[float, Meta(ge=-1000.0, le=1000.0)]
Ratio = Annotated[float, Meta(gt=0.0, le=1e12)]
"""A quotient of two times."""
Difference = Annotated[float, Meta(ge=-1e9, le=1e9)]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
