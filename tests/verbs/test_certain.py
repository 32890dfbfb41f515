"""A reading that is not certain is never used as a fact; judged by bash, and by a file that leaves traces when run."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from autotune import trial
from autotune.install.inspection import Inspection, inspect_install
from autotune.install.launch_flags import flags_of
from autotune.launchfile import edit, read
from autotune.model.errors import Refused
from autotune.overview.doctor import checks
from autotune.overview.probe import probe_json
from autotune.overview.status import status
from autotune.store.places import Places
from autotune.tune.tune import Progress, TuneOptions, tune
from autotune.webui.a1111.flags.block_flags import BLOCK_FLAGS
from autotune.webui.a1111.flags.known_flags import load
from autotune.workload import profile as profiles
from tests.e2e.verbs.conftest import Bench

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="bash files")

FAST, PLAIN = "--no-half-vae --opt-split-attention-v1 --theme dark", "--use-cpu all"
SHAPES: dict[str, str] = {
    "if": f'if [ -f launch.py ]; then\n  export COMMANDLINE_ARGS="{FAST}"\nelse\n'
          f'  export COMMANDLINE_ARGS="{PLAIN}"\nfi\n',
    "elif": f'if [ -f nowhere ]; then\n  export COMMANDLINE_ARGS="{PLAIN}"\nelif [ -d modules ]; then\n'
            f'  export COMMANDLINE_ARGS="{FAST}"\nfi\n',
    "and": f'export COMMANDLINE_ARGS="{PLAIN}"\n[ -f launch.py ] && export COMMANDLINE_ARGS="{FAST}"\n',
    "or": f'export COMMANDLINE_ARGS="{PLAIN}"\n[[ -f nowhere ]] || COMMANDLINE_ARGS="{FAST}"\n',
    "case": f'case "$OSTYPE" in\n  none*) export COMMANDLINE_ARGS="{PLAIN}" ;;\n'
            f'  *) export COMMANDLINE_ARGS="{FAST}" ;;\nesac\n',
    "function": f'pick() {{\n  local speed=""\n  if [ -d modules ]; then speed="{FAST}"; fi\n'
                '  export COMMANDLINE_ARGS="${speed} ${COMMANDLINE_ARGS}"\n}\npick\n',
    "for": f'export COMMANDLINE_ARGS=""\nfor word in {FAST}; do\n  COMMANDLINE_ARGS="$COMMANDLINE_ARGS $word"\ndone\n',
    "while": 'export COMMANDLINE_ARGS=""\nn=0\nwhile [ $n -lt 2 ]; do\n  n=$((n + 1))\n'
             '  COMMANDLINE_ARGS="$COMMANDLINE_ARGS --part$n"\ndone\n',
    "eval": f"eval 'export COMMANDLINE_ARGS=\"{FAST}\"'\n",
    "read": f'read -r COMMANDLINE_ARGS <<< "{FAST}"\nexport COMMANDLINE_ARGS\n',
    "printf": 'printf -v COMMANDLINE_ARGS "%s %s" --no-half-vae --opt-split-attention-v1\nexport COMMANDLINE_ARGS\n',
    "nameref": f'declare -n args=COMMANDLINE_ARGS\nargs="{FAST}"\nexport COMMANDLINE_ARGS\n',
    "unset": f'export COMMANDLINE_ARGS="{FAST}"\nfor n in COMMANDLINE_ARGS; do unset "$n"; done\n',
    "source": f'export COMMANDLINE_ARGS="{PLAIN}"\nsource ./flags.sh\n',
    "command": 'export COMMANDLINE_ARGS="$(cat flags.txt)"\n',
}
"""Ways to give flags that only a shell follows. Beside them lie flags.sh and flags.txt."""
CERTAIN: dict[str, str] = {
    "plain": f'export COMMANDLINE_ARGS="{FAST}"\n',
    "git pull": f'git pull\nexport COMMANDLINE_ARGS="{FAST}"\n',
    "append": f'export COMMANDLINE_ARGS="--theme dark"\nCOMMANDLINE_ARGS="$COMMANDLINE_ARGS {FAST}"\n',
    "pipe": f'uname -a | grep -q none\nexport COMMANDLINE_ARGS="{FAST}"\n',
    "branch of others": f'if [ -f nowhere ]; then export OTHER=1; fi\nexport COMMANDLINE_ARGS="{FAST}"\n',
}


def install(root: Path, text: str) -> Path:
    for name in ("launch.py", "modules/cmd_args.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")
    (root / "flags.sh").write_text(f'COMMANDLINE_ARGS="{FAST}"\n')
    (root / "flags.txt").write_text(FAST + "\n")
    (root / "webui-user.sh").write_text(f"#!/bin/bash\n{text}")
    return root


def by_bash(root: Path) -> tuple[str, ...]:
    """What launch.py would receive: bash sources the file as webui.sh does, and a program looks at its environment."""
    script = 'git() { :; }; . ./webui-user.sh > /dev/null; exec python3 -c "import os; print(os.environ.get(\'X\', ' \
             'os.environ.get(\'COMMANDLINE_ARGS\', \'\')))"'
    env = {key: value for key, value in os.environ.items() if key not in ("COMMANDLINE_ARGS", "X")}
    done = subprocess.run(["bash", "-c", script], cwd=root, env=env, capture_output=True, text=True, check=True)
    return tuple(shlex.split(done.stdout))


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COMMANDLINE_ARGS", raising=False)


@pytest.mark.parametrize("name", [*SHAPES, *CERTAIN])
def test_words_are_those_of_bash_or_said_to_be_uncertain(tmp_path: Path, name: str) -> None:
    root = install(tmp_path / "w", {**SHAPES, **CERTAIN}[name])
    found = flags_of(root)
    assert found.fault is None
    if not found.depends or found.asked:
        assert found.words == by_bash(root)
    assert bool(found.depends) == (name in SHAPES)
    said = status(root, Places(tmp_path / "state"))
    assert said["certain"] == (name in CERTAIN)
    assert name in CERTAIN or "depend on" in said["depends"]


@pytest.mark.parametrize("name", ["if", "function", "case", "command"])
@pytest.mark.e2e
def test_no_verb_takes_an_uncertain_set_for_the_current_one(bench: Bench, name: str) -> None:
    """Either bash could be asked, and its words are the baseline, or nothing is measured (exit 5)."""
    install(bench.root / "x", SHAPES[name])
    for beside in ("flags.sh", "flags.txt"):
        (bench.root / beside).write_bytes((bench.root / "x" / beside).read_bytes())
    bench.launch_file.write_text(f"#!/bin/bash\n{SHAPES[name]}")
    right = by_bash(bench.root)
    places = Places(bench.state)
    seen: Inspection = inspect_install(bench.root, None, None, places)
    document = probe_json(seen)
    assert document["webui"]["certain"] is False and document["webui"]["depends"]
    assert any("depend on" in line for line in document["warnings"])
    row = next(one for one in checks(seen, places) if one.name == "command line")
    assert "depend on" in row.detail and row.ok == seen.launch.asked
    assert seen.launch.asked == (name != "command")
    if seen.launch.asked:
        assert tuple(document["webui"]["flags"]) == right
        assert document["webui"]["kept_flags"] == ["--theme", "dark"]
        current = next(one for one in document["candidates"] if one.get("current"))
        assert current["flags"] == ["--opt-split-attention-v1", "--no-half-vae"]
        return
    profile = profiles.load(str(bench.profile))
    with pytest.raises(Refused) as refusal:
        tune(seen, places, TuneOptions(profile), Progress())
    assert "depend on" in refusal.value.message and str(bench.launch_file) in refusal.value.hint
    assert not list(bench.state.glob("installs/*/studies/*"))


GUESSES = (
    ('export COMMANDLINE_ARGS="--opt-sdp-attention $(cat flags.txt)"\n', "--opt-sdp-attention"),
    ('export COMMANDLINE_ARGS="--opt-sdp-attention"\n[ -f launch.py ] && COMMANDLINE_ARGS="--xformers --api"\n',
     "--opt-sdp-attention"),
    ('export COMMANDLINE_ARGS="--api"\nif [ -f launch.py ]; then COMMANDLINE_ARGS+=" --xformers"; fi\n', ""),
)


@pytest.mark.parametrize(("text", "wanted"), GUESSES)
def test_a_guess_does_not_hold_the_set_already(tmp_path: Path, text: str, wanted: str) -> None:
    """What the reader would guess has exactly the wanted flags; what bash gives has not."""
    root = install(tmp_path / "w", text)
    file, catalogue = read(root / "webui-user.sh"), load("a1111", "1.10.1")
    target = tuple(wanted.split())
    assert tuple(word for word, ours in zip(file.words, catalogue.owns(file.words), strict=True) if ours) == target
    before = [word for word, ours in zip(by_bash(root), catalogue.owns(by_bash(root)), strict=True) if not ours]
    (root / "webui-user.sh").write_bytes(edit(file, target, catalogue.owns, BLOCK_FLAGS))
    assert by_bash(root) == (*before, *target)
    again = read(root / "webui-user.sh")
    assert edit(again, target, catalogue.owns, BLOCK_FLAGS) == again.data


RUNS = "touch @/RAN\ngit pull\nrm -f @/keep\ncurl -s -o @/FETCHED file:///etc/hostname\n"
"""Commands of the owner's own; @ is a folder outside of the install."""


