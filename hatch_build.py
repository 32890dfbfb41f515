"""A step of the build: the catalogues of other languages are compiled, also for an editable install."""

from __future__ import annotations

import sys
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Catalogues(BuildHookInterface):  # type: ignore[type-arg]
    """Called by hatchling before it collects the files; pyproject.toml names what it made as artifacts."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compiles them where they lie."""
        sys.path.insert(0, self.root)
        try:
            from autotune.language.compile import compile_catalogues
        finally:
            sys.path.remove(self.root)
        compile_catalogues()
