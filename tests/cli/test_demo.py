"""What the demo lays out for its imaginary user is read as that user's own."""

from __future__ import annotations

from pathlib import Path

from autotune.cli.demo import OWNED_WORDS, PLACES, give_package
from autotune.webui import recognise
from tests.webui.comfyui.installs import comfyui


def test_a_package_of_stability_matrix_with_its_flags(tmp_path: Path) -> None:
    root = comfyui(tmp_path / PLACES["comfyui"])
    file = give_package(root, OWNED_WORDS["comfyui"])
    kind = recognise.face_of(root)
    layout = kind.layout(root)
    assert (file.parent.name, layout.launch_files, layout.manageable) == ("Data", (file,), True)
    assert kind.read(root, layout).words == tuple(OWNED_WORDS["comfyui"].split())
