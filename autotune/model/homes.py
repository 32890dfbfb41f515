"""Home folders in paths."""

from __future__ import annotations

import os
from pathlib import Path


def expanded(path: Path | str) -> Path:
    """The path with ``~`` and ``~name`` made home folders; a name of nobody stays as it is written, as in a shell."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path.expanduser raises RuntimeError for a name of nobody
