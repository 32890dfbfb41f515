"""Without a profile's name a ComfyUI is tuned by its own usual profile, told from the command line."""

from __future__ import annotations

import pytest

from autotune.workload import profile as profiles
from tests.e2e.verbs.conftest import Bench, bench
from tests.e2e.webui.test_workflows import comfy

__all__ = ["bench", "comfy"]


@pytest.mark.parametrize(("words", "name"), [((), "comfyui-default"), (("--profile", "tiny"), "tiny")])
def test_the_usual_profile_is_its_own(comfy: Bench, words: tuple[str, ...], name: str) -> None:
    document = comfy.json("tune", "--budget", "2s", *words)
    assert document["profile"] == profiles.to_json(profiles.load(name))
