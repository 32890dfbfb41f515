"""Settings that override flags while the owner's web UI runs: changed through its API, and back."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from autotune.launchfile.checkpoints import Checkpoints
from autotune.launchfile.options import RunningOptions
from autotune.launchfile.records import FileChange
from autotune.webui.a1111.options import holder_of
from tests.e2e.engine.live import Live, body, serving
from tests.e2e.verbs.conftest import Bench
from tests.launchfile.faults import KillLayer, in_child
from tests.waiting import wait_for

ATTENTION, BATCH = "cross_attention_optimization", "batch_cond_uncond"
V1 = "V1 - original v1"
APPLY = ("apply", "--flags", "--opt-sdp-attention", "--yes", "--no-start")
PAIR = ("ada", "hunter2")


@pytest.fixture
def overriding(bench: Bench) -> Bench:
    """An install whose config.json, saved by its web UI, overrides every attention flag."""
    bench.give("--no-half-vae")
    with owner(bench) as live:
        assert live.post("options", {ATTENTION: V1}).status_code == 200
    assert saved(bench)[ATTENTION] == V1
    return bench


@contextmanager
def owner(bench: Bench, *words: str, auth: tuple[str, str] | None = None) -> Iterator[Live]:
    """The owner's own web UI, started from its folder; it is gone at the end."""
    with serving(bench.root, bench.folder / "owner.log", *words, auth=auth) as live:
        yield live


def config(bench: Bench) -> Path:
    return bench.root / "config.json"


def saved(bench: Bench) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(config(bench).read_bytes())
    return found


def held(live: Live, key: str = ATTENTION) -> object:
    return live.get("options").json()[key]


def test_up_and_up(overriding: Bench) -> None:
    before, script = config(overriding).read_bytes(), overriding.launch_file.read_bytes()
    with owner(overriding) as live:
        live.wait_for_log("Applying attention optimization: V1")
        assert "second one" in refused(overriding, *APPLY[:-1])[0]
        done = overriding.json(*APPLY)
        assert done["verified"] is None
        assert any("next start" in note for note in done["notes"])
        assert done["settings"] == {ATTENTION: "Automatic"}
        assert f"-{ATTENTION}: {V1}\n+{ATTENTION}: Automatic" in done["diff"]
        assert held(live) == "Automatic" == saved(overriding)[ATTENTION]
        assert live.log().count("Applying attention optimization") == 2, "in effect at once"
        undone = overriding.json("rollback")
        assert "next start" in undone["message"]
        assert f"-{ATTENTION}: Automatic\n+{ATTENTION}: {V1}" in undone["diff"]
        assert held(live) == V1
        assert overriding.json("status")["applied"] is None
    assert config(overriding).read_bytes() == before
    assert overriding.launch_file.read_bytes() == script


def test_up_then_down(overriding: Bench) -> None:
    before = config(overriding).read_bytes()
    with owner(overriding):
        assert overriding.json(*APPLY)["changed"]
    assert saved(overriding)[ATTENTION] == "Automatic"
    overriding.json("rollback")
    assert config(overriding).read_bytes() == before


def test_down_then_up(overriding: Bench) -> None:
    before = config(overriding).read_bytes()
    overriding.json(*APPLY)
    with owner(overriding) as live:
        assert held(live) == "Automatic"
        overriding.json("rollback")
        assert held(live) == V1
        live.post("options", {"samples_save": True})  # whatever it saves next, the old value is in it
    assert config(overriding).read_bytes() == before


def test_a_later_choice_of_the_owner_stays(overriding: Bench) -> None:
    with owner(overriding) as live:
        overriding.json(*APPLY)
        live.post("options", {ATTENTION: "InvokeAI"})
        undone = overriding.json("rollback")
        assert any(ATTENTION in note and "stays" in note for note in undone["notes"])
        assert held(live) == "InvokeAI"


def test_back_over_several_applies(overriding: Bench) -> None:
    with owner(overriding) as live:
        first = overriding.json(*APPLY)["checkpoint"]
        live.post("options", {ATTENTION: "InvokeAI"})
        overriding.json("apply", "--flags", "--opt-split-attention-v1", "--yes", "--no-start")
        assert held(live) == "Automatic"
        overriding.json("rollback", "--to", first)
        assert held(live) == "InvokeAI", "what its owner chose in between is not ours to undo"
    assert overriding.launch_file.read_text().endswith('COMMANDLINE_ARGS="--no-half-vae"\n')


def test_with_credentials_of_its_command_line(overriding: Bench) -> None:
    with owner(overriding, auth=PAIR) as live:
        done = overriding.run(*APPLY)
        assert held(live) == "Automatic"
        asked = overriding.run("verify", code=7)
        assert "was started without it" in asked.stdout
        overriding.run("rollback")
        assert held(live) == V1
    assert PAIR[1] not in done.stdout + done.stderr + asked.stdout + asked.stderr
    for path in overriding.state.rglob("*"):
        assert not path.is_file() or PAIR[1].encode() not in path.read_bytes(), path


def refused(bench: Bench, *words: str) -> tuple[str, str]:
    """Runs a verb that must end with 6 and change nothing. Its cause and its hint."""
    before = bench.tree()
    document = bench.json(*words, code=6)
    assert bench.tree() == before
    assert "\n" not in document["message"]
    return document["message"], document["hint"]


