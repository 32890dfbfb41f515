"""The user is asked to close a real web UI of theirs, which is left alone."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import psutil
import pytest

from tests import nvml_fake
from tests.agent.process import CONFIG, command
from tests.agent.test_asking import ASK
from tests.agent.test_bad_input import told
from tests.e2e.agent.test_owner import of, owner


def test_a_real_web_ui_is_asked_about_and_left_alone(webui: Path) -> None:
    file = webui.parent / "config.toml"
    file.write_text(CONFIG.replace("first_tune = false", "first_tune = true") + 'webui_running = "ask"\n')
    try:
        fake = nvml_fake.build(webui.parent / "nvml", gpus=1)
    except nvml_fake.NoCompiler as reason:
        pytest.skip(str(reason))
    before = (webui / "config.json").read_bytes()
    with owner(webui):
        (theirs,) = [p for p in psutil.Process().children() if "launch.py" in p.cmdline()]
        for _ in range(2):
            done = subprocess.run(
                command(webui, "--once"), capture_output=True, text=True, check=False, timeout=60,
                env={**os.environ, **fake.environment()},
            )
            assert done.returncode == 0, done.stderr
        assert theirs.is_running()
        said = told(webui)
    log = (webui.parent / "state" / "daemon" / "agent.log").read_text()
    assert log.count(ASK) == 1
    assert "  asked:   please close your web UI; what is due begins then" in said
    assert "  waiting: your web UI is running and holds the GPU" in said
    assert (webui / "config.json").read_bytes() == before
    assert not of(webui)
