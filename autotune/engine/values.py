"""Names for types that the type checker does not see: torch's, and JSON values."""

from __future__ import annotations

from typing import Any

Tensor = Any
Module = Any
Device = Any
DType = Any
Json = Any
