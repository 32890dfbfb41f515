"""The transaction: what is kept, what is refused, what is undone, and what happens when the disk is full."""

from __future__ import annotations

import errno
import itertools
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from autotune.launchfile import config_json
from autotune.launchfile.checkpoints import Checkpoints
from autotune.launchfile.files import FileLayer
from autotune.launchfile.records import FileChange
from autotune.model.errors import NothingToWorkOn, Refused, StateDamaged
from tests.launchfile.faults import old_and_new
from tests.system import links

OLD, NEW = b"old\r\n--api-auth me:secret", b"new\r\n--api-auth me:secret"


@pytest.fixture
def script(quick_path: Path) -> Path:
    path = quick_path / "web ui" / "webui-user.sh"
    path.parent.mkdir()
    path.write_bytes(OLD)
    return path


@pytest.fixture
def checkpoints(quick_path: Path) -> Checkpoints:
    return Checkpoints(quick_path / "state" / "checkpoints")


def names(script: Path) -> list[str]:
    return sorted(p.name for p in script.parent.iterdir())


def test_apply_and_rollback_keep_mode_and_say_what_they_did(script: Path, checkpoints: Checkpoints) -> None:
    script.chmod(0o751)
    mode = stat.S_IMODE(script.stat().st_mode)
    assert mode == 0o751 or os.name == "nt"
    made = checkpoints.apply([FileChange(script, OLD, NEW)], {"study": "s7", "speedup": 1.47})
    assert script.read_bytes() == NEW and stat.S_IMODE(script.stat().st_mode) == mode
    current = checkpoints.current()
    assert current == made and made.meta == {"study": "s7", "speedup": 1.47} and made.state == "final"
    assert checkpoints.changed_since(script) == "same"
    undone = checkpoints.rollback(meta={"why": "asked"})
    assert script.read_bytes() == OLD and stat.S_IMODE(script.stat().st_mode) == mode
    assert undone.undoes == (made.id,) and undone.kind == "rollback" and undone.meta == {"why": "asked"}
    assert checkpoints.current() is None and checkpoints.changed_since(script) == "unmanaged"
    assert names(script) == ["webui-user.sh"]
    assert [c.kind for c in checkpoints.entries()] == ["apply", "rollback"]


@pytest.mark.skipif(os.name == "nt", reason="POSIX modes")
def test_saved_bytes_are_for_the_owner_alone(script: Path, checkpoints: Checkpoints) -> None:
    made = checkpoints.apply([FileChange(script, OLD, NEW)])
    folder = checkpoints.folder / made.id
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700 == stat.S_IMODE(checkpoints.folder.stat().st_mode)
    for file in folder.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "secret" not in (folder / "record.json").read_text()


def test_rollback_needs_nothing_but_the_folder(script: Path, checkpoints: Checkpoints) -> None:
    checkpoints.apply([FileChange(script, OLD, NEW)])
    Checkpoints(checkpoints.folder).rollback()
    assert script.read_bytes() == OLD


def test_rollback_to_an_older_one(script: Path, checkpoints: Checkpoints) -> None:
    steps = [OLD, b"one", b"two", b"three"]
    ids = [checkpoints.apply([FileChange(script, a, b)]).id for a, b in itertools.pairwise(steps)]
    with pytest.raises(NothingToWorkOn, match="no checkpoint '99'"):
        checkpoints.rollback("99")
    checkpoints.rollback()
    assert script.read_bytes() == b"two"
    checkpoints.rollback(ids[0].lstrip("0"))
    assert script.read_bytes() == OLD and checkpoints.current() is None
    with pytest.raises(NothingToWorkOn, match="nothing is applied"):
        checkpoints.rollback()


@links
def test_a_link_stays_a_link(script: Path, checkpoints: Checkpoints, quick_path: Path) -> None:
    link = quick_path / "link.sh"
    link.symlink_to("web ui/webui-user.sh")
    checkpoints.apply([FileChange(link, OLD, NEW)])
    assert link.is_symlink() and script.read_bytes() == NEW and not script.is_symlink()
    assert checkpoints.changed_since(link) == "same" == checkpoints.changed_since(script)
    checkpoints.rollback()
    assert link.is_symlink() and script.read_bytes() == OLD


