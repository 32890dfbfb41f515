"""What doctor says before a tune finds it out the hard way."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast, get_args

import pytest

from autotune.install.idle import cpu_load
from autotune.install.inspection import Inspection, inspect_install
from autotune.install.launch_flags import LaunchFlags
from autotune.machine.weights import damage
from autotune.model.failures import MEANINGS
from autotune.model.machine import Machine
from autotune.model.study import Failure
from autotune.overview.doctor import _folder_name, checks, free
from autotune.overview.doctor_machine import of_machine
from autotune.store.places import Places
from autotune.webui.a1111.flags.known_flags import load
from autotune.webui.a1111.webui_files import read_options
from autotune.webui.face import Check
from tests.e2e.verbs.conftest import Bench
from tests.flags.machines import CUDA, machine
from tests.trial import sockets
from tests.trial.own_webui import crowd, install, up


def test_a_system_that_does_not_count_its_load_is_asked_for_its_use_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def off() -> tuple[float, float, float]:
        raise RuntimeError("PdhAddEnglishCounterW failed. Performance counters may be disabled.")

    monkeypatch.setattr("psutil.getloadavg", off)
    used, text = cpu_load()
    said = f"other programs use {used:.0f} % of the CPU on {os.cpu_count()} cores"
    assert used <= 100.0 and text in (said, "the CPU's load is not told")


LOADED, BEFORE = "machine is free", "no other autotune"


def on_card(**changes: object) -> Machine:
    """A machine with one RTX 3090, 24 GiB, nearly empty."""
    usual = machine()
    return replace(usual, gpus=(replace(usual.gpus[0], **changes),))  # type: ignore[arg-type]


def named(found: list[Check], name: str) -> Check:
    (one,) = [check for check in found if check.name == name]
    return one


@pytest.mark.parametrize(("name", "changes", "ok", "says"), [
    ("GPU memory", {}, True, "23.5 of 24.0 GiB free"),
    ("GPU memory", {"memory_used": 21000.0}, False, "3.5 of 24.0 GiB free"),
    ("GPU memory", {"memory_total": 4096.0}, True, "--medvram"),
    ("GPU memory", {"memory_used": None}, True, "does not tell"),
    ("GPU memory", {"memory_untold": "nobody tells it"}, True, "GiB free; nobody tells it"),
    ("torch and driver", {}, True, "CUDA 12.1"),
    ("torch and driver", {"cuda_driver_version": "11.8"}, False, "goes up to CUDA 11.8"),
    ("torch and driver", {"cuda_driver_version": None}, True, "CUDA 12.1"),
])
def test_the_card(name: str, changes: dict[str, object], ok: bool, says: str) -> None:
    check = named(list(of_machine(on_card(**changes), 0, 20000.0)), name)
    assert check.ok is ok and says in check.detail and (ok or check.hint)


@pytest.mark.parametrize(("state", "root", "allowed", "wrong"), [
    ("s" * 100, "w" * 100, False, {}), ("s" * 200, "w" * 200, True, {}),
    ("s" * 200, "w" * 100, False, {"length of paths": False}), ("s" * 100, "w" * 200, False, {"length of paths": True}),
])
def test_paths_that_windows_would_not_open(
    monkeypatch: pytest.MonkeyPatch, state: str, root: str, allowed: bool, wrong: dict[str, bool]
) -> None:
    monkeypatch.setattr("autotune.disk.windows_attributes.long_paths", lambda: allowed)
    found = _folder_name(cast(Inspection, SimpleNamespace(root=Path(root))), Places(Path(state)))
    assert {one.name: one.ok for one in found} == wrong


def test_flags_that_this_version_refuses_and_main_memory() -> None:
    old = on_card()
    old = replace(old, webui=replace(old.webui, flags=("--xformers", "--precision=half"), lacks=("--precision",)))
    found = list(of_machine(old, 0, 900.0))
    assert not named(found, "flags").ok and "--precision" in named(found, "flags").detail
    assert not named(found, "main memory").ok
    assert named(list(of_machine(on_card(), 0, 900.0)), "flags").ok


def test_a_torch_without_cuda_beside_a_card_is_said() -> None:
    cpu = replace(on_card(), runtime=replace(CUDA, device="cpu"))
    found = list(of_machine(cpu, 0, 20000.0))
    assert "computes on the cpu" in named(found, "torch and driver").detail
    assert not any(one.name == "GPU memory" for one in found)


@pytest.mark.e2e
def test_every_failure_class_has_a_check_before_it_and_a_remedy_after_it(bench: Bench) -> None:
    document = in_any_case(bench)
    prevented = {name for row in document["checks"] for name in row["prevents"]}
    # Spilling needs a card; there is none here, and of_machine says it where there is one.
    assert prevented | {one for check in of_machine(on_card(), 0, 20000.0) for one in check.prevents} >= set(
        get_args(Failure)) - {"machine_down"}
    # Whoever runs the tests may use the machine meanwhile; that row is judged where its load is made.
    assert all(row["ok"] for row in document["checks"] if row["name"] != LOADED), document
    assert set(MEANINGS) == set(get_args(Failure))
    assert all(any(word in one.advice for word in ("try", "check", "close", "look", "mend", "run the command"))
               for one in MEANINGS.values())


def in_any_case(bench: Bench) -> dict[str, Any]:
    """The document of doctor, whatever it finds."""
    done = subprocess.run(bench.command("doctor", "--json"), env=bench.environment(), capture_output=True,
                          encoding="utf-8", timeout=120, check=False)
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@sockets.told
def test_where_the_cpu_is_measured_its_load_is_told(tmp_path: Path) -> None:
    """Other programs that take all of it are no job of the web UI, but the machine is not free."""
    root = install(tmp_path / "mine")
    here = machine()
    here = replace(here, gpus=(), runtime=replace(here.runtime, device="cpu"), webui=replace(here.webui, root=root))
    seen = Inspection(here, LaunchFlags(None, None, None, None), load("a1111", "1.10.1"))
    with crowd(2 * (os.cpu_count() or 1)), up(root, '{"status": 404}'):
        crowded = free(seen)
    assert not crowded.ok and "no job runs" in crowded.detail and " % of the CPU, load " in crowded.detail
    with up(root, '{"status": 404, "burn": true}'):
        assert "has a job running" in free(seen).detail
    with up(root, '{"port": false}'):
        unknown = free(seen)
    assert not unknown.ok and "may have a job running: it is starting" in unknown.detail and "Close it" in unknown.hint
    card = replace(seen, machine=replace(here, gpus=machine().gpus))
    with up(root, '{"status": 404}'):
        assert "holds GPU memory" in free(card).detail


def words(text: str) -> Callable[[Inspection], Inspection]:
    return lambda seen: replace(
        seen, machine=replace(seen.machine, webui=replace(seen.machine.webui, flags=tuple(text.split()))))


def cut(pattern: str, size: int) -> Callable[[Inspection], Inspection]:
    def act(seen: Inspection) -> Inspection:
        path = next(seen.root.glob(pattern))
        path.write_bytes(path.read_bytes()[:size])
        return seen

    return act


def unread(seen: Inspection) -> Inspection:
    warnings: list[str] = []
    read_options(cut("config.json", 1)(seen).root / "config.json", warnings)
    return replace(seen, machine=replace(seen.machine, warnings=tuple(warnings)))


CHECKPOINT, MODULE, PARSER = (
    "models/Stable-diffusion/*.safetensors", "extensions/*/model/*.safetensors", "modules/cmd_args.py")
BROKEN: dict[str, tuple[Callable[[Inspection], Inspection], str, str, bool]] = {
    "unknown flag": (words("--api --no-such-flag"), "command line", "--no-such-flag", False),
    "bad value": (words("--precision bogus"), "command line", "'bogus' is none of", False),
    "half": (words("--precision half --no-half-vae"), "command line", "stops the web UI", False),
    "an extension's flag": (words("--port 7860 --of-an-extension 3"), "command line", "nothing speaks against", True),
    "no parser": (cut(PARSER, 0), "command line", "is missing", False),
    "checkpoint cut off": (cut(CHECKPOINT, 100_000), "checkpoint", "broke off", False),
    "checkpoint empty": (cut(CHECKPOINT, 0), "checkpoint", "0 bytes", False),
    "module cut off": (cut(MODULE, 40), "motion module", "broke off", False),
    "settings": (unread, "saved settings", "cannot be read", False),
}


def cheap(seen: Inspection, places: Places) -> Iterator[Check]:
    """All checks but the last, which takes a second to look at the CPU."""
    for one in checks(seen, places):
        yield one
        if one.name == BEFORE:
            return


@pytest.mark.e2e
def test_broken_installs_one_after_another(bench: Bench) -> None:
    """One look at one install, broken and mended again for each case: looking costs a start of its interpreter."""
    preload = bench.root / "extensions" / "other" / "preload.py"
    preload.parent.mkdir()
    preload.write_text('def preload(parser):\n    parser.add_argument("--of-an-extension")\n')
    places = Places(bench.state)
    whole = inspect_install(bench.root, None, None, places)
    assert all(one.ok for one in cheap(whole, places))
    for name, (harm, check, says, ok) in BROKEN.items():
        kept = {path: path.read_bytes() for pattern in (CHECKPOINT, MODULE, PARSER, "config.json")
                for path in bench.root.glob(pattern)}
        found = [one for one in cheap(harm(whole), places) if one.name == check]
        assert [(one.ok, says in one.detail) for one in found] == [(ok, True)], (name, found)
        assert ok or (found[0].hint and found[0].prevents)
        for path, data in kept.items():
            path.write_bytes(data)
    bench.give("--disable-extra-extensions --no-such-flag")
    document = bench.json("doctor", code=3)
    mend = {row["name"]: row for row in document["checks"] if not row["ok"]}
    assert "--no-such-flag" in mend["command line"]["detail"] and "a flag" in mend["can be tuned"]["detail"]


@pytest.mark.parametrize(("name", "data", "says"), [
    ("a.ckpt", b"PK\x03\x04rest and more", "broke off"), ("a.ckpt", b"PK\x03\x04rest PK\x05\x06" + bytes(18), None),
    ("a.ckpt", b"PK\x03\x04" + bytes(90_000) + b"PK\x05\x06" + bytes(65_550), None),
    ("a.CKPT", b"PK\x03\x04" + bytes(90_000) + b"PK\x05\x06" + bytes(70_000), "broke off"),
    ("a.pt", b"\x80\x02rest and more", None), ("a.ckpt", b"<html>page</html>", "web page"),
    ("a.ckpt", b"text alone", "no torch checkpoint"), ("a.safetensors", b"<!DOCTYPE html><html>", "web page"),
    ("a.ckpt", b"", "0 bytes"),
    ("a.safetensors", b"", "0 bytes"), ("a.safetensors", b"Entry not found", "refused"),
    ("a.ckpt", bytes(600), "zeros"),
    ("a.safetensors", b'{"error": "login"}', "refused"),
    ("a.safetensors", b"\x80\x02rest and more", "torch checkpoint"),
    ("a.safetensors", b'{"' + bytes(6) + b"{}", "broke off"), ("a.ckpt", b"\x02" + bytes(7) + b"{}", "another name"),
    ("a.SafeTensors", b"\x02" + bytes(7) + b"{}", None), ("a.ckpt", b"\xef\xbb\xbf<?xml version", "web page"),
    ("a.ckpt", b"version https://git-lfs", "LFS"), ("a.safetensors", b"version https://git-lfs", "LFS"),
    ("a.safetensors", b"\xff" * 64, "broke off"), ("a.safetensors", b"\x02" + bytes(7) + b"[]", "no safetensors head"),
    ("a.safetensors", b"\x02" + bytes(7) + b"{}", None), ("a.safetensors", b"\x02" + bytes(7) + b"{[", "safetensors"),
])
def test_weights_files(tmp_path: Path, name: str, data: bytes, says: str | None) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    found = damage(path)
    assert (found is None) is (says is None) and (says or "") in (found or "")
    assert "cannot be read" in str(damage(tmp_path / "absent.safetensors"))
