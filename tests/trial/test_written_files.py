"""Guarantee 4, the user's files: what a trial wrote goes back, what anybody else wrote meanwhile is never touched.

Real processes throughout: the stand-in web UI with an extension that writes in every way Python has, a user who
writes, renames and deletes at the same time, kills of whoever would put things back.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from autotune.machine import processes
from autotune.trial import server, start, written_files
from autotune.trial.sweep import sweep
from autotune.trial.write_recorder import VARIABLE
from autotune.trial.written_files import ASIDE, restore, take
from tests.system import fewer, links
from tests.trial.test_server import PATIENCE, plan
from tests.waiting import wait_for

pytestmark = pytest.mark.slow

STANDIN = Path(__file__).with_name("standin_webui.py")

WAYS = {
    "overwrites": "(root/'extensions/e/state.json').write_text('{\"n\": 2}')",
    "appends": "open(root/'extensions/e/log.txt', 'a').write('more\\n')",
    "in place": "f = open(root/'extensions/e/log.txt', 'r+b'); f.seek(2); f.write(b'XX'); f.close()",
    "makes": "(root/'extensions/e/new/deep').mkdir(parents=True, exist_ok=True); "
             "(root/'extensions/e/new/deep/a.txt').write_text('x')",
    "pictures": "(root/'outputs/by-extension').mkdir(parents=True, exist_ok=True); "
                "(root/'outputs/by-extension/1.png').write_bytes(b'png')",
    "params": "(root/'params.txt').write_text('a prompt')",
    "config": "(root/'config.json').write_text('{\"saved\": \"by extension\"}')",
    "styles": "import shutil; shutil.copy(root/'ui-config.json', root/'styles.csv.bak')",
    "replaces": "import os; (root/'extensions/e/t.part').write_text('new'); "
                "os.replace(root/'extensions/e/t.part', root/'extensions/e/table.csv')",
    "removes": "(root/'extensions/e/gone.txt').unlink(missing_ok=True)",
    "removes a tree": "import shutil; shutil.rmtree(root/'extensions/e/tree', ignore_errors=True)",
    "os.open": "import os; h = os.open(root/'extensions/e/raw.bin', os.O_RDWR|os.O_CREAT|os.O_TRUNC); "
               "os.write(h, b'r'); os.close(h)",
    "relative": "import os; os.chdir(root); open('relative.txt', 'w').write('x')",
    "link": "import os; os.path.lexists(root/'a-link') or os.symlink('config.json', root/'a-link')",
    "database": "import sqlite3; c = sqlite3.connect(root/'extensions/e/e.db'); "
                "c.execute('create table if not exists t(x)'); c.execute('insert into t values (1)'); c.commit(); "
                "c.close()",
    "truncates": "import os; os.truncate(root/'extensions/e/long.txt', 1)",
    "copy2": "import shutil; shutil.copy2(root/'launch.py', root/'extensions/e/styles.csv')",
    "mode": "(root/'extensions/e/log.txt').chmod(0o600)",
    "time": "import os; os.utime(root/'extensions/e/log.txt')",
    "child": "import subprocess, sys; subprocess.run([sys.executable, '-c', "
             "\"open(r'%s/extensions/e/child.txt', 'w').write('c')\" % root], check=True)",
    "held": "import builtins; builtins.held = open(root/'extensions/e/held.log', 'a', buffering=1); "
            "builtins.held.write('one\\n')",
}
"""How an extension may write. ``root``: the install."""


def fill(root: Path) -> None:
    """An install with an extension's files and the user's own."""
    texts = {"config.json": '{"a": 1}', "ui-config.json": "{}", "styles.csv": "name,prompt,negative_prompt\r\n",
             "params.txt": "the user's last prompt", "webui-user.sh": "#", "extensions/e/state.json": '{"n": 1}',
             "extensions/e/log.txt": "abcdef\n", "extensions/e/table.csv": "old", "extensions/e/gone.txt": "g",
             "extensions/e/tree/a/b.txt": "b", "extensions/e/tree/c.txt": "c", "extensions/e/long.txt": "long",
             "extensions/wildcards/animals.txt": "cat\ndog\n", "outputs/txt2img/1.png": "p", "notes.txt": "mine"}
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8", newline="")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "web ui"
    folder.mkdir()
    (folder / "launch.py").write_bytes(STANDIN.read_bytes())
    fill(folder)
    return folder


def extension(root: Path, when: str, *lines: str) -> None:
    (root / "extensions" / "e" / f"at_{when}.py").write_text("\n".join(lines) + "\n", encoding="utf-8")


def contents(root: Path) -> dict[str, bytes | str]:
    """Everything in the install but the interpreter's own leavings: bytes of files, targets of links."""
    return {str(path.relative_to(root)): f"-> {path.readlink()}" if path.is_symlink() else path.read_bytes()
            for path in root.rglob("*")
            if "__pycache__" not in path.parts and (path.is_symlink() or path.is_file())}