def test_hard_links_in_one_folder_stay_one_file(script: Path, checkpoints: Checkpoints) -> None:
    other = script.with_name("copy.sh")
    os.link(script, other)
    checkpoints.apply([FileChange(script, OLD, NEW)])
    assert other.read_bytes() == NEW and script.stat().st_ino == other.stat().st_ino and script.stat().st_nlink == 2
    checkpoints.rollback()
    assert other.read_bytes() == OLD and script.stat().st_ino == other.stat().st_ino
    assert names(script) == ["copy.sh", "webui-user.sh"]


def test_hard_links_elsewhere_are_refused(script: Path, checkpoints: Checkpoints, quick_path: Path) -> None:
    os.link(script, quick_path / "elsewhere.sh")
    with pytest.raises(Refused, match="1 hard link outside its folder"):
        checkpoints.apply([FileChange(script, OLD, NEW)])
    assert script.read_bytes() == OLD and checkpoints.entries() == ()


@pytest.mark.skipif(os.name == "nt", reason="owners are a POSIX matter")
def test_owner_is_kept(script: Path, checkpoints: Checkpoints) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may give a file to another user")
    os.chown(script, 12345, 23456)
    checkpoints.apply([FileChange(script, OLD, NEW)])
    info = script.stat()
    assert (info.st_uid, info.st_gid) == (12345, 23456)


def test_a_read_only_file_is_refused_and_stays(script: Path, checkpoints: Checkpoints) -> None:
    script.chmod(0o444)
    with pytest.raises(Refused, match="read-only") as caught:
        checkpoints.apply([FileChange(script, OLD, NEW)])
    assert (caught.value.code == 5 and "chmod" in caught.value.hint) or os.name == "nt"
    assert script.read_bytes() == OLD and stat.S_IMODE(script.stat().st_mode) == 0o444
    assert not checkpoints.folder.exists()


@links
def test_bad_targets(quick_path: Path, checkpoints: Checkpoints) -> None:
    link = quick_path / "dangling"
    link.symlink_to("nowhere")
    for path, what in ((quick_path, "not an ordinary file"), (link, "which does not exist"),
                       (quick_path / "no" / "file", "does not exist")):
        with pytest.raises(NothingToWorkOn, match=what):
            checkpoints.apply([FileChange(path, OLD, NEW)])


def test_a_file_that_changed_meanwhile_is_left_alone(script: Path, checkpoints: Checkpoints) -> None:
    script.write_bytes(b"someone else")
    with pytest.raises(Refused, match="changed while"):
        checkpoints.apply([FileChange(script, OLD, NEW)])
    assert script.read_bytes() == b"someone else"


def test_edited_since_is_seen_and_not_overwritten(script: Path, checkpoints: Checkpoints) -> None:
    checkpoints.apply([FileChange(script, OLD, NEW)])
    script.write_bytes(NEW + b" mine")
    assert checkpoints.changed_since(script) == "edited"
    with pytest.raises(Refused, match="changed by someone else") as caught:
        checkpoints.rollback()
    kept = Path(caught.value.hint.split(" are in ")[0]), caught.value.hint
    assert "before" in kept[1] and script.read_bytes() == NEW + b" mine"
    done = checkpoints.rollback(force=True)
    assert script.read_bytes() == OLD and done.notes
    replaced = checkpoints.saved_bytes(done, script, "before")
    assert replaced == NEW + b" mine", "even a forced rollback keeps what it replaced"


def test_reset_by_git_is_seen(script: Path, checkpoints: Checkpoints) -> None:
    checkpoints.apply([FileChange(script, OLD, NEW)])
    script.write_bytes(OLD)
    assert checkpoints.changed_since(script) == "before"
    checkpoints.rollback()
    assert script.read_bytes() == OLD and checkpoints.current() is None


