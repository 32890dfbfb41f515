"""Properties that hold for every file built from the grammar."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from autotune.launchfile import values
from autotune.launchfile.checkpoints import Checkpoints
from autotune.launchfile.reader import parse
from autotune.launchfile.records import FileChange
from autotune.model.errors import Refused
from tests.launchfile.faults import FastLayer
from tests.launchfile.grammar import batch, shell
from tests.launchfile.judges import NO_CMD, TARGET, bash_words, cmd, cmd_words, edit, owns
from tests.launchfile.test_corpus import split, wanted
from tests.system import fewer

pytestmark = pytest.mark.slow

MAKERS = {"sh": shell, "bat": batch}
OUTSIDE = {"FROM_OUTSIDE": "--xformers --theme x --precision full --lowvram --lowvram --z"}
FLAGS = ("--xformers", "--opt-sdp-attention", "--opt-channelslast", "--no-half-vae", "--medvram")
targets = st.lists(st.sampled_from(FLAGS), unique=True, max_size=4).map(tuple)


@settings(max_examples=fewer(300), deadline=None)
@given(kind=st.sampled_from(("sh", "bat")), random=st.randoms(use_true_random=False), target=targets)
def test_apply_twice_is_apply_once_and_the_rest_stays(kind: str, random: Random, target: tuple[str, ...]) -> None:
    data = MAKERS[kind](random)
    path = Path(f"webui-user.{kind}")
    file = parse(data, path, {})
    assert file.data == data
    try:
        once = edit(file, target, owns)
    except Refused as error:
        assert error.hint
        return
    after = parse(once, path, {})
    assert edit(after, target, owns) == once
    mine, was = owns(after.words), owns(file.words)
    assert [w for w, m in zip(after.words, mine, strict=True) if not m] == [
        w for w, m in zip(file.words, was, strict=True) if not m]
    if once == data:
        return
    assert tuple(w for w, m in zip(after.words, mine, strict=True) if m) == target
    back = edit(after, (), owns)
    assert not any(owns(parse(back, path, {}).words))


def test_rollback_after_apply_is_identity(quick_path: Path) -> None:
    random = Random(3)
    checkpoints = Checkpoints(quick_path / "state", FastLayer())
    for number in range(fewer(150)):
        kind = random.choice(("sh", "bat"))
        path = quick_path / f"{number}.{kind}"
        data = MAKERS[kind](random)
        path.write_bytes(data)
        path.chmod(random.choice((0o644, 0o755, 0o600)))
        mode = path.stat().st_mode
        try:
            after = edit(parse(data, path, {}), TARGET, owns)
        except Refused:
            continue
        checkpoints.apply([FileChange(path, data, after)])
        assert path.read_bytes() == after and path.stat().st_mode == mode
        checkpoints.rollback()
        assert path.read_bytes() == data and path.stat().st_mode == mode


def test_bash_agrees_on_grown_files(tmp_path: Path) -> None:
    random = Random(20)
    files = [shell(random) for _ in range(400)]
    before = bash_words(files, tmp_path / "before", OUTSIDE)
    environ = {"HOME": "/home/someone", **OUTSIDE}
    parsed = [parse(data, Path("webui-user.sh"), environ) for data in files]
    assert [list(f.words) for f in parsed] == before
    after = bash_words([edit(f, TARGET, owns) for f in parsed], tmp_path / "after", OUTSIDE)
    for was, now in zip(before, after, strict=True):
        assert split(now) == wanted(was)


@pytest.mark.skipif(cmd() is None, reason=NO_CMD)
def test_cmd_agrees_on_grown_files(tmp_path: Path, cmd_home: Path) -> None:
    random = Random(21)
    files = [batch(random) for _ in range(250)]
    before = cmd_words(files, tmp_path / "before", cmd_home, OUTSIDE)
    parsed = [parse(data, Path("webui-user.bat"), OUTSIDE) for data in files]
    assert [list(f.words) for f in parsed] == before
    edited: list[tuple[list[str], bytes]] = []
    for file, was in zip(parsed, before, strict=True):
        assert was is not None
        try:
            edited.append((was, edit(file, TARGET, owns)))
        except Refused as error:
            assert error.hint
    assert len(edited) > 200
    after = cmd_words([data for _, data in edited], tmp_path / "after", cmd_home, OUTSIDE)
    for (was, _), now in zip(edited, after, strict=True):
        assert now is not None and split(now) == wanted(was)


@settings(max_examples=fewer(400), deadline=None)
@given(st.text(alphabet=" \t\n\r\\\"'ab-$#\x85\xa0é", max_size=20))
def test_split_is_shlex(text: str) -> None:
    import shlex

    atoms = [values.Atom(c, i, i + 1, "bare") for i, c in enumerate(text)]
    try:
        expected = shlex.split(text)
    except ValueError:
        with pytest.raises(values.UnclosedQuote):
            values.split(atoms)
        return
    assert [w.text for w in values.split(atoms)] == expected


def read_or_refused(data: bytes, kind: str) -> None:
    """No bytes whatever may end in anything but a sound edit or a refusal with advice."""
    path = Path(f"x.{kind}")
    try:
        edited = edit(parse(data, path, {}), TARGET, owns)
    except Refused as error:
        assert error.message and error.hint
    else:
        assert edit(parse(edited, path, {}), TARGET, owns) == edited


@settings(max_examples=fewer(400), deadline=None)
@given(data=st.binary(max_size=200), kind=st.sampled_from(("sh", "bat")))
def test_any_bytes(data: bytes, kind: str) -> None:
    read_or_refused(data, kind)


PIECES = (
    "export ", "COMMANDLINE_ARGS=", "set ", '"', "'", "\\", "\n", "\r\n", "$(", ")", "${", "}", "`", "%", "^", "if ",
    "then ",
    "fi\n", "(", "--xformers", " --api", "#", ";", "&&", "|", "<<E\n", "case x in ", "esac", "rem ", "=", "$A",
    "%A%", "exec ",
    "goto x\n", ":x\n", "call webui.bat", "./webui.sh", "function f ", "{ ", "[[ ", "]] ", "((", "))",
    "else ", "for a in b; do ",
)


@settings(max_examples=fewer(400), deadline=None)
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=25), kind=st.sampled_from(("sh", "bat")))
@example(pieces=["(", ")", "export "], kind="sh")
@example(pieces=["echo $(", "(", ")", "export ", ")"], kind="sh")
@example(pieces=["if ", "(", ")", "{ ", ";", "}"], kind="sh")
def test_broken_scripts(pieces: list[str], kind: str) -> None:
    read_or_refused("".join(pieces).encode(), kind)
