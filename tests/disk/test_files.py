"""Files of ours: whole, private, there after a power cut, and patient with programs that hold them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autotune.disk import files as disk
from autotune.model.errors import StateDamaged
from autotune.store import journal
from autotune.store.journal import Journal, load_json

posix = pytest.mark.skipif(os.name != "posix", reason="modes and signals")

WRITER = """
import sys
from pathlib import Path
from autotune.store.journal import Journal, write_whole
home = Path(sys.argv[1])
write_whole(home / "state" / "deep" / "file.json", "{}")
Journal(home / "state" / "log" / "journal.jsonl").append({"n": 1})
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is the judge")
def test_the_system_is_asked_to_keep_file_then_name_then_folder(tmp_path: Path) -> None:
    """strace judges: bytes are synced before the rename, the folder after it; so is each new folder and journal."""
    trace = tmp_path / "trace"
    words = ["strace", "-f", "-y", "-e", "trace=fsync,fdatasync,rename,renameat,renameat2,mkdir,mkdirat", "-o",
             str(trace), sys.executable, "-c", WRITER, str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    if "PTRACE" in done.stderr or "Operation not permitted" in done.stderr:
        pytest.skip("no tracing here")
    assert done.returncode == 0, done.stderr
    calls = [line.split(None, 1)[1] for line in trace.read_text().splitlines() if str(tmp_path) in line]
    deep, log = tmp_path / "state" / "deep", tmp_path / "state" / "log"

    def at(pattern: str, after: int = 0) -> int:
        return next(n for n, call in enumerate(calls) if n >= after and re.search(pattern, call))

    for folder in (tmp_path / "state", deep, log):
        made = at(rf'mkdir.*"{re.escape(str(folder))}", 0700')
        assert at(rf"fsync\(\d+<{re.escape(str(folder.parent))}>\)", made) > made
    synced = at(rf"fsync\(\d+<{re.escape(str(deep))}/\.file\.json\.\d+\.new>\)")
    renamed = at(r"rename.*file\.json", synced)
    assert at(rf"fsync\(\d+<{re.escape(str(deep))}>\)", renamed) > renamed
    line = at(rf"fsync\(\d+<{re.escape(str(log))}/journal\.jsonl>\)")
    assert at(rf"fsync\(\d+<{re.escape(str(log))}>\)") < line


@posix
def test_what_is_ours_is_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        journal.write_whole(tmp_path / "a" / "b" / "own.json", "{}")
        Journal(tmp_path / "a" / "c" / "journal.jsonl").append({"n": 1})
        journal.write_whole(tmp_path / "report.html", "x", private=False)
        (tmp_path / "given.html").write_text("old")
        (tmp_path / "given.html").chmod(0o640)
        journal.write_whole(tmp_path / "given.html", "new", private=False)
    finally:
        os.umask(before)
    for path in (tmp_path / "a").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
    assert (tmp_path / "report.html").stat().st_mode & 0o777 == 0o666
    assert (tmp_path / "given.html").stat().st_mode & 0o777 == 0o640


KILLED = """
import os, signal, sys
from pathlib import Path
from autotune.disk import files
step, seen = int(sys.argv[2]), 0
def hook(event, args):
    global seen
    if event in ("open", "os.rename", "os.mkdir", "os.remove") and sys.argv[1] in str(args[0]):
        if seen == step: os.kill(os.getpid(), 9)  # on Windows TerminateProcess, with that exit code
        seen += 1
sys.addaudithook(hook)
files.write_whole(Path(sys.argv[1]) / "f", b"new" * 1000)
"""


@pytest.mark.parametrize("step", range(7))
def test_a_kill_leaves_the_old_file_or_the_new_one_and_the_next_write_nothing_else(tmp_path: Path, step: int) -> None:
    (tmp_path / "f").write_bytes(b"old")
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(step)], check=False)
    assert done.returncode in (0, 9, -9)
    assert (tmp_path / "f").read_bytes() in (b"old", b"new" * 1000)
    disk.write_whole(tmp_path / "f", b"newer")
    assert [path.name for path in tmp_path.iterdir()] == ["f"] and (tmp_path / "f").read_bytes() == b"newer"


def test_what_a_dead_writer_left_goes_and_what_a_living_one_writes_stays(tmp_path: Path) -> None:
    """The dead one is still watched (its Popen holds it), as by an agent."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as living:
        dead = subprocess.Popen([sys.executable, "-c", ""])
        dead.wait()
        for pid in (living.pid, dead.pid):
            (tmp_path / f".f.{pid}.new").write_bytes(b"half")
        disk.write_whole(tmp_path / "f", b"whole")
        assert sorted(path.name for path in tmp_path.iterdir()) == [f".f.{living.pid}.new", "f"]


def held(number: int) -> PermissionError:
    error = PermissionError(13, "Permission denied")
    error.winerror = number  # type: ignore[attr-defined]
    return error


@pytest.mark.parametrize("number", disk.HELD_ERRORS)
def test_a_file_that_another_program_holds_is_tried_again(number: int) -> None:
    left = [held(number)] * 3

    def once() -> None:
        if left:
            raise left.pop()

    disk.retry_while_held(once)
    assert not left


def test_patience_ends_and_the_error_says_what_to_close(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "PATIENCE", 0.05)

    def never(self: Path, target: Path) -> None:
        raise held(32)

    monkeypatch.setattr(Path, "replace", never)
    with pytest.raises(StateDamaged, match="another program has it open") as caught:
        journal.write_whole(tmp_path / "f", "x")
    assert "Close" in caught.value.hint and [path.name for path in tmp_path.iterdir()] == []


def test_a_permission_that_is_missing_for_good_is_not_waited_for() -> None:
    calls = []

    def refuse() -> None:
        calls.append(1)
        raise PermissionError(13, "Permission denied")

    with pytest.raises(PermissionError):
        disk.retry_while_held(refuse)
    assert len(calls) == 1


@pytest.mark.slow
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.dictionaries(st.text("abcé", max_size=4),
                       st.text(st.characters(exclude_categories=()) | st.sampled_from("\udc80\udcff\ud800é\u2028"))))
def test_any_text_comes_back(tmp_path: Path, facts: dict[str, str]) -> None:
    """Names of files may hold bytes that are no UTF-8, lone surrogates in Python: nothing fails, those alone change."""
    journal.write_whole(tmp_path / "f.json", json.dumps(facts, ensure_ascii=False))
    pairs = {key: value.encode("utf-8", "replace").decode() for key, value in facts.items()}
    assert load_json(tmp_path / "f.json") == pairs
    log = Journal(tmp_path / "j.jsonl")
    log.append(facts)
    assert log.read()[-1] == pairs


def test_a_path_that_is_no_utf8_is_a_json_value_too() -> None:
    from autotune.model import codec

    assert codec.dump({"path": Path("/x\udc80"), "words": ("a", "\udcff")}) == {
        "path": str(Path("/x\udc80")), "words": ["a", "\udcff"]}


def test_how_to_allow_writing_is_said_in_the_platforms_words() -> None:
    assert disk.how_to_allow("C:\\web ui\\a.bat", "win32").startswith('attrib -r "C:\\web ui\\a.bat"')
    for platform in ("linux", "darwin"):
        assert disk.how_to_allow("/web ui/it's.sh", platform) == """chmod u+w '/web ui/it'"'"'s.sh'"""