def test_an_apply_that_git_undid_is_over_when_the_next_one_stands(script: Path, checkpoints: Checkpoints) -> None:
    first = checkpoints.apply([FileChange(script, OLD, NEW)])
    script.write_bytes(OLD)
    second = checkpoints.apply([FileChange(script, OLD, b"newer")])
    assert second.undoes == (first.id,) and checkpoints.applied() == (second,)
    checkpoints.rollback()
    assert script.read_bytes() == OLD and checkpoints.current() is None


def test_recovery_goes_on_when_the_install_is_gone(script: Path, checkpoints: Checkpoints) -> None:
    checkpoints.begin([FileChange(script, OLD, NEW)])
    script.unlink()
    script.parent.rmdir()
    assert len(checkpoints.recover()) == 1 and checkpoints.recover() == ()


def test_a_deleted_file_comes_back_only_when_told(script: Path, checkpoints: Checkpoints) -> None:
    checkpoints.apply([FileChange(script, OLD, NEW)])
    script.unlink()
    assert checkpoints.changed_since(script) == "missing"
    with pytest.raises(Refused, match="was deleted"):
        checkpoints.rollback()
    checkpoints.rollback(force=True)
    assert script.read_bytes() == OLD


def test_a_file_that_was_not_there_goes_again(script: Path, checkpoints: Checkpoints) -> None:
    config = script.with_name("config.json")
    checkpoints.apply([FileChange(script, OLD, NEW), FileChange(config, None, b"{}")])
    assert config.read_bytes() == b"{}"
    checkpoints.rollback()
    assert not config.exists() and script.read_bytes() == OLD


def test_options_are_undone_by_key_after_a_rewrite(script: Path, checkpoints: Checkpoints) -> None:
    config = script.with_name("config.json")
    before = b'{\n    "batch_cond_uncond": true,\n    "x": 1\n}'
    config.write_bytes(before)
    wanted = {"batch_cond_uncond": False, "cross_attention_optimization": "Automatic", "x": 2}
    after = config_json.edit(before, wanted)
    changes = [FileChange(script, OLD, NEW), FileChange(config, before, after, old_and_new(before, wanted))]
    checkpoints.apply(changes)
    config.write_bytes(b'{"batch_cond_uncond": false, "cross_attention_optimization": "Automatic", "x": 3, "new": [1]}')
    done = checkpoints.rollback()
    assert config_json.values(config.read_bytes()) == {"batch_cond_uncond": True, "x": 3, "new": [1]}
    assert script.read_bytes() == OLD and any("x was changed" in note for note in done.notes)
    config.write_bytes(before)
    checkpoints.apply(changes)
    checkpoints.rollback()
    assert config.read_bytes() == before, "byte for byte when nobody rewrote it"


def test_begin_is_taken_back_unless_finished(script: Path, checkpoints: Checkpoints) -> None:
    begun = checkpoints.begin([FileChange(script, OLD, NEW)])
    assert script.read_bytes() == NEW and checkpoints.current() is None
    assert Checkpoints(checkpoints.folder).recover() == (f"an interrupted apply ({begun.id}) was taken back",)
    assert script.read_bytes() == OLD and checkpoints.recover() == ()
    assert checkpoints.entries()[0].state == "undone"
    begun = checkpoints.begin([FileChange(script, OLD, NEW)])
    assert checkpoints.abandon(begun).state == "undone" and script.read_bytes() == OLD


def test_recover_leaves_an_owners_edit_alone(script: Path, checkpoints: Checkpoints) -> None:
    checkpoints.begin([FileChange(script, OLD, NEW)])
    script.write_bytes(b"mine")
    checkpoints.recover()
    assert script.read_bytes() == b"mine" and "left as it is" in checkpoints.entries()[0].notes[0]


