"""What a start reads of its files, in one shell and in order; bash is the judge."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from autotune.webui.a1111 import layout
from autotune.webui.a1111.start_variables import read_start

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="bash files")
STOCK = """#!/bin/bash
export install_dir="$HOME"
export COMMANDLINE_ARGS="--skip-torch-cuda-test --upcast-sampling --no-half-vae --use-cpu interrogate"
export PYTORCH_ENABLE_MPS_FALLBACK=1
if [[ "$(sysctl -n machdep.cpu.brand_string)" =~ ^.*"Intel".*$ ]]; then
    export TORCH_COMMAND="pip install torch==2.1.2"
else
    export TORCH_COMMAND="pip install torch==2.3.1"
fi
"""
"""webui-macos-env.sh as A1111 ships it, shortened."""
OWNERS = (
    "#!/bin/bash\n",
    'export COMMANDLINE_ARGS="--medvram"\n',
    'export COMMANDLINE_ARGS="$COMMANDLINE_ARGS --medvram"\n',
    'COMMANDLINE_ARGS+=" --medvram"\nvenv_dir="$install_dir/sd venv"\n',
    "unset PYTORCH_ENABLE_MPS_FALLBACK\nvenv_dir=~/other\n",
    'if [ -n "$PYTORCH_ENABLE_MPS_FALLBACK" ]; then venv_dir=x; COMMANDLINE_ARGS="$COMMANDLINE_ARGS --api"; fi\n',
)
NAMES = ("COMMANDLINE_ARGS", "PYTORCH_ENABLE_MPS_FALLBACK", "venv_dir", "install_dir")


@pytest.mark.parametrize("first", [STOCK, "export install_dir=/x\n", "export COMMANDLINE_ARGS=--lowvram\nvenv_dir=y\n"])
@pytest.mark.parametrize("second", OWNERS)
def test_macos_reads_two_files_in_one_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str, second: str
) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "webui-macos-env.sh").write_text(first)
    (tmp_path / "webui-user.sh").write_text(second)
    start = read_start(tmp_path, tmp_path / "webui-user.sh", platform="darwin")
    judge = ". ./webui-macos-env.sh 2> /dev/null; . ./webui-user.sh; " + "".join(
        f'printf "%s\\0" "${{{name}-(unset)}}"; ' for name in NAMES)
    said = subprocess.run(["bash", "-c", judge], cwd=tmp_path, capture_output=True, text=True, check=True,
                          env={**os.environ}).stdout.split("\0")
    for name, value in zip(NAMES, said, strict=False):
        found = start.variable(name)
        assert not found.certain or found.text == (None if value == "(unset)" else value), name
        assert found.certain or "$PYTORCH" in second, name


def test_what_one_of_two_files_leaves_open_is_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COMMANDLINE_ARGS", raising=False)
    for name in ("launch.py", "modules/cmd_args.py", "webui-user.sh"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "webui-macos-env.sh").write_text('[ -f launch.py ] && export COMMANDLINE_ARGS="--no-half"\n')
    found = layout.recognise(tmp_path, "darwin", {})
    assert layout.in_effect(tmp_path, found, {}).uncertain
    (tmp_path / "webui-user.sh").write_text('export COMMANDLINE_ARGS="$COMMANDLINE_ARGS --medvram"\n')
    assert layout.in_effect(tmp_path, found, {}).uncertain
    (tmp_path / "webui-user.sh").write_text('export COMMANDLINE_ARGS="--medvram"\n')
    assert layout.in_effect(tmp_path, found, {}).uncertain == ()
