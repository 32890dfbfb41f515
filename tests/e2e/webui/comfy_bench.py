"""A reference ComfyUI among the packages of a Stability Matrix, and the program run on it as its user would."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.e2e import asked_once
from tests.e2e.verbs.conftest import Bench

ON_CPU = "--cpu"
"""Kept in every set: the engine computes on the CPU here."""
PROFILE = """\
name = "small"
[[workload]]
width = 64
height = 64
frames = 4
steps = 4
[search]
attention = ["pytorch", "split", "quad"]
channelslast = [false, true]
[decide]
min_gain = {min_gain}
precision = 0.5
[budget]
minutes = 4
"""


class ComfyBench(Bench):
    """One reference ComfyUI, whose flags stand in the settings of a Stability Matrix."""

    @property
    def launch_file(self) -> Path:
        """The settings that hold its flags."""
        return self.root.parent.parent / "settings.json"

    @property
    def profile(self) -> Path:
        """A search of six sets."""
        return self.profile_with(0.02)

    def profile_with(self, min_gain: float) -> Path:
        """A search of six sets that adopts one from this gain on."""
        path = self.folder / f"small-{min_gain}.toml"
        path.write_text(PROFILE.format(min_gain=min_gain))
        return path

    def give(self, words: str) -> None:
        """Sets its flags as its owner would in Stability Matrix, beside another package's."""
        names: list[list[Any]] = []
        for word in words.split():
            if word.startswith("-"):
                names.append([word, True])
            else:
                names[-1][1] = word
        options = [{"Name": name, "Type": "Bool" if value is True else "String", "OptionValue": value}
                   for name, value in names]
        other = {"Id": "1", "DisplayName": "A1111", "PackageName": "stable-diffusion-webui",
                 "LibraryPath": "Packages\\webui", "LaunchArgs": [{"Name": "--xformers", "Type": "Bool",
                                                                   "OptionValue": True}]}
        own = {"Id": "2", "DisplayName": "ComfyUI", "PackageName": "ComfyUI", "LibraryPath": "Packages\\ComfyUI",
               "LaunchCommand": "main.py", "LaunchArgs": options}
        settings = {"Version": 1, "Theme": "Dark", "InstalledPackages": [other, own]}
        self.launch_file.write_text(json.dumps(settings, indent=2, ensure_ascii=False), encoding="utf-8")


def make(folder: Path) -> ComfyBench:
    """Lays one out in ``folder``, with no flag but --cpu."""
    root = folder / "Stability Matrix アニメ" / "Packages" / "ComfyUI"
    subprocess.run([sys.executable, "-m", "autotune.engine", "create", str(root), "--flavour", "comfyui"],
                   check=True, capture_output=True)
    bench = ComfyBench(root, folder / "state", folder, program=asked_once.program())
    bench.give(ON_CPU)
    return bench
