"""Every failure class of the contract, produced by the reference web UI in a whole tune, on purpose and for real."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import psutil
import pytest

from autotune.model.api import ApiProblem
from autotune.model.study import Failure
from autotune.webui.a1111.client import Client
from tests.e2e.verbs.conftest import Bench

PROFILE = """\
name = "faults"
[[workload]]
width = 64
height = 64
frames = 4
steps = {steps}
[search]
attention = {attention}
channelslast = [false, true]
no_half_vae = {no_half_vae}
[decide]
min_gain = 0.95
[budget]
minutes = 4
"""

IMPATIENT = ("from autotune.tune import time_limits; time_limits.LEAST_LIMIT = 9.0; time_limits.LOADING = 0.0; "
             "from autotune.cli.main import main; main()")
"""The program with shorter limits for a hang than a real web UI needs; nothing else differs."""


def profile(bench: Bench, attention: list[str], no_half_vae: str, steps: int = 1) -> str:
    path = bench.folder / "faults.toml"
    names = "[" + ", ".join(f'"{name}"' for name in attention) + "]"
    path.write_text(PROFILE.format(attention=names, no_half_vae=no_half_vae, steps=steps))
    return str(path)


def labels(document: dict[str, Any]) -> dict[str, set[str]]:
    """Failure classes and the sets they were seen in, by attention and the words that need a start."""
    found: dict[str, set[str]] = {}
    for row in document["trials"]:
        if row["failure"]:
            own = {word for word in row["flags"] if word in ("--opt-channelslast", "--no-half-vae")}
            found.setdefault(row["failure"], set()).update(own or {row["effective"]["attention"]})
            assert row["detail"]
    return found


def never_in_the_verdict(document: dict[str, Any], samples: list[dict[str, Any]]) -> None:
    """Nothing of the verdict's sides comes from a failed clip."""
    failed = {row["candidate"] for row in samples if row["state"] == "failed" and row["failure"] != "interrupted"}
    for side in filter(None, (document["baseline"], document["winner"], document["challenger"])):
        same = [row for row in document["trials"] if row["effective"] == side["effective"]]
        assert not any(row["failure"] not in (None, "interrupted") for row in same), side
    good = [row for row in samples if row["state"] == "ok"]
    assert good and not failed & {row["candidate"] for row in good}
    assert all("seconds" not in row for row in samples if row["state"] == "failed")
    assert document["image"]["valid"]


ALL_FAIL = {
    "oom": ("oom:*@sdp", "sdp"), "not_animated": ("stills:*@sdp-no-mem", "sdp-no-mem"),
    "cuda_error": ("cuda_error:*@doggettx", "doggettx"), "crash": ("crash:*@sub-quad", "sub-quad"),
    "nan": ("nan:*@v1", "v1"), "invalid_output": ("black:*@none", "none"),
    "startup": ("start_crash@--opt-channelslast", "--opt-channelslast"),
    "bad_flag": ("unknown_flag@--no-half-vae", "--no-half-vae"),
}

BESIDE = {
    "spilled": ("spill:*@sdp", "sdp"), "hang": ("hang:*@v1", "v1"), "port": (None, "--opt-channelslast"),
    "interrupted": (None, "doggettx"),
}
"""Class → the fault that makes it (None: another program does) and the set it is bound to."""


def test_eight_classes_in_one_tune_in_which_every_other_set_fails(bench: Bench) -> None:
    (bench.root / "config.json").write_text("{ broken")
    before = bench.tree()
    words = profile(bench, ["sdp", "sdp-no-mem", "split", "sub-quad", "v1", "invokeai", "none"], "[false, true]")
    faults = ",".join(fault for fault, _ in ALL_FAIL.values())
    document = bench.json("tune", "--profile", words, "--strategy", "exhaustive", faults=faults)
    found = labels(document)
    assert found.keys() == ALL_FAIL.keys()
    assert all(where in found[name] for name, (_, where) in ALL_FAIL.items()), found
    assert document["decision"] == "keep" and "none of the 6 other sets" in document["reason"]
    assert document["winner"] == document["baseline"]
    assert document["warnings"] == ["config.json cannot be read; started with defaults"]
    never_in_the_verdict(document, bench.samples())
    assert bench.json("replay")["same_as_recorded"] is True
    assert bench.tree() == before