def folders(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_dir() and path.name != "__pycache__"}


def stamps(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_mtime_ns, found.st_mode


def one_start(root: Path, jobs: int = 1, **changes: Any) -> server.StopReport:
    with start(plan(root, "extension", **changes)) as server:
        for number in range(jobs):
            server.client.set_options({"n": number})
    return server.stop()


@pytest.mark.parametrize("way", [pytest.param(way, marks=links if way == "link" else ()) for way in WAYS])
def test_what_a_trial_wrote_is_put_back(root: Path, way: str, tmp_path: Path) -> None:
    extension(root, "start", WAYS[way])
    before, places = contents(root), folders(root)
    times = {name: stamps(root / name) for name in before}
    folder = run_folder_of(root, tmp_path)
    run(root, folder)
    traces = restore(folder)
    assert {trace.what for trace in traces} <= {"moved out", "put back"}
    assert bool(traces) == (way not in ("mode", "time"))
    assert contents(root) == before and folders(root) == places
    assert {name: stamps(root / name) for name in before} == times


def test_what_a_web_ui_wrote_at_its_start_and_in_each_job_is_put_back(root: Path) -> None:
    extension(root, "start", *WAYS.values())
    extension(root, "job", *WAYS.values())
    before, places = contents(root), folders(root)
    report = one_start(root, jobs=3)
    assert report.clean and {trace.what for trace in report.traces} == {"moved out", "put back"}
    assert contents(root) == before and folders(root) == places


def test_a_web_ui_that_writes_nothing_leaves_nothing_to_say(root: Path) -> None:
    before = contents(root)
    assert one_start(root).traces == () and contents(root) == before


def test_what_is_set_aside_is_never_deleted(root: Path) -> None:
    extension(root, "start", "import os", "(root/'params.txt').write_text(f'prompt {os.getpid()}')")
    for _ in range(8):
        one_start(root, jobs=0)
    kept = list((root.parent / "runs" / ASIDE).rglob("params.txt"))
    assert len({path.read_bytes() for path in kept}) == 8


def test_what_the_user_wrote_between_take_and_restore_stays(root: Path, tmp_path: Path) -> None:
    folder = run_folder_of(root, tmp_path)
    (root / "extensions/wildcards/plants.txt").write_text("oak", encoding="utf-8")
    (root / "outputs/2.png").write_text("a picture", encoding="utf-8")
    with (root / "styles.csv").open("a", encoding="utf-8", newline="") as styles:
        styles.write("mine,a cat,\r\n")
    (root / "config.json").write_text('{"a": 2}', encoding="utf-8")
    (root / "notes.txt").unlink()
    (root / "params.txt").rename(root / "kept-params.txt")
    after = contents(root)
    traces = restore(folder)
    assert contents(root) == after and not (folder.parent / ASIDE).exists()
    assert {trace.path: trace.what for trace in traces} == dict.fromkeys(
        ["config.json", "styles.csv", str(Path("extensions/wildcards/plants.txt")), str(Path("outputs/2.png")),
         *(["kept-params.txt"] if os.name == "posix" else [])], "left")  # Windows keeps no time of a renaming
    (line,) = written_files.warnings_of(traces, folder.parent)
    assert "left as it is" in line and "config.json" in line


@pytest.mark.parametrize("there", ["nothing", "the folder", "a file in it meanwhile"])
def test_the_folder_that_webui_bat_makes_goes_if_it_is_empty_and_was_not_there(
    there: str, root: Path, tmp_path: Path
) -> None:
    folder, made = tmp_path / "run", root / "tmp"
    folder.mkdir()
    if there == "the folder":
        made.mkdir()
    written_files.take(root, folder)
    made.mkdir(exist_ok=True)  # cmd.exe does, not Python
    if there == "a file in it meanwhile":
        (made / "mine.txt").write_bytes(b"mine")
    written_files.restore(folder)
    assert made.exists() is (there != "nothing")
    assert there != "a file in it meanwhile" or (made / "mine.txt").read_bytes() == b"mine"


def test_a_file_that_the_user_changed_after_the_trial_wrote_it_survives(root: Path) -> None:
    extension(root, "job", WAYS["config"], WAYS["makes"], WAYS["removes"])
    with start(plan(root, "extension")) as server:
        server.client.set_options({"n": 1})
        assert wait_for(lambda: settled(server.folder, 3), PATIENCE)
        (root / "config.json").write_text('{"saved": "by its owner"}', encoding="utf-8")
        (root / "extensions/e/new/deep/a.txt").write_text("mine now", encoding="utf-8")
        (root / "extensions/e/gone.txt").write_text("here again", encoding="utf-8")
        after = contents(root)
    assert contents(root) == after
    assert {trace.path for trace in server.stop().traces if trace.what == "left"} >= {
        "config.json", str(Path("extensions/e/new/deep/a.txt")), str(Path("extensions/e/gone.txt"))}
    before = root.parent / "runs" / ASIDE / server.run_id / written_files.BEFORE
    assert (before / "config.json").read_text(encoding="utf-8") == '{"a": 1}'


def test_what_the_user_wrote_before_the_trial_wrote_over_it_is_what_comes_back(root: Path) -> None:
    extension(root, "start", WAYS["config"])
    extension(root, "job", WAYS["config"], WAYS["overwrites"])
    with start(plan(root, "extension")) as server:
        assert wait_for(lambda: settled(server.folder, 1), PATIENCE)
        (root / "config.json").write_text('{"edited": "meanwhile"}', encoding="utf-8")
        (root / "extensions/e/state.json").write_text('{"n": "edited"}', encoding="utf-8")
        after = contents(root)
        server.client.set_options({"n": 1})
        assert contents(root) != after
    assert contents(root) == after


def settled(folder: Path, least: int) -> bool:
    """Has the trial's own Python seen how it left at least so many files?"""
    lines = [json.loads(line) for path in (folder / "journal").iterdir() for line in path.read_text().splitlines()]
    return [line["op"] for line in lines].count("left") >= least


class User(threading.Thread):
    """Somebody at work in the install: writes, renames and deletes files of their own, anywhere, seeded."""

    def __init__(self, root: Path, seed: int) -> None:
        super().__init__()
        self.root, self.draw, self.stopped = root, random.Random(seed), threading.Event()
        # The extension's files are its own business; all else is the user's.
        self.mine: dict[str, bytes] = {name: data for name, data in contents(root).items()
                                       if isinstance(data, bytes) and not name.startswith(str(Path("extensions/e")))
                                       and name not in ("launch.py", "params.txt")}
        self.gone: set[str] = set()
        self.done = 0

    def run(self) -> None:
        while not self.stopped.wait(0.002):
            self.draw.choice((self.writes, self.writes, self.appends, self.renames, self.deletes, self.saves))()
            self.done += 1

    def fresh(self) -> str:
        place = self.draw.choice(["", "outputs", "outputs/txt2img/2026", "extensions/wildcards", "extensions/new one",
                                  "my folder/deep", "log/images", "extensions/e/mine"])
        ending = self.draw.choice(["txt", "png", "csv", "json", "yaml", "py", "safetensors", "log"])
        return str(Path(place) / f"u{self.done}.{ending}")

    def put(self, name: str, data: bytes) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self.mine[name] = data
        self.gone.discard(name)

    def writes(self) -> None:
        name = self.fresh() if self.draw.random() < 0.5 else self.draw.choice(sorted(self.mine))
        self.put(name, self.draw.randbytes(self.draw.randrange(2000)))

    def appends(self) -> None:
        name = self.draw.choice(sorted(self.mine))
        with (self.root / name).open("ab") as file:
            file.write(b"a line\r\n")
        self.mine[name] += b"a line\r\n"

    def saves(self) -> None:
        """As editors do: beside it, then over it."""
        name = self.draw.choice(sorted(self.mine))
        part = self.root / f"{name}.tmp"
        part.write_bytes(data := self.draw.randbytes(50))
        part.replace(self.root / name)
        self.mine[name] = data

    def renames(self) -> None:
        name, to = self.draw.choice(sorted(self.mine)), self.fresh()
        (self.root / to).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).replace(self.root / to)
        self.mine[to] = self.mine.pop(name)
        self.gone.add(name)
        self.gone.discard(to)

    def deletes(self) -> None:
        if len(self.mine) > 10:
            name = self.draw.choice(sorted(self.mine))
            (self.root / name).unlink()
            del self.mine[name]
            self.gone.add(name)


