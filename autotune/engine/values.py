"""Names for torch's types, which the type checker does not see, and the settings of one engine process."""

from __future__ import annotations

from typing import Any

Tensor = Any
Module = Any
Device = Any
DType = Any
Json = Any