def test_damaged_records(script: Path, checkpoints: Checkpoints) -> None:
    made = checkpoints.apply([FileChange(script, OLD, NEW)])
    folder = checkpoints.folder / made.id
    (folder / "0.before").write_bytes(b"rotten")
    with pytest.raises(StateDamaged, match="not what was saved"):
        checkpoints.rollback()
    (folder / "record.json").write_bytes(b"{")
    assert checkpoints.damaged() == (folder,) and checkpoints.entries() == ()
    with pytest.raises(StateDamaged, match="cannot be read") as caught:
        checkpoints.rollback()
    assert caught.value.code == 8 and str(folder) in caught.value.hint
    assert script.read_bytes() == NEW


class FullDisk(FileLayer):
    """Every write from number ``at`` on fails for want of room, and leaves a torn file behind as disks do."""

    def __init__(self, at: int, where: Callable[[Path], bool], once: bool) -> None:
        self.at, self.where, self.once, self.count = at, where, once, 0

    def write(self, path: Path, data: bytes) -> None:
        mine = self.where(path)
        self.count += mine
        if mine and (self.count == self.at or (self.count > self.at and not self.once)):
            super().write(path, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().write(path, data)


@pytest.mark.parametrize("once", [True, False])
@pytest.mark.parametrize("at", range(1, 9))
def test_a_full_disk_changes_nothing(script: Path, checkpoints: Checkpoints, at: int, once: bool) -> None:
    config = script.with_name("config.json")
    config.write_bytes(b"{}")
    layer = FullDisk(at, lambda _: True, once)
    full = Checkpoints(checkpoints.folder, layer)
    changes = [FileChange(script, OLD, NEW), FileChange(config, b"{}", b'{"a": 1}')]
    try:
        full.apply(changes)
    except (Refused, StateDamaged) as error:
        assert error.hint
    else:
        assert layer.count < at, "the disk was full and nothing was said"
        return
    checkpoints.recover()
    assert script.read_bytes() == OLD and config.read_bytes() == b"{}"
    assert names(script) == ["config.json", "webui-user.sh"]
    assert checkpoints.current() is None
    checkpoints.apply(changes)
    assert script.read_bytes() == NEW


def test_no_state_folder_can_be_made(script: Path, quick_path: Path) -> None:
    (quick_path / "file").write_bytes(b"")
    with pytest.raises(StateDamaged, match="no checkpoint can be written"):
        Checkpoints(quick_path / "file" / "state").apply([FileChange(script, OLD, NEW)])
    assert script.read_bytes() == OLD


def test_back_over_two_sets_taken_in_turns(script: Path, checkpoints: Checkpoints) -> None:
    """An older apply that began from the bytes which are there now was not undone by that."""
    states = [OLD, b"a", b"b", b"a", b"b", b"a"]
    made = [checkpoints.apply([FileChange(script, *pair)]).id for pair in itertools.pairwise(states)]
    assert [c.id for c in checkpoints.applied()] == made
    checkpoints.rollback(made[3])
    assert script.read_bytes() == b"a"
    checkpoints.rollback(made[0])
    assert script.read_bytes() == OLD and checkpoints.current() is None


def test_a_reset_past_several_applies_ends_them_all(script: Path, checkpoints: Checkpoints) -> None:
    for pair in itertools.pairwise([OLD, b"a", b"b"]):
        checkpoints.apply([FileChange(script, *pair)])
    script.write_bytes(OLD)  # git checkout
    made = checkpoints.apply([FileChange(script, OLD, b"c")])
    assert checkpoints.applied() == (made,)
    checkpoints.rollback()
    assert script.read_bytes() == OLD and checkpoints.current() is None


def test_what_cannot_be_put_back_names_the_way_and_what_is_lost(script: Path, checkpoints: Checkpoints) -> None:
    checkpoints.apply([FileChange(script, OLD, NEW)])
    later = checkpoints.apply([FileChange(script, NEW, b"c")])
    (checkpoints.folder / later.id / "record.json").write_bytes(b"{")
    with pytest.raises(Refused) as caught:
        checkpoints.rollback()
    assert "--force" in caught.value.hint and later.id in caught.value.hint
    assert script.read_bytes() == b"c"
    checkpoints.rollback(force=True)
    assert script.read_bytes() == OLD