@pytest.fixture
def user(root: Path) -> Iterator[User]:
    somebody = User(root, 12)
    yield somebody
    somebody.stopped.set()
    if somebody.ident:
        somebody.join()


STARTS = fewer(30)


def test_a_random_user_loses_nothing_in_thirty_starts(root: Path, user: User) -> None:
    ways = [line for name, line in WAYS.items() if name not in ("config", "styles", "link", "child")]
    extension(root, "start", *ways)
    extension(root, "job", *ways)
    theirs = {name: data for name, data in contents(root).items() if name not in user.mine and name != "launch.py"}
    user.start()
    for number in range(STARTS):
        report = one_start(root, jobs=2, stop_limit=30.0)
        assert report.clean
        # These alone: the user may remove one of theirs between its being listed and its being read.
        now = {name: (root / name).read_bytes() if (root / name).is_file() else None for name in theirs}
        assert now == theirs, f"start {number}: what the web UI wrote was not put back"
    user.stopped.set()
    user.join()
    left = contents(root)
    assert user.done > 10 * STARTS
    assert {name: left.get(name) for name in user.mine} == user.mine
    assert not user.gone & set(left)
    assert set(left) == {*user.mine, *theirs, "launch.py"}


# -- kills

OWNER = """
import sys, time
from pathlib import Path
sys.path.insert(0, {here!r})
from tests.trial.test_server import plan
from autotune.trial import start
root = Path({root!r})
server = start(plan(root, "extension"))
server.client.set_options({{"n": 1}})
print(server.guard_pid, server.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
@pytest.mark.parametrize("guard_too", [False, True])
def test_a_kill_of_autotune_and_of_its_guard_loses_nothing(root: Path, guard_too: bool) -> None:
    extension(root, "job", *WAYS.values())
    before = contents(root)
    here = str(Path(__file__).resolve().parents[2])
    owner = subprocess.Popen([sys.executable, "-c", OWNER.format(here=here, root=str(root))], cwd=here,
                             stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    guard, webui = (psutil.Process(int(word)) for word in owner.stdout.readline().split())
    (root / "outputs/mine.png").write_bytes(b"mine")
    (root / "styles.csv").write_bytes(b"mine too")
    for victim in [guard.pid, owner.pid] if guard_too else [owner.pid]:
        os.kill(victim, signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    runs = root.parent / "runs"
    psutil.wait_procs([guard, webui], 30.0)
    assert not webui.is_running()
    sweep(runs)
    assert [path.name for path in runs.iterdir()] == [ASIDE]
    assert contents(root) == {**before, "outputs/mine.png": b"mine", "styles.csv": b"mine too"}


@pytest.mark.parametrize("stop_at", range(0, 60, 5))
def test_putting_back_may_be_stopped_at_any_step_and_done_again(
    root: Path, tmp_path: Path, stop_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The steps are those that change a disk; where the disk ends, what is not put back is kept aside whole."""
    extension(root, "start", *WAYS.values())
    before = contents(root)
    folder = run_folder_of(root, tmp_path)
    run(root, folder)
    steps = iter(range(10_000))

    class Killed(BaseException):
        pass

    def killing(real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **more: object) -> object:
            if next(steps) == stop_at:
                raise Killed
            return real(*args, **more)

        return call

    with monkeypatch.context() as patch:
        for owner, name in ((Path, "replace"), (Path, "rename"), (Path, "unlink"), (Path, "rmdir"), (Path, "mkdir"),
                            (shutil, "copyfile"), (shutil, "copy2"), (os, "utime")):
            patch.setattr(owner, name, killing(getattr(owner, name)))
        with contextlib.suppress(Killed):
            restore(folder)
    restore(folder)
    assert contents(root) == before


