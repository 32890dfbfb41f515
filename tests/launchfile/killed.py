"""What test_kill.py kills: an install with a change, and the commands on it, by name so that a program can be told.

    python -m tests.launchfile.killed NAME FOLDER STEP WHEN      does it and dies at that step
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from autotune.launchfile import config_json
from autotune.launchfile.checkpoints import Checkpoints
from autotune.launchfile.files import FileLayer
from autotune.launchfile.records import FileChange
from tests.launchfile.faults import KILLED, KillLayer, in_child, old_and_new

OLD = b'export COMMANDLINE_ARGS="--xformers --api-auth me:secret"\n'
NEW = b'export COMMANDLINE_ARGS="--opt-sdp-attention --api-auth me:secret"\n'
OLD_JSON = b'{\n    "batch_cond_uncond": true,\n    "x": "\xc3\xa9"\n}'
WANTED = {"batch_cond_uncond": False, "cross_attention_optimization": "Automatic"}
NEW_JSON = config_json.edit(OLD_JSON, WANTED)


class Place:
    """An install with a launch file (two hard links) and a config.json, and a state folder beside it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.web = root / "webui"
        self.script, self.config = self.web / "webui-user.sh", self.web / "config.json"
        self.state = root / "state" / "checkpoints"

    def make(self) -> Place:
        self.web.mkdir(parents=True)
        self.script.write_bytes(OLD)
        self.script.chmod(0o750)
        os.link(self.script, self.web / "second-name.sh")
        self.config.write_bytes(OLD_JSON)
        return self

    def changes(self) -> list[FileChange]:
        keys = old_and_new(OLD_JSON, WANTED)
        return [FileChange(self.script, OLD, NEW), FileChange(self.config, OLD_JSON, NEW_JSON, keys)]

    def sides(self) -> set[str]:
        """old, new, for every file there is; anything else is a failure."""
        found = set()
        for path, old, new in ((self.script, OLD, NEW), (self.web / "second-name.sh", OLD, NEW),
                               (self.config, OLD_JSON, NEW_JSON)):
            data = path.read_bytes()
            assert data in (old, new), data
            found.add("old" if data == old else "new")
        return found

    def check_clean(self) -> None:
        """No temporary file is left, mode and links are as they were."""
        assert sorted(p.name for p in self.web.iterdir()) == ["config.json", "second-name.sh", "webui-user.sh"]
        assert os.name == "nt" or stat.S_IMODE(self.script.stat().st_mode) == 0o750
        assert self.script.stat().st_nlink == 2
        assert self.script.samefile(self.web / "second-name.sh")
        if self.state.exists():
            assert not [p for p in self.state.iterdir() if p.name.endswith(".new")]


def apply(place: Place, layer: FileLayer | None = None) -> None:
    """One apply, begun and finished."""
    Checkpoints(place.state, layer).apply(place.changes(), {"study": "s1"})


def roll_back(place: Place, layer: FileLayer | None = None) -> None:
    """The newest apply taken back."""
    Checkpoints(place.state, layer).rollback()


def abandon(place: Place, layer: FileLayer | None = None) -> None:
    """An apply that is never finished, as when the proving start fails."""
    checkpoints = Checkpoints(place.state, layer)
    checkpoints.abandon(checkpoints.begin(place.changes()))


def recover(place: Place, layer: FileLayer | None = None) -> None:
    """What every command does first."""
    Checkpoints(place.state, layer).recover()


Act = Callable[[Place, FileLayer | None], None]
ACTS: dict[str, Act] = {act.__name__: act for act in (apply, roll_back, abandon, recover)}


def came_to_its_end(act: Act, place: Place, at: int, when: str) -> bool:
    """Does it in a process that dies at that step; False if it died. On Windows, which has no fork, in a new Python."""
    if hasattr(os, "fork"):
        return in_child(partial(act, place, KillLayer(at, when)))
    words = [act.__name__, str(place.root), str(at), when]
    done = subprocess.run([sys.executable, "-m", "tests.launchfile.killed", *words], cwd=Path(__file__).parents[2],
                          capture_output=True, check=False)
    assert done.returncode in (0, KILLED), done.stderr
    return done.returncode == 0


if __name__ == "__main__":
    ACTS[sys.argv[1]](Place(Path(sys.argv[2])), KillLayer(int(sys.argv[3]), sys.argv[4]))