def test_with_credentials_that_are_not_known(overriding: Bench) -> None:
    script = overriding.root / "launch.py"
    text = script.read_text()
    script.write_text(f"import sys\nsys.argv += ['--api-auth', '{':'.join(PAIR)}']\n{text}")
    with owner(overriding) as live:
        live.auth = PAIR
        message, hint = refused(overriding, *APPLY)
        assert "credentials" in message and "Close it" in hint and PAIR[1] not in message + hint
        assert held(live) == V1
        dry = overriding.json(*APPLY, "--dry-run")
        assert dry["settings"] == {ATTENTION: "Automatic"}
    script.write_text(text)
    assert overriding.json(*APPLY)["changed"]


def test_without_its_api(overriding: Bench) -> None:
    overriding.json(*APPLY)
    before = saved(overriding)
    script = overriding.root / "launch.py"
    text = script.read_text()
    script.write_text(f"import sys\nsys.argv.remove('--api')\n{text}")
    with owner(overriding):
        message, hint = refused(overriding, "rollback")
        assert "without --api" in message and "Close it" in hint
    assert saved(overriding) == before
    overriding.json("rollback")
    assert saved(overriding)[ATTENTION] == V1


def test_a_web_ui_that_does_not_take_it(overriding: Bench) -> None:
    with owner(overriding, "--freeze-settings") as live:
        message, _ = refused(overriding, *APPLY)
        assert "did not take" in message
        assert held(live) == V1
    assert overriding.json("status")["applied"] is None


def test_a_web_ui_that_is_at_work(overriding: Bench) -> None:
    with owner(overriding) as live:
        work = threading.Thread(target=live.post, args=("txt2img", body(frames=8, size=128, steps=150)), daemon=True)
        work.start()
        assert wait_for(lambda: live.get("progress?skip_current_image=true").json()["state"]["job"], 30)
        message, hint = refused(overriding, *APPLY)
        assert "job" in message and "done" in hint
        live.post("interrupt", {})
        work.join(60)
        assert held(live) == V1


def test_two_web_uis_of_one_install(overriding: Bench) -> None:
    with owner(overriding), serving(overriding.root, overriding.folder / "second.log"):
        message, hint = refused(overriding, *APPLY)
        assert "2 web UIs" in message and "but one" in hint


def test_another_settings_file_is_another_matter(overriding: Bench) -> None:
    other = overriding.folder / "other.json"
    other.write_bytes(config(overriding).read_bytes())
    with owner(overriding, "--ui-settings-file", str(other)) as live:
        overriding.json(*APPLY)
        assert saved(overriding)[ATTENTION] == "Automatic"
        assert held(live) == V1


class Mortal:
    """The options of a running web UI; the process dies before or after its change number ``at``."""

    def __init__(self, inner: RunningOptions, at: KillLayer) -> None:
        self.inner, self.at = inner, at
        self.values, self.default = inner.values, inner.default

    def set(self, wanted: dict[str, Any]) -> None:
        self.at._step(lambda: self.inner.set(wanted))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork to kill a process for real")
@pytest.mark.parametrize("verb", ["apply", "rollback"])
def test_killed_everywhere(overriding: Bench, verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Kill -9 before and after every effect, the API call among them: settings and file end on one side."""
    script, place = overriding.launch_file, config(overriding).resolve()
    old = script.read_bytes()
    keys = {ATTENTION: (V1, "Automatic"), BATCH: (True, False)}
    changes = [FileChange(script, old, b"new\n"), FileChange(place, None, None, keys, live=True)]
    find = holder_of(overriding.root)
    kills = 0

    def act(folder: Path, layer: KillLayer) -> None:
        store = Checkpoints(folder, layer, lambda path: Mortal(find(path), layer))  # type: ignore[arg-type, return-value]
        store.rollback() if verb == "rollback" else store.apply(changes)

    def sides(live: Live) -> set[str]:
        answer = live.get("options").json()
        found = {"old" if script.read_bytes() == old else "new"}
        for key, pair in keys.items():
            assert answer[key] == saved(overriding)[key]
            found.add(("old", "new")[pair.index(answer[key])])
        return found

    with owner(overriding) as live:
        for when in ("before", "after"):
            for at in range(200):
                folder = overriding.folder / f"{when}{at}"
                store = Checkpoints(folder, running=find)
                if verb == "rollback":
                    store.apply(changes)
                if in_child(partial(act, folder, KillLayer(at, when))):
                    store.rollback() if verb == "apply" else None
                    break
                kills += 1
                store.recover()
                assert len(sides(live)) == 1 and store.recover() == ()
                if store.current():
                    store.rollback()
                assert sides(live) == {"old"}
            else:
                raise AssertionError("no end of steps")
    with capsys.disabled():
        print(f"\n[{verb} with a running web UI: killed at {kills} points]", end="")
    assert kills > 40


@pytest.mark.parametrize("back", ["up", "down"])
def test_killed_with_the_api_call_done(overriding: Bench, back: str) -> None:
    """The web UI was asked, then we died; the next command puts it right, whether the web UI still runs or not."""
    find = holder_of(overriding.root)
    keys = {ATTENTION: (V1, "Automatic")}
    before = config(overriding).read_bytes()
    store = Checkpoints(checkpoints_of(overriding))
    with owner(overriding) as live:
        begun = Checkpoints(store.folder, running=find)
        begun.begin([FileChange(config(overriding), None, None, keys, live=True)])
        assert held(live) == "Automatic"
        if back == "up":
            assert overriding.json("status")["applied"] is None
            assert held(live) == V1
    if back == "down":
        assert overriding.json("status")["applied"] is None
    assert config(overriding).read_bytes() == before


def checkpoints_of(bench: Bench) -> Path:
    """The folder of this install's checkpoints."""
    from autotune.store.places import Places

    return Places(bench.state).checkpoints(bench.root)
