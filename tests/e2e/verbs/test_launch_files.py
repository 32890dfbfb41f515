"""Launch files of every kind through the command line: bad ones, reset ones, those that live elsewhere."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autotune.store.places import Places
from autotune.store.studies import open_study
from tests.e2e.asked_once import PLAIN
from tests.e2e.verbs.conftest import Bench
from tests.e2e.verbs.test_faults import error, small_disk

__all__ = ["small_disk"]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX launch files")

SDP = ("apply", "--flags", "--opt-sdp-attention", "--yes", "--no-start")


def big(path: Path) -> None:
    path.write_bytes(b"#")
    os.truncate(path, 100 * 1024 * 1024)


def holding(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


BAD: tuple[tuple[str, Callable[[Path], object], int, str], ...] = (
    ("not UTF-8", holding(b'export COMMANDLINE_ARGS="--name \xff"\n'), 5, "not UTF-8"),
    ("NUL", holding(b'export COMMANDLINE_ARGS="--a\0"\n'), 5, "NUL"),
    ("a folder", lambda path: path.mkdir(), 3, "is a folder"),
    ("a dangling link", lambda path: path.symlink_to("/nowhere/at/all"), 3, "does not exist"),
    ("a link to itself", lambda path: path.symlink_to(path), 3, "cannot be read"),
    ("absent", lambda _: None, 3, "has no webui-user"),
    ("100 MB", big, 5, "no launch file is that big"),
    ("an open quote", holding(b'export COMMANDLINE_ARGS="--api\n'), 5, "without closing quote"),
    ("an open quote for shlex", holding(b"export COMMANDLINE_ARGS=\"--theme 'x\"\n"), 5, "never closed"),
    ("a choice that is none", holding(b'export COMMANDLINE_ARGS="--api --precision bogus"\n'), 5, "'bogus' is none of"),
    ("a number that is none", holding(b'export COMMANDLINE_ARGS="--port many"\n'), 5, "'many' is no whole number"),
    ("a value too many", holding(b'export COMMANDLINE_ARGS="--xformers=yes"\n'), 5, "takes no value"),
    ("a value too few", holding(b'export COMMANDLINE_ARGS="--port --api"\n'), 5, "lacks its value"),
    ("an array", holding(b"COMMANDLINE_ARGS=(--api)\n"), 5, "an array"),
)


def clear(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    path.unlink(missing_ok=True)


def test_bad_files_are_refused_in_one_line_and_left_alone(bench: Bench) -> None:
    for name, make, code, says in BAD:
        clear(bench.launch_file)
        make(bench.launch_file)
        assert says in error(bench, code, *SDP), name
    clear(bench.launch_file)


def test_a_pipe_holds_nothing_up(bench: Bench) -> None:
    clear(bench.launch_file)
    os.mkfifo(bench.launch_file)
    assert "not an ordinary file" in bench.json(*SDP, code=3)["message"]
    bench.json("status")
    bench.launch_file.unlink()


def test_a_full_disk(bench: Bench, small_disk: Path) -> None:
    """On every amount of room there is: applied, or refused with the file as it was, and then it works."""
    place, fill = small_disk / "webui-user.sh", small_disk / "fill"
    bench.launch_file.unlink()
    bench.launch_file.symlink_to(place)
    bench.state = small_disk / "state"
    old = b'export COMMANDLINE_ARGS="--api --xformers"\n' + b"# filler\n" * 1500
    ends = set()
    for kib in (0, 8, 24, 40, 48, 60, 100):
        shutil.rmtree(bench.state, ignore_errors=True)
        place.write_bytes(old)
        room = os.statvfs(small_disk)
        fill.write_bytes(b"x" * (room.f_bavail * room.f_bsize - kib * 1024))
        done = subprocess.run(bench.command(*SDP), env=bench.environment(), capture_output=True, text=True, check=False)
        ends.add(done.returncode)
        assert done.returncode in (0, 5), done.stderr
        assert (place.read_bytes() == old) == (done.returncode == 5)
        assert done.returncode == 0 or len(done.stderr.strip().split("\n")) == 2
        fill.unlink()
        bench.json(*SDP)
        bench.json("rollback")
        assert place.read_bytes() == old
        assert not [path for path in small_disk.iterdir() if "tmp" in path.name]
    assert ends == {0, 5}


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_a_reset_by_git_is_said(bench: Bench) -> None:
    def git(*words: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", *who, *words], cwd=bench.root, check=True, capture_output=True)

    git("init")
    git("add", "webui-user.sh")
    git("commit", "-m", "as shipped")
    bench.json(*SDP)
    assert "File:" not in bench.run("status").stdout
    git("checkout", "--", "webui-user.sh")
    status = bench.json("status")
    assert status["file_since_apply"] == "before" and "no longer holds" in status["drift"]
    assert "was put back since" in bench.run("status").stdout
    assert bench.json("verify", "--no-start", code=7)["file_since_apply"] == "before"
    assert "was put back since" in bench.run("verify", "--no-start", code=7).stdout
    assert any("put back" in note for note in bench.json(*SDP)["notes"])
    assert bench.json("status")["file_since_apply"] == "same"
    bench.json("rollback")
    git("diff", "--exit-code")


def test_an_edit_of_the_owner_is_shown_and_kept(bench: Bench) -> None:
    bench.give("--no-half-vae --theme dark")
    first = bench.json(*SDP)["checkpoint"]
    text = bench.launch_file.read_text()
    bench.launch_file.write_text(text.replace("--theme dark", "--theme light") + "# a line of theirs\n")
    assert bench.json("status")["file_since_apply"] == "edited"
    assert "was edited since" in bench.run("status").stdout
    edited = bench.launch_file.read_bytes()
    assert "changed by someone else" in error(bench, 5, "rollback")
    again = bench.json("apply", "--flags", "--opt-split-attention", "--yes", "--no-start")
    assert any("was edited since" in note for note in again["notes"])
    assert again["after"] == ["--opt-split-attention", "--theme", "light"]
    assert "# a line of theirs" in bench.launch_file.read_text()
    bench.json("rollback")
    assert bench.launch_file.read_bytes() == edited
    assert "no checkpoint" in error(bench, 3, "rollback", "--to", "99")
    bench.json("rollback", "--to", first, "--force")
    assert bench.launch_file.read_text().endswith('"--no-half-vae --theme dark"\n')


RECORDED = Path(__file__).parents[3] / "benchmarks" / "data" / "reference-sd15-h200-tune.json"


def study(bench: Bench, flags: list[str], dimensions: list[str]) -> None:
    """A tune that ended with this winner, as its records would have it: a recorded one with other flags."""
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))
    head, result = recorded["study"], recorded["result"]
    space, winner = head["space"], result["winner"]
    for name in dimensions:
        if all(one["name"] != name for one in space["dimensions"]):
            space["dimensions"].append({"name": name, "levels": ["none", "other"], "live": False})
            for candidate in space["candidates"]:
                candidate["levels"].append([name, "none"])
    for candidate in space["candidates"]:
        if candidate["flags"]["words"] == winner["flags"]:
            candidate["flags"] = {"words": flags, "settings": []}
    winner["flags"] = flags
    result.update(fingerprint=bench.json("probe")["fingerprint"], launches=0, clips=0)
    head.pop("imported", None)
    made = open_study(Places(bench.state).studies(bench.root), "k1", head, False)
    made.save_document(result)


def test_what_the_tune_searched_may_be_edited(bench: Bench) -> None:
    """A profile that searches memory modes and precision: the owner's own give way to the winner's."""
    bench.give("--api --medvram --precision full --no-half")
    before = bench.launch_file.read_bytes()
    study(bench, ["--opt-sdp-attention", "--lowvram"], ["attention", "memory", "precision"])
    done = bench.json("apply", "--yes", "--no-start")
    assert "--lowvram" in done["after"] and "--medvram" not in done["after"] and "--precision" not in done["after"]
    assert bench.json("status")["drift"] is None
    assert {row["flag"]: row["in_file"] for row in bench.json("verify", "--no-start")["flags"]} == {
        "--opt-sdp-attention": True, "--lowvram": True}
    bench.json("rollback")
    assert bench.launch_file.read_bytes() == before


@pytest.fixture
def matrix(bench: Bench) -> Iterator[Path]:
    """The install as a package of Stability Matrix; its settings.json."""
    root = bench.folder / "Data" / "Packages" / "webui"
    root.parent.mkdir(parents=True)
    bench.root.rename(root)
    bench.root = root
    place = bench.folder / "Data" / "settings.json"
    options = [{"Name": "--api", "Type": "Bool", "OptionValue": True},
               {"Name": "--no-half-vae", "Type": "Bool", "OptionValue": True},
               {"Name": "--api-auth", "Type": "String", "OptionValue": "me:hunter2"}]
    packages = [{"PackageName": "stable-diffusion-webui", "LibraryPath": "Packages\\webui", "LaunchArgs": options}]
    place.write_text(json.dumps({"InstalledPackages": packages, "Theme": "Dark"}, indent=2))
    yield place


def test_stability_matrix(bench: Bench, matrix: Path) -> None:
    before = matrix.read_bytes()
    found = bench.json("status")
    assert found["file"] == str(matrix) and found["install"]["host"] == "stability-matrix"
    assert found["flags_now"] == ["--api", "--no-half-vae", "--api-auth", "***"]
    done = bench.json(*SDP[:-1])
    assert done["verified"] is True and done["file"] == str(matrix)
    names = [one["Name"] for one in json.loads(matrix.read_text())["InstalledPackages"][0]["LaunchArgs"]]
    assert names == ["--api", "--opt-sdp-attention", "--api-auth"]
    assert "hunter2" not in json.dumps(done)
    assert bench.json("verify")["ok"]
    bench.json("rollback")
    assert matrix.read_bytes() == before


@pytest.mark.skipif(not Path("/bin/sleep").exists(), reason="needs a program to rename")
def test_stability_matrix_while_it_runs(bench: Bench, matrix: Path) -> None:
    before = matrix.read_bytes()
    program = bench.folder / "StabilityMatrix"
    shutil.copy("/bin/sleep", program)
    running = subprocess.Popen([program, "600"])
    try:
        assert f"Stability Matrix runs (pid {running.pid})" in error(bench, 6, *SDP)
        assert matrix.read_bytes() == before
    finally:
        running.kill()
        running.wait()


@pytest.mark.parametrize(("files", "kind", "says"), [
    ({"installer.py": ""}, "sdnext", "SD.Next"),
    ({"modules_forge/forge_version.py": "version = 'f2.0.1v1.10.1'", "backend/args.py": ""}, "forge2", "Forge 2"),
])
def test_installs_that_are_not_managed_say_so(
    bench: Bench, files: dict[str, str], kind: str, says: str
) -> None:
    (bench.root / "reference-webui.json").unlink()
    for name, text in files.items():
        (bench.root / name).parent.mkdir(parents=True, exist_ok=True)
        (bench.root / name).write_text(text)
    assert bench.json("status")["install"]["kind"] == kind
    assert says in error(bench, 5, *SDP)
    assert bench.json("probe")["webui"]["manageable"] is False


def test_status_where_flags_live_elsewhere(bench: Bench) -> None:
    (bench.root / "reference-webui.json").unlink()
    (bench.root / "installer.py").write_text("")
    said = bench.run("status").stdout
    assert "not managed: SD.Next keeps" in said and "flags go here" in said
    (bench.root / "installer.py").unlink()
    bench.env["CLI_ARGS"] = "--xformers"
    status = bench.json("status")
    assert status["install"]["host"] == "docker" and "CLI_ARGS" in status["install"]["where_flags_go"]
    assert "CLI_ARGS" in error(bench, 5, *SDP)
    del bench.env["CLI_ARGS"]
    (bench.root.parent / "pinokio.js").write_text("")
    assert bench.json("status")["install"]["host"] == "pinokio"
    assert bench.json(*SDP)["changed"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which("setpriv") is None,
                    reason="only root can run as another user")
def test_as_another_user(bench: Bench) -> None:
    closed = bench.folder / "closed"
    closed.mkdir(mode=0o700)
    bench.program = PLAIN
    words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *bench.command("status")]
    words[words.index(str(bench.root))] = str(closed / "webui")
    done = subprocess.run(words, env=bench.environment(), capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 3 and "Traceback" not in done.stderr
    assert len(done.stderr.strip().split("\n")) == 2, done.stderr


def test_memory_and_precision_flags_are_edited_when_they_are_asked_for_by_name(bench: Bench) -> None:
    """A search leaves them alone unless a profile names them; the owner may ask for them, and for one only."""
    bench.give("--api --lowvram --theme dark")
    before = bench.launch_file.read_bytes()
    asked = ("--flags", "--medvram --opt-sdp-attention", "--yes", "--no-start")
    assert bench.json("apply", *asked)["after"] == ["--api", "--opt-sdp-attention", "--medvram", "--theme", "dark"]
    bench.json("rollback")
    assert bench.launch_file.read_bytes() == before
    half = bench.json("apply", "--flags", "--precision half", "--yes", "--no-start")
    assert half["after"] == ["--api", "--lowvram", "--theme", "dark", "--precision", "half"]
    told = bench.json("apply", "--flags", "--theme light", "--yes", code=2)
    assert "--medvram" in told["hint"]