def run_folder_of(root: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "runs" / "1-0123456789ab"
    folder.mkdir(parents=True)
    take(root, folder)
    return folder


def run(root: Path, folder: Path) -> None:
    """The extension alone, in a Python of the trial's, without any web UI."""
    env = {**os.environ, **written_files.variables(root, folder, {})}
    code = f"import runpy, pathlib; runpy.run_path({str(root / 'extensions/e/at_start.py')!r}, " \
           f"{{'root': pathlib.Path({str(root)!r})}})"
    subprocess.run([sys.executable, "-c", code], env=env, check=True, cwd=root)


# -- the hook in somebody else's interpreter

def test_the_users_own_sitecustomize_still_runs_and_nothing_of_ours_is_on_the_path(root: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "sitecustomize.py").write_text("import sys; sys.theirs = __file__", encoding="utf-8")
    folder = run_folder_of(root, tmp_path)
    shim = folder / "shim"
    shim.mkdir()
    (shim / "sitecustomize.py").write_text("import sys; sys.shim = __name__", encoding="utf-8")
    given = {"PYTHONPATH": os.pathsep.join(map(str, (shim, theirs)))}
    env = {**os.environ, **written_files.variables(root, folder, given)}
    code = "import sys, sitecustomize; print([sys.theirs, sitecustomize.__file__, sys.shim, sys.path])"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True, cwd=root)
    assert done.stderr == ""
    own, module, shimmed, path = eval_list(done.stdout)
    assert own == module == str(theirs / "sitecustomize.py") and shimmed == "sitecustomize"
    assert not any(str(folder) in one for one in path) and str(theirs) in path


