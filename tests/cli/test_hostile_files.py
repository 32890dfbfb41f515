"""Profiles, configurations and state folders that nobody would write on purpose: a code and a sentence for each."""

from __future__ import annotations

import errno
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from autotune.cli.main import run
from autotune.config import config
from autotune.workload import profile
from tests import reference
from tests.system import under_wine

ROUNDS = int(os.environ.get("AUTOTUNE_DAMAGES", "150"))
VALUES = (
    "nan", "inf", "-inf", "-1", "0", "1e400", "1" * 5000, "-0x" + "f" * 5000, "9" * 22, "1.5", "true", "''", '""',
    "[]", "[[]]", "[nan]", "[1,2]", "{}", "{a=1}", "2020-01-01", "2020-01-01T00:00:00Z", "07:32:00", '"x*"',
    '"\\u0000"', '"\\u0000.toml"', '"~nouser/x.toml"', '"' + "a" * 5000 + '.toml"', '["\\u0000"]', '["mon", 1]',
    "[" * 2000 + "]" * 2000, "[" * 100_000, "{a=" * 900 + "1" + "}" * 900, "\'\'\'\n\'\'\'",
)
LINES = (
    "[" + "a." * 3000 + "b]", "[[workload]]", "[search]", "[[search]]", "[workload]", "a.b.c=1", "= 1", "\x00",
    '""=1', '"\\u0000"=1', "[when.x]", '[triggers]\n"*"="drift"', '[triggers]\n"["="drift"', "a" * 100_000,
)


def everything() -> str:
    """A configuration file that says every key."""
    lines = config.template().splitlines()
    return "\n".join(line[2:] if " = " in line and line[2:3].islower() else line for line in lines)


