"""A reading that is not certain is never used as a fact; judged by bash, and by a file that leaves traces when run."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from autotune.install.launch_flags import flags_of
from autotune.launchfile import edit, read
from autotune.overview.status import status
from autotune.store.places import Places
from autotune.webui.a1111.flags.block_flags import BLOCK_FLAGS
from autotune.webui.a1111.flags.known_flags import load

pytestmark = [pytest.mark.skipif(sys.platform == "win32", reason="bash files"), pytest.mark.slow]

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
def no_words_given(monkeypatch: pytest.MonkeyPatch) -> None:
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
