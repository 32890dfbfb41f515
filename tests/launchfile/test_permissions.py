"""What an ordinary user may not do is refused, with the file untouched. Run as root, the tests step down first."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from autotune.launchfile import read
from autotune.launchfile.checkpoints import Checkpoints
from autotune.launchfile.records import FileChange
from autotune.model.errors import AutotuneError, Refused, StateDamaged

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX permissions")
NOBODY = 65534
OLD, NEW = b'export COMMANDLINE_ARGS="--xformers"\n', b'export COMMANDLINE_ARGS="--api"\n'


def said(act: Callable[[], object]) -> tuple[str, int, str, str]:
    """Kind, exit code, message and hint of the fault that ``act`` ends in, as an ordinary user; '' for none."""
    out, into = os.pipe()
    pid = os.fork()
    if pid == 0:
        text = "\n0\n\n"
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            act()
        except AutotuneError as error:
            text = f"{type(error).__name__}\n{error.code}\n{error.message}\n{error.hint}"
        finally:
            os.write(into, text.encode())
            os._exit(0)
    os.close(into)
    with os.fdopen(out) as stream:
        kind, code, message, hint = stream.read().split("\n")
    os.waitpid(pid, 0)
    return kind, int(code), message, hint


@pytest.fixture
def script(quick_path: Path) -> Path:
    """A launch file of the user the tests act as, in a folder of its own."""
    quick_path.chmod(0o755)
    home = quick_path / "webui"
    home.mkdir()
    path = home / "webui-user.sh"
    path.write_bytes(OLD)
    if os.geteuid() == 0:
        for place in (home, path):
            os.chown(place, NOBODY, NOBODY)
        (quick_path / "state").mkdir()
        os.chown(quick_path / "state", NOBODY, NOBODY)
    return path


def apply(script: Path) -> None:
    Checkpoints(script.parent.parent / "state" / "checkpoints").apply([FileChange(script, OLD, NEW)])


def test_allowed(script: Path) -> None:
    assert said(lambda: apply(script)) == ("", 0, "", "")
    assert script.read_bytes() == NEW


def test_a_file_that_may_not_be_read(script: Path) -> None:
    script.chmod(0)
    kind, code, message, hint = said(lambda: read(script))
    assert (kind, code) == (Refused.__name__, 5) and "permission denied" in message and hint


def test_a_file_that_may_be_read_but_not_written(script: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a file of another user")
    os.chown(script, 0, 0)
    script.chmod(0o644)
    kind, code, message, hint = said(lambda: apply(script))
    assert (kind, code) == (Refused.__name__, 5) and "not written" in message and hint
    assert script.read_bytes() == OLD and stat.S_IMODE(script.stat().st_mode) == 0o644


def test_a_folder_that_may_not_be_written(script: Path) -> None:
    script.parent.chmod(0o555)
    kind, _, message, hint = said(lambda: apply(script))
    assert kind == Refused.__name__ and "is not writable" in message and hint
    assert script.read_bytes() == OLD
    script.parent.chmod(0o755)


def test_a_group_file_whose_owner_cannot_be_kept(script: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a file of another user")
    os.chown(script, 0, NOBODY)
    script.chmod(0o664)
    kind, code, message, hint = said(lambda: apply(script))
    assert (kind, code) == (Refused.__name__, 5) and "could not be replaced" in message and hint
    assert script.read_bytes() == OLD and script.stat().st_uid == 0
    assert [p.name for p in script.parent.iterdir()] == ["webui-user.sh"]


def test_a_state_folder_that_may_not_be_written(script: Path) -> None:
    (script.parent.parent / "state").chmod(0o555)
    kind, code, message, hint = said(lambda: apply(script))
    assert (kind, code) == (StateDamaged.__name__, 8) and "no checkpoint" in message and hint
    assert script.read_bytes() == OLD
    (script.parent.parent / "state").chmod(0o755)
