"""What doctor says before a tune finds it out the hard way."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from autotune.install.idle import cpu_load
from autotune.install.inspection import Inspection
from autotune.install.launch_flags import LaunchFlags
from autotune.machine.weights import damage
from autotune.model.machine import Machine
from autotune.overview.doctor import _folder_name, free
from autotune.overview.doctor_machine import of_machine
from autotune.store.places import Places
from autotune.webui.a1111.flags.known_flags import load
from autotune.webui.face import Check
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
    ("GPU memory", {"memory_total": 4096.0}, True, "a memory-saving mode"),
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


@pytest.mark.slow
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
