"""Foreseeable faults: one line of cause, a hint, the documented exit code, nothing lost. No web UI is started."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from autotune.launchfile.lock import Lock, exclusively
from tests.e2e.verbs.conftest import Bench
from tests.waiting import wait_for


def error(bench: Bench, code: int, *words: str, faults: str = "") -> str:
    """Runs, expects that exit code, and returns the one-line cause."""
    before = bench.tree() if bench.root.is_dir() else ""
    document = bench.json(*words, code=code, faults=faults)
    assert document["kind"] == "error"
    assert document["code"] == code
    assert "\n" not in document["message"]
    assert document["hint"]
    plain = bench.run(*words, "-q", code=code, faults=faults)
    assert plain.stdout == ""
    assert document["message"] in plain.stderr
    assert (bench.tree() if bench.root.is_dir() else "") == before
    return str(document["message"])


def test_no_web_ui(bench: Bench, tmp_path: Path) -> None:
    bench.env["HOME"] = str(tmp_path / "nobody")
    words = [sys.executable, "-m", "autotune", "--state-dir", str(bench.state), "tune", "--json"]
    done = subprocess.run(words, env=bench.environment(), cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "no web UI found" in done.stderr
    assert "--webui" in done.stderr


def test_a_folder_that_is_not_one(bench: Bench) -> None:
    bench.root = bench.folder / "empty"
    bench.root.mkdir()
    assert "is no web UI" in error(bench, 3, "tune")


def test_a_folder_that_does_not_exist(bench: Bench) -> None:
    bench.root = bench.folder / "nowhere"
    assert "is not a folder" in error(bench, 3, "probe")


def test_missing_interpreter(bench: Bench) -> None:
    shutil.rmtree(bench.root / "venv")
    assert "interpreter" in error(bench, 3, "tune").lower()


def test_missing_extension(bench: Bench) -> None:
    shutil.rmtree(bench.root / "extensions" / "sd-webui-animatediff")
    assert "AnimateDiff" in error(bench, 3, "tune")


def test_missing_motion_module(bench: Bench) -> None:
    shutil.rmtree(bench.root / "extensions" / "sd-webui-animatediff" / "model")
    assert "motion module" in error(bench, 3, "tune")
    document = bench.json("probe")
    assert document["animatediff"]["motion_modules"] == []


def test_profile_with_a_typo(bench: Bench) -> None:
    profile = bench.profile
    profile.write_text(profile.read_text().replace("steps", "stpes"))
    assert error(bench, 2, "tune", "--profile", str(profile)).startswith(f"{profile}:6: ")


@pytest.mark.parametrize("words", [("tune", "--budget", "soon"), ("apply", "--yes", "--flags", "--listen")])
def test_wrong_words(bench: Bench, words: tuple[str, ...]) -> None:
    assert words[-1] in error(bench, 2, *words)


def test_another_autotune(bench: Bench) -> None:
    with Lock(bench.state / "lock"):
        assert str(os.getpid()) in error(bench, 6, "tune", "--profile", "tiny")


@pytest.mark.parametrize("words", [
    ("tune", "--profile", "tiny"), ("apply", "--flags", "--opt-sdp-attention", "--yes", "--no-start"),
    ("verify", "--no-start", "--measure"),
])
def test_another_autotune_with_another_state_folder(words: tuple[str, ...], bench: Bench) -> None:
    before = bench.launch_file.read_bytes()
    with exclusively(bench.folder / "another state" / "lock", bench.root):
        assert str(os.getpid()) in error(bench, 6, *words)
    assert bench.launch_file.read_bytes() == before


def test_applying_before_any_tune(bench: Bench) -> None:
    assert "no study is recorded" in error(bench, 3, "apply", "--yes")


def test_rolling_back_nothing(bench: Bench) -> None:
    assert "nothing" in error(bench, 3, "rollback")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX scripts")
def test_a_launch_file_that_cannot_be_edited_says_what_to_paste(bench: Bench) -> None:
    bench.launch_file.write_text('COMMANDLINE_ARGS=(--api)\nexport COMMANDLINE_ARGS\n')
    done = bench.run("apply", "--flags", "--opt-sdp-attention", "--yes", "--no-start", "-q", code=5)
    assert "--opt-sdp-attention" in done.stderr
    assert "Paste" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")
def test_a_read_only_launch_file(bench: Bench) -> None:
    bench.launch_file.chmod(0o444)
    assert "read-only" in error(bench, 5, "apply", "--flags", "--opt-sdp-attention", "--yes", "--no-start")


def test_records_that_cannot_be_written(bench: Bench) -> None:
    bench.state.write_text("not a folder")
    assert str(bench.state) in error(bench, 8, "tune", "--profile", "tiny")


@pytest.mark.parametrize("verb", ["apply", "verify"])
def test_the_web_ui_does_not_start(bench: Bench, verb: str) -> None:
    words = ("--flags", "--opt-sdp-attention", "--yes") if verb == "apply" else ()
    error(bench, 4, verb, *words, faults="start_crash")
    assert bench.json("status")["applied"] is None


def test_tune_when_the_web_ui_does_not_start(bench: Bench) -> None:
    words = ("tune", "--profile", str(bench.profile))
    message = error(bench, 4, *words, faults="start_crash")
    assert "current flags" in message and "told to crash at its start" in message
    hint = bench.json(*words, code=4, faults="start_crash")["hint"]
    kept = Path(hint.partition("its last words are in ")[2].rstrip(".")).read_text(encoding="utf-8")
    assert "Traceback" in kept and "--api-auth ***" in kept


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=900k", "tmpfs", str(folder)]
    if sys.platform != "linux" or subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_disk_that_fills_while_recording(bench: Bench, small_disk: Path) -> None:
    bench.state = small_disk / "state"
    words = ("tune", "--profile", "tiny", "--budget", "60s")
    running = bench.start(*words, "--json", "-q")
    assert wait_for(lambda: bench.samples() or running.poll() is not None, 120)
    with contextlib.suppress(OSError), (small_disk / "ballast").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(512))
    out, err = running.communicate(timeout=120)
    assert running.returncode == 8, err
    message = json.loads(out)["message"]
    assert "disk is full" in message or "No space left" in message
    kept = bench.samples()
    assert kept and not any(row["state"] == "failed" for row in kept)
    (small_disk / "ballast").unlink()
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    running = bench.start(*words)
    try:
        assert wait_for(lambda: len(bench.samples()) > len(kept) or running.poll() is not None, 120)
        assert bench.samples()[: len(kept)] == kept
    finally:
        running.terminate()
        running.communicate(timeout=120)
