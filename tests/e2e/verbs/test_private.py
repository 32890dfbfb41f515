"""A password that stands in a launch file in many spellings: nothing that autotune says or leaves shows it."""

from __future__ import annotations

import os
import shlex
import sys

import pytest

from autotune.cli.main import run
from tests.e2e.verbs.conftest import Bench

SECRET = "pl4nted-Secret"
SH = f"""#!/bin/bash
# set COMMANDLINE_ARGS=--api-auth me:{SECRET}
export HF_TOKEN="{SECRET}"
export MY_PASS={SECRET} CIVITAI_PAT='{SECRET}'
export HTTPS_PROXY=http://me:{SECRET}@proxy:3128/?token={SECRET}
export COMMANDLINE_ARGS="--skip-torch-cuda-test --api-auth me:{SECRET} --gradio-auth='you:{SECRET}' UNKNOWN"
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the launch file is a shell's")
def test_no_output_and_no_file_shows_a_password(
    bench: Bench, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every verb that reads the launch file, a start that fails by a flag with a secret, and what is left on disk."""
    for name in [name for name in os.environ if name.startswith(("AUTOTUNE_", "COMMANDLINE_"))]:
        monkeypatch.delenv(name)
    said: dict[str, str] = {}

    def verb(line: str) -> int:
        code = run(["--webui", str(bench.root), "--state-dir", str(bench.state), *shlex.split(line)])
        said[line] = "".join(capfd.readouterr())
        return code

    mine = SH.replace("UNKNOWN", f"--civitai-pat={SECRET} --cookie {SECRET}")
    bench.launch_file.write_text(mine)
    apply = "apply --flags=--opt-sdp-attention"
    for line in ("probe", "doctor", f"{apply} --dry-run", f"{apply} --no-start --yes", "status"):
        verb(line)
        verb(f"{line} --json")
    assert "***" in said[f"{apply} --no-start --yes"] and bench.launch_file.read_text() != mine
    assert verb("verify") == 4 and "--civitai-pat=***" in said["verify"]  # the web UI's parser quotes it
    verb("rollback")
    assert bench.launch_file.read_text() == mine
    verb("history")
    verb("history --json")
    verb("-v daemon --once")
    bench.launch_file.write_text(mine + 'source more.sh\n')
    verb(f"{apply} --json")
    assert len(said) == 16 and not [line for line, text in said.items() if SECRET in text or not text.strip()]
    copies = [path for path in bench.state.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    # What rollback puts back byte for byte is the owner's own file, readable for nobody else.
    assert copies and {path.name for path in copies} <= {"0.before", "0.after"}
    assert all(path.parent.parent.name == "checkpoints" for path in copies)
    assert all(path.stat().st_mode & 0o077 == 0 for path in copies)