@pytest.mark.e2e
def test_only_the_proving_start_runs_the_file_and_every_word_counts(bench: Bench) -> None:
    """probe, doctor, status and a trial's start leave no trace of the file's own commands; apply runs it once."""
    ran, keep = bench.folder / "RAN", bench.folder / "keep"
    keep.write_text("")
    text = f'#!/bin/bash\n{RUNS.replace("@", str(bench.folder))}{SHAPES["for"]}'
    bench.launch_file.write_text(text)
    for words in (("probe",), ("status",), ("apply", "--flags", "", "--dry-run"), ("verify", "--no-start")):
        bench.json(*words)
    assert bench.json("status")["flags_now"] == FAST.split()
    # Its exit code also tells of the machine's load.
    said = subprocess.run(bench.command("doctor"), env=bench.environment(), capture_output=True, text=True, check=False)
    assert "ok    command line: the flags in webui-user.sh depend on" in said.stdout
    seen = inspect_install(bench.root, None, None, Places(bench.state))
    assert seen.machine.webui.python is not None
    plan = trial.LaunchPlan(bench.root, seen.machine.webui.python, seen.machine.webui.flags, bench.folder / "runs",
                             launch_file=bench.launch_file)
    with trial.start(plan) as server:
        assert server.attention_logged() == "V1" and not server.warnings
    assert keep.exists() and not ran.exists() and not (bench.folder / "FETCHED").exists()
    # A script that changes a word of the owner's: the set is in effect, the owner's own flag is not.
    script = bench.root / "webui.sh"
    whole = script.read_text()
    at = "# Defaults for what"
    apply = ("apply", "--flags", "--opt-sdp-attention --no-half-vae", "--yes")
    script.write_text(whole.replace(at, f'COMMANDLINE_ARGS="${{COMMANDLINE_ARGS/--theme dark/--no-hashing}}"\n{at}'))
    refused = bench.json(*apply, code=4)["message"]
    assert "did not get --theme dark" in refused and "also got --no-hashing" in refused and "as it was" in refused
    assert bench.launch_file.read_text() == text
    script.write_text(whole)
    assert ran.exists() and not keep.exists()
    done = bench.json(*apply)
    assert done["verified"] is True and done["before"] == FAST.split()
    assert sorted(done["after"]) == sorted(["--theme", "dark", "--opt-sdp-attention", "--no-half-vae"])
    assert by_bash(bench.root) == tuple(done["after"])
    bench.json("rollback")
    assert bench.launch_file.read_text() == text


@pytest.mark.e2e
def test_what_nobody_knows_is_said_and_not_proven(bench: Bench) -> None:
    """Flags out of a command: written as a block all the same, proven as far as that goes, and the rest is named."""
    (bench.root / "flags.txt").write_text(FAST + "\n")
    bench.launch_file.write_text(f"#!/bin/bash\n{SHAPES['command']}")
    profile = str(bench.profile)
    refused = bench.json("tune", "--profile", profile, code=5)
    assert "depend on a command in line 2" in refused["message"] and "bash cannot say" in refused["message"]
    done = bench.json("apply", "--flags", "--opt-sdp-attention --no-half-vae", "--yes")
    assert done["verified"] is True and any("depends on a command in line 2" in note for note in done["notes"])
    assert by_bash(bench.root) == ("--theme", "dark", "--opt-sdp-attention", "--no-half-vae")
    status = bench.json("status")
    assert status["certain"] is False and status["drift"] is None
    assert "Uncertain: the flags in webui-user.sh depend on" in bench.run("status").stdout
    assert bench.json("verify", "--no-start")["flags"][0]["in_file"] is None