LEAK = """
import os, sys, threading
def write():
    for name in ("params.txt", "styles.csv", "ui-config.json", "config.json", "cache.json", "leak.bin",
                 "extensions/other/state.json", "extensions/sd-webui-animatediff/seen.db", "outputs/day/leak.png"):
        os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
        with open(name, "a") as file:
            file.write("{leak}")
if any(word.endswith("launch.py") for word in sys.orig_argv):
    threading.Timer(0.3, write).start()  # as an extension: once the interpreter is up
"""

ANSWERS = {
    "sdp": ("garbage", "not JSON"), "sdp-no-mem": ("html", "502 Bad Gateway"), "doggettx": ("redirect", "redirect"),
    "sub-quad": ("half", "broke"), "v1": ("huge", "larger than 16 MiB"),
}
"""Attention → what its answers are, and what the trial then says."""


def test_answers_that_are_none_and_an_extension_that_writes_all_over_the_install(bench: Bench) -> None:
    bench.give("--opt-split-attention-invokeai")
    site = next(bench.root.glob("venv/**/site-packages"))
    (site / "leak.py").write_text(LEAK, encoding="utf-8")
    (site / "leak.pth").write_text("import leak\n", encoding="utf-8")
    (bench.root / "styles.csv").write_text("name,prompt\n", encoding="utf-8")
    (bench.root / "cache.json").write_text("{}", encoding="utf-8")
    before = bench.tree(without=("cache.json",))
    words = profile(bench, ["sdp", "sdp-no-mem", "split", "sub-quad", "v1"], "[false]")
    faults = ",".join(f"{fault}:*@{attention}" for attention, (fault, _) in ANSWERS.items())
    document = bench.json("tune", "--profile", words, "--strategy", "exhaustive", faults=faults)
    found = {row["effective"]["attention"]: row for row in document["trials"] if row["failure"]}
    for attention, (_, says) in ANSWERS.items():
        assert found[attention]["failure"] == "invalid_output" and says in found[attention]["detail"], found[attention]
    assert document["decision"] == "keep" and document["baseline"]["samples"]
    assert (bench.root / "cache.json").read_text(encoding="utf-8") != "{}"  # the web UI's own: it did write
    assert bench.tree(without=("cache.json",)) == before
    aside = bench.state / "runs" / "aside"
    assert list(aside.iterdir())
    assert all((run / "outputs/day/leak.png").read_text(encoding="utf-8") == "{leak}" for run in aside.iterdir())
    warned = [line for line in document["warnings"] if "wrote into its folder" in line]
    assert len(warned) == 1 and "config.json" in warned[0] and str(aside) in warned[0]
    shutil.rmtree(aside)


@dataclass(frozen=True)
class Running:
    """A trial server as any other program of this user can see it."""

    pid: int
    words: tuple[str, ...]

    def value(self, flag: str) -> str:
        return self.words[self.words.index(flag) + 1]


def trial_server(root: Path) -> Running | None:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ValueError):
            if str(root / "launch.py") in process.cmdline():
                words = tuple(shlex.split(process.environ().get("COMMANDLINE_ARGS", "")))
                if "--port" in words and "--api-auth" in words:
                    return Running(process.pid, words)
    return None