def eval_list(text: str) -> list[Any]:
    found: list[Any] = ast.literal_eval(text)
    return found


def test_without_any_other_sitecustomize_python_says_nothing(root: Path, tmp_path: Path) -> None:
    folder = run_folder_of(root, tmp_path)
    env = {**os.environ, **written_files.variables(root, folder, {})}
    done = subprocess.run([sys.executable, "-S", "-c", "import site; site.execsitecustomize()"], env=env,
                          capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize("broken", ["{", json.dumps({"root": 1}), ""])
def test_a_hook_that_cannot_work_does_not_stop_the_web_ui(root: Path, broken: str, tmp_path: Path) -> None:
    folder = run_folder_of(root, tmp_path)
    env = {**os.environ, **written_files.variables(root, folder, {}), VARIABLE: broken}
    done = subprocess.run([sys.executable, "-c", "print('up')"], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "up\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
def test_a_fork_while_a_file_is_written_does_not_hang(root: Path, tmp_path: Path) -> None:
    folder = run_folder_of(root, tmp_path)
    extension(root, "start", "import os, threading", "def write(n):",
              "    for i in range(200): (root/f'f{n}.txt').write_text(str(i))",
              "threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]", "[t.start() for t in threads]",
              "for n in range(10):", "    pid = os.fork()", "    if not pid:",
              "        (root/f'child{n}.txt').write_text('c'); os._exit(0)", "    os.waitpid(pid, 0)",
              "[t.join() for t in threads]")
    before = contents(root)
    began = time.monotonic()
    run(root, folder)
    restore(folder)
    assert contents(root) == before and time.monotonic() - began < 60.0
    assert processes.identity(os.getpid()) is not None
