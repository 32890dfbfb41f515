"""Random applies, owner's edits and rollbacks: not one byte that the owner wrote is ever lost."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from random import Random

import pytest

from autotune.launchfile import config_json
from autotune.launchfile.checkpoints import Checkpoints
from autotune.launchfile.records import FileChange, digest
from autotune.model.errors import NothingToWorkOn, Refused
from tests.launchfile.faults import FastLayer, old_and_new
from tests.system import fewer

pytestmark = pytest.mark.slow

LONG = os.environ.get("AUTOTUNE_LONG") == "1"


class Run:
    """One sequence, with everything the owner ever wrote remembered by hash."""

    def __init__(self, root: Path, random: Random) -> None:
        self.random = random
        self.file, self.config = root / "webui-user.sh", root / "config.json"
        self.checkpoints = Checkpoints(root / "state", FastLayer())
        self.stack: list[tuple[str, bytes, bytes]] = []
        self.owner(self._fresh())
        self.config.write_bytes(b'{\n    "a": 1,\n    "batch_cond_uncond": true\n}')
        self.number = 0

    def _fresh(self) -> bytes:
        return bytes(self.random.choices(range(1, 256), k=self.random.randint(0, 40)))

    def owner(self, data: bytes) -> None:
        """The owner writes the file."""
        self.file.write_bytes(data)
        self.theirs = data

    def apply(self) -> None:
        before = self.file.read_bytes()
        after = before + b"#" + self._fresh()
        options = self.config.read_bytes()
        wanted = {"batch_cond_uncond": self.random.random() < 0.5, "tuned": self.random.randint(0, 3)}
        keys = old_and_new(options, wanted)
        tuned = config_json.edit(options, wanted)
        changes = [FileChange(self.file, before, after), FileChange(self.config, options, tuned, keys)]
        made = self.checkpoints.apply(changes, {"n": self.number})
        self.stack = [(i, a, b) for i, a, b in self.stack if i not in made.undoes]
        self.stack.append((made.id, before, after))
        assert [c.id for c in self.checkpoints.applied()] == [i for i, _, _ in self.stack]
        assert self.checkpoints.saved_bytes(made, self.file, "before") == before
        assert self.checkpoints.changed_since(self.file) == "same"

    def rollback(self) -> None:
        now = self.file.read_bytes()
        if not self.stack:
            try:
                self.checkpoints.rollback()
            except NothingToWorkOn:
                return
            raise AssertionError("rolled back nothing")
        at = self.random.randrange(len(self.stack)) if self.random.random() < 0.3 else len(self.stack) - 1
        to = None if at == len(self.stack) - 1 else self.stack[at][0]
        try:
            self.checkpoints.rollback(to)
        except Refused:
            assert self.file.read_bytes() == now
            expected = now
            for _, before, after in reversed(self.stack[at:]):
                if expected not in (before, after):
                    return
                expected = before
            raise AssertionError("refused without a reason") from None
        assert self.file.read_bytes() == self.stack[at][1]
        del self.stack[at:]

    def reset(self) -> None:
        """Someone puts back the file from before the last apply, as git does."""
        if self.stack:
            self.file.write_bytes(self.stack[-1][1])
            assert self.checkpoints.changed_since(self.file) in ("before", "same")

    def rewrite_config(self) -> None:
        """The web UI saves its options anew."""
        options = config_json.values(self.config.read_bytes())
        options["saved"] = self.random.randint(0, 9)
        self.config.write_text(json.dumps(options))

    def step(self) -> None:
        self.number += 1
        kind = self.random.random()
        before = self.file.read_bytes()
        if kind < 0.35:
            self.apply()
        elif kind < 0.55:
            self.owner(before + self._fresh() if self.random.random() < 0.7 else self._fresh())
        elif kind < 0.85:
            self.rollback()
        elif kind < 0.92:
            self.rewrite_config()
        else:
            self.reset()
        assert self.checkpoints.recover() == ()
        if kind < 0.35 or 0.55 <= kind < 0.85:  # what a command of ours replaced can be had again
            kept = {f.before for c in self.checkpoints.entries() for f in c.files}
            kept |= {f.after for c in self.checkpoints.entries() for f in c.files}
            assert digest(before) in kept or self.file.read_bytes() == before


def sequences(home: Path, number: int, seed: int) -> None:
    """Run that many sequences of six steps each."""
    for i in range(number):
        run = Run(_folder(home / str(i)), Random(seed * 1_000_003 + i))
        for _ in range(6):
            run.step()
        shutil.rmtree(home / str(i))


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


@pytest.mark.timeout(1200)
def test_no_byte_is_lost(quick_path: Path) -> None:
    sequences(quick_path, 10_000 if LONG else fewer(400), 11)
