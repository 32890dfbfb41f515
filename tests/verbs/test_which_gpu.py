"""Which card a web UI renders on."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from autotune.install import which_gpu as cards
from autotune.webui.a1111.webui import WEBUI
from tests.flags.machines import gpu, machine


@pytest.mark.parametrize(
    ("kept", "index"),
    [((), 0), (("--api",), 0), (("--device-id", "1"), 1), (("--device-id=2", "--api"), 2), (("--device-id",), 0)],
)
def test_which_card(kept: tuple[str, ...], index: int) -> None:
    assert cards.index(WEBUI.device_of(kept)) == index


TWO = tuple(replace(gpu(24576.0), index=number, uuid=f"GPU-{number}aaa-bbbb") for number in range(2))


@pytest.mark.parametrize(("visible", "kept", "index"), [
    ("1", (), 1), ("1,0", ("--device-id", "1"), 0), (" 1 , 0 ", (), 1), ("GPU-1aaa", (), 1), ("GPU-9", (), 0),
    ("", (), 0), ("-1", (), 0), ("1,7,0", ("--device-id", "1"), 1), ("0", ("--device-id", "5"), 5),
])
def test_which_card_of_those_left_visible(visible: str, kept: tuple[str, ...], index: int) -> None:
    assert cards.index(WEBUI.device_of(kept), visible, TWO) == index


@pytest.mark.skipif(sys.platform == "win32", reason="bash evaluates the file")
def test_the_start_script_tells_which_cards_are_visible(tmp_path: Path) -> None:
    file = tmp_path / "webui-user.sh"
    file.write_text("export CUDA_VISIBLE_DEVICES=1\n", encoding="utf-8")
    usual = machine()
    found = replace(usual, gpus=TWO, webui=replace(usual.webui, root=tmp_path, launch_file=file))
    assert cards.of_machine(found) == 1
    assert cards.of_machine(replace(found, gpus=TWO[:1])) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="bash files")
@pytest.mark.parametrize(("text", "index"), [
    ("export CUDA_VISIBLE_DEVICES=1\n", 1),
    ('CARDS="1,0"\nexport CUDA_VISIBLE_DEVICES="$CARDS"\n', 1),
    ("for one in 0 1; do export CUDA_VISIBLE_DEVICES=$one; done\n", 1),  # bash in the sandbox says it
    ("CUDA_VISIBLE_DEVICES=1\nunset CUDA_VISIBLE_DEVICES\n", 0),
    ("exec ./webui.sh --listen\nexport CUDA_VISIBLE_DEVICES=1\n", 0),
])
def test_the_card_is_read_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, index: int) -> None:
    """With two cards the launch file chooses; none of its commands runs to find that out."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    ran = tmp_path / "RAN"
    (tmp_path / "webui.sh").write_text(f"#!/bin/bash\ntouch '{ran}'\n")
    (tmp_path / "webui.sh").chmod(0o755)
    file = tmp_path / "webui-user.sh"
    usual = machine()
    both = (gpu(24576.0), replace(gpu(24576.0), index=1, uuid="GPU-1"))
    seen = replace(usual, gpus=both, webui=replace(usual.webui, root=tmp_path, launch_file=file))
    file.write_text(f"#!/bin/bash\ntouch '{ran}'\n{text}")
    assert cards.of_machine(seen) == index
    assert not ran.exists()