@contextmanager
def meanwhile(act: Callable[[threading.Event], None]) -> Iterator[None]:
    """Somebody else, at work while the block runs."""
    done = threading.Event()
    thread = threading.Thread(target=act, args=(done,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(20)
        assert not thread.is_alive()


def take_the_ports(root: Path, flag: str, times: int) -> Callable[[threading.Event], None]:
    """Listens on the port that a start with ``flag`` was given, before it can, for the first ``times`` starts."""

    def act(done: threading.Event) -> None:
        seen: set[int] = set()
        with contextlib.ExitStack() as held:
            while not done.wait(0.1) and len(seen) < times:
                one = trial_server(root)
                if one is not None and flag in one.words and one.pid not in seen:
                    held.enter_context(socket.create_server(("127.0.0.1", int(one.value("--port")))))
                    seen.add(one.pid)
            done.wait()

    return act


def interrupt_jobs(bench: Bench, attention: str) -> Callable[[threading.Event], None]:
    """Posts /interrupt while a clip of that attention is rendered, until one clip was recorded as interrupted."""

    def act(done: threading.Event) -> None:
        while not done.wait(0.2) and not any(row.get("failure") == "interrupted" for row in bench.samples()):
            one = trial_server(bench.root)
            if one is None:
                continue
            name, _, password = one.value("--api-auth").partition(":")
            client = Client(f"http://127.0.0.1:{one.value('--port')}", (name, password))
            with contextlib.suppress(ApiProblem):
                while not done.wait(0.02) and client.options(1.0)["cross_attention_optimization"] == attention:
                    if client.job(1.0).busy:
                        client.interrupt(1.0)
                        break

    return act


def test_four_classes_that_need_time_or_somebody_else(bench: Bench) -> None:
    before = bench.tree()
    words = profile(bench, ["sdp", "sub-quad", "v1", "split", "invokeai"], "[false]", steps=4)
    bench.program = ("-c", IMPATIENT)
    faults = ",".join(fault for fault, _ in BESIDE.values() if fault) + ",slow:*@sub-quad"
    thief = take_the_ports(bench.root, "--opt-channelslast", 3)
    with meanwhile(thief), meanwhile(interrupt_jobs(bench, "Doggettx")):
        document = bench.json("tune", "--profile", words, "--strategy", "exhaustive", faults=faults)
    found = labels(document)
    assert found.keys() == BESIDE.keys()
    assert all(found[name] == {where} for name, (_, where) in BESIDE.items()), found
    # What others did is no fault of a set: both are timed after all (on a busy machine perhaps given up as slow).
    good = [row for row in document["trials"] if row["state"] in ("ok", "too_slow")]
    assert any(row["effective"]["attention"] == "doggettx" for row in good)
    assert any("--opt-channelslast" in row["flags"] for row in good)
    assert document["decision"] == "keep"
    # A set that is far slower is given up before its clip ends; that is no failure, and costs no start.
    slow = [row for row in bench.samples() if row["state"] == "too_slow" and "attention=sub-quad " in row["candidate"]]
    assert slow and all("times the best" in row["detail"] and row["seconds"] <= row["cost"] for row in slow)
    rows = [row for row in document["trials"] if row["effective"]["attention"] == "sub-quad"]
    assert {(row["state"], row["failure"]) for row in rows} == {("too_slow", None)}
    never_in_the_verdict(document, bench.samples())
    assert bench.json("replay")["same_as_recorded"] is True
    assert bench.tree() == before


def test_no_class_is_left_out() -> None:
    # A machine that goes down takes the tune with it: tests/verbs/test_machine_down.py.
    assert sorted([*ALL_FAIL, *BESIDE, "machine_down"]) == sorted(get_args(Failure))


@pytest.mark.parametrize(("faults", "failure"), [
    ("oom:*", "oom"), ("crash:*", "crash"), ("unknown_flag@--opt-sub-quad-attention", "bad_flag"),
])
def test_current_flags_that_fail_end_with_exit_4(bench: Bench, faults: str, failure: str) -> None:
    # Slow beyond doubt, by how its attention is cut up: a flag that only a cold start has is seen in confirmation.
    bench.give("--opt-sub-quad-attention --sub-quad-q-chunk-size 4 --sub-quad-kv-chunk-size 8 "
               "--sub-quad-chunk-threshold 0")
    document = bench.json("tune", "--profile", str(bench.profile), faults=faults, code=4)
    assert failure in document["message"] and document["hint"]
