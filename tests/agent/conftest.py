"""Fixtures: an install to watch."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import reference
from tests.agent.process import CONFIG


@pytest.fixture
def webui(tmp_path: Path) -> Path:
    """An install with a configuration beside it: the agent watches and does not tune unasked."""
    (tmp_path / "config.toml").write_text(CONFIG)
    return reference.copy(tmp_path / "webui")