def hostile(text: str, rng: random.Random) -> bytes:
    """The file with a value, a line or some bytes changed for the worse."""
    lines = text.split("\n")
    at, kind = rng.randrange(len(lines)), rng.randrange(8)
    if kind < 4:
        at = rng.choice([n for n, line in enumerate(lines) if "=" in line and not line.startswith("#")])
        lines[at] = lines[at].split("=")[0] + "= " + rng.choice(VALUES)
    elif kind == 4:
        lines.insert(at, rng.choice(LINES))
    elif kind == 5:
        del lines[at]
    elif kind == 6:
        lines.insert(at, lines[rng.randrange(len(lines))])
    data = bytearray("\n".join(lines).encode())
    if kind == 7:
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def ask(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    """Exit code and the one document of a verb."""
    code = run([*words, "--json"])
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert document["kind"] == ("error" if code else words[0])
    return code, document


def test_a_hostile_profile_is_refused_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = profile.shipped_profiles()["tiny"].read_text(encoding="utf-8")
    file, rng = tmp_path / "p.toml", random.Random("p")
    for _ in range(ROUNDS):
        file.write_bytes(hostile(text, rng))
        code, document = ask(capsys, "profiles", "check", str(file))
        assert code in (0, 2)
        assert code == 0 or document["message"].startswith(str(file))


def test_a_hostile_configuration_is_refused_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, file, rng = everything(), tmp_path / "c.toml", random.Random("c")
    for _ in range(ROUNDS):
        file.write_bytes(hostile(text, rng))
        verb = rng.choice(["show", "check"])
        code, document = ask(capsys, "config", verb, "--config", str(file))
        assert code in (0, 2)
        assert code == 0 or (document["message"] and document["hint"])
        assert run(["config", "show", "--config", str(file)]) in (0, 2)
        capsys.readouterr()


BEGINNING = ("daemon --once", "service install")
"""Verbs that begin something; the others may look at what somebody has put in the wrong place. More in the test below:
they ask the web UI's Python first."""
VERBS = ("status", "history", "replay", "report", "card", "export", "rollback", "doctor", "daemon --once", "tune",
         "verify")


@pytest.fixture(scope="module")
def install(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reference.copy(tmp_path_factory.mktemp("edges") / "webui")


def states(install: Path, tmp_path: Path) -> dict[str, tuple[str, int]]:
    """State folders that cannot be: what is given, and the exit code of every verb."""
    (tmp_path / "file").write_text("x")
    link = tmp_path / "link"
    if os.name == "posix":
        link.symlink_to(install / "outputs")
    return {
        "a file": (str(tmp_path / "file"), 8),
        "the web UI itself": (str(install), 2),
        "inside the web UI": (str(install / "deep" / "state"), 2),
        "inside by a detour": (str(install / ".." / install.name / "state"), 2),
        **({"inside by a link": (str(link), 2)} if os.name == "posix" else {}),
        # Windows takes it for a folder beside the user's own.
        **({"nobody's home": ("~nobody-of-that-name/state", 2)} if os.name == "posix" else {}),
        **({} if under_wine() else {"too long": ("x" * 300, 2)}),  # wine 8 knows no limit of a name
    }


@pytest.mark.parametrize("by_environment", [False, True])
def test_state_folders_that_cannot_be(
    by_environment: bool, install: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(install.rglob("*"))
    for name, (place, code) in states(install, tmp_path).items():
        there = ["--state-dir", place]
        if by_environment:
            monkeypatch.setenv("AUTOTUNE_STATE_DIR", place)
            there = []
        for verb in BEGINNING if "web UI" in name or name.startswith("inside") else VERBS:
            got, document = ask(capsys, *verb.split(), "--webui", str(install), *there)
            assert got == code, (name, verb, document)
            assert "--state-dir" in document["hint"]
    assert sorted(install.rglob("*")) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link"][: 2 if os.name == "posix" else 1]


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["tune", "apply", "verify --no-start --measure"])
def test_nothing_is_begun_with_a_state_folder_in_the_web_ui(
    verb: str, install: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch", reason="the web UI's Python is asked first, and cannot be used without")
    before = sorted(install.rglob("*"))
    place = ["--webui", str(install), "--state-dir", str(install / "state")]
    code, document = ask(capsys, *verb.split(), *place)
    assert (code, "--state-dir" in document["hint"]) == (2, True), document
    assert ask(capsys, "history", *place)[0] == 0
    assert sorted(install.rglob("*")) == before


@pytest.mark.skipif(os.name != "posix", reason="homes and limits of POSIX")
@pytest.mark.parametrize("variables", [
    {}, {"HOME": "/nonexistent"}, {"HOME": "relative"}, {"HOME": ""},
    {"TMPDIR": "/nonexistent", "HOME": "/nonexistent"},
])
@pytest.mark.parametrize("verb", ["status", "history", "config path", "profiles list"])
def test_without_a_home(verb: str, variables: dict[str, str], install: Path, tmp_path: Path) -> None:
    """Looking needs none, and makes none."""
    words = [sys.executable, "-m", "autotune", *verb.split(), "--webui", str(install), "--json"]
    here = str(Path(config.__file__).parent.parent.parent)
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path,
                          env={"PATH": "/usr/bin:/bin", "PYTHONPATH": here, **variables})
    assert done.returncode == 0, done.stderr
    json.loads(done.stdout)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_result_that_finds_no_room(more: list[str], install: Path) -> None:
    words = [sys.executable, "-m", "autotune", "status", "--webui", str(install), *more]
    with Path("/dev/full").open("wb") as out:
        done = subprocess.run(words, stdout=out, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert done.returncode == 8
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


LIMITED = """\
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
from autotune.cli.main import run
sys.exit(run(sys.argv[2:]))
"""


@pytest.mark.skipif(os.name != "posix", reason="needs RLIMIT_FSIZE")
@pytest.mark.parametrize("room", [0, 100, 3000, 8000, 20_000])
def test_records_that_find_no_room(room: int, install: Path, tmp_path: Path) -> None:
    """A write that stops half way, as on a full disk: exit 8, and nothing half written is left."""
    import benchmarks

    study = Path(benchmarks.__file__).parent / "data" / "reference-sd15-h200-tune.json"
    place = ["--webui", str(install), "--state-dir", str(tmp_path / "state"), "--json"]
    words = [sys.executable, "-c", LIMITED, str(room), "import", str(study), *place]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 8, done.stderr
    assert json.loads(done.stdout)["message"]
    assert not list(tmp_path.rglob("*.new"))
    assert not list((tmp_path / "state").glob("installs/*/studies/*"))


@pytest.mark.parametrize(("number", "code"), [
    (errno.ENOSPC, 8), (errno.EROFS, 8), (errno.EIO, 8), (errno.ENAMETOOLONG, 3), (errno.ELOOP, 3), (errno.EACCES, 3),
])
def test_what_the_system_refuses_is_told(
    number: int, code: int, install: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number), "/some/path")

    monkeypatch.setattr("autotune.overview.status.status", refuse)
    got, document = ask(capsys, "status", "--webui", str(install))
    assert got == code
    assert document["message"].startswith("/some/path: ")
