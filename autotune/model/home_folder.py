"""Home folders in paths."""

from __future__ import annotations

import os
from pathlib import Path

from autotune.model.windows_paths import without_prefix


def expand_home(path: Path | str) -> Path:
    """The path with ``~`` and ``~name`` replaced by home folders; an unknown name stays as it is written, as in a
    shell.

    On Windows without the prefix ``\\\\?\\``, which neither cmd.exe nor the Explorer takes.
    """
    path = without_prefix(str(path)) if os.name == "nt" else path
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path.expanduser raises RuntimeError for a name of nobody
