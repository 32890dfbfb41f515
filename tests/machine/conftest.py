"""Fixtures of the probe's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import nvml_fake


@pytest.fixture(scope="session")
def built_nvml(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fake library; skips where it cannot be built."""
    try:
        return nvml_fake.build(tmp_path_factory.mktemp("nvml")).library
    except nvml_fake.NoCompiler as fault:
        pytest.skip(str(fault))


@pytest.fixture
def fake(built_nvml: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> nvml_fake.Fake:
    """Two fake GPUs, seen by the real pynvml of this process and of its children."""
    made = nvml_fake.Fake(built_nvml, tmp_path / "nvml-state.txt")
    for name, value in made.environment().items():
        monkeypatch.setenv(name, value)
    made.load()
    return made
