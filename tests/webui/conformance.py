"""What every kind of web UI must answer, whatever its ways: the suite that a new one is written against.

``check_files`` needs an install's files alone and starts nothing; ``check_process`` starts it as a trial. Both take any
``WebUI`` and an install of it whose launch file gives at least one flag that autotune keeps.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from autotune.flags.words import replace as replace_words
from autotune.flags.words import split
from autotune.launchfile import edit
from autotune.launchfile.reader import parse
from autotune.model.flagset import Candidate, FlagSet
from autotune.model.machine import Machine
from autotune.model.workload import SearchSpec, Workload
from autotune.trial import LaunchPlan, Server, start
from autotune.webui import recognise
from autotune.webui.face import Credentials, TrialStart, WebUI
from autotune.workload.clip import ClipRefusal, check_clip
from tests.waiting import wait_for

CLIP = Workload(64, 64, 4, 2)
MOST = 6
"""Candidates that are looked at where each costs something."""


def tree(root: Path) -> dict[str, str]:
    """Each file below ``root`` with a digest of what it holds."""
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(root.rglob("*")) if path.is_file() and "__pycache__" not in path.parts}


def owners_words(webui: WebUI, root: Path) -> tuple[str, ...]:
    """The flags that the launch file gives."""
    return webui.read(root, webui.layout(root)).words


def machine_of(webui: WebUI, root: Path) -> Machine:
    """The install as the kind itself sees it."""
    layout = webui.layout(root)
    return webui.inspect(root, layout.launch_files[-1], owners_words(webui, root))


def words_of(webui: WebUI, machine: Machine, candidate: Candidate, dimensions: Sequence[str]) -> tuple[str, ...]:
    """All words of a start with exactly this set."""
    catalogue = webui.catalogue(machine.webui.root)
    return replace_words(machine.webui.flags, FlagSet(candidate.flags.words), catalogue, dimensions)


def check_files(webui: WebUI, root: Path, empty: Path, spec: SearchSpec | None = None) -> None:
    """Recognition, launch file, sets, edits, preparation: told from files, and nothing in the install changes."""
    before = tree(root)
    _recognised(webui, root, empty)
    machine = machine_of(webui, root)
    _inspected(webui, root, machine)
    _sets(webui, machine, spec)
    _edits(webui, root, machine, spec)
    _prepared(webui, machine, empty)
    assert tree(root) == before, "looking at an install changed a file of it"


def _recognised(webui: WebUI, root: Path, empty: Path) -> None:
    assert webui.holds(root) and recognise.face_of(root) is webui
    assert not webui.holds(empty) and not webui.holds(empty / "absent")
    assert webui.programs and webui.folder_names
    assert all(one is webui or not one.holds(root) for one in recognise.kinds()), "another kind claims it, too"


def _inspected(webui: WebUI, root: Path, machine: Machine) -> None:
    layout, seen = webui.layout(root), machine.webui
    assert layout.manageable and layout.why_not is None and all(path.is_file() for path in layout.launch_files)
    assert layout.owners_file is not None and str(layout.owners_file) in layout.where_flags_go
    assert seen.root == root and seen.manageable and seen.python is not None and not seen.running
    parts = split(seen.flags, webui.catalogue(root))
    assert (seen.tuned_flags, seen.kept_flags) == (parts.tuned, parts.kept) and parts.kept
    files = (root, layout.launch_files[-1], seen.flags)
    assert webui.fingerprint(*files) == webui.fingerprint(*files)
    parts_now = dict(webui.fingerprint(*files).parts)
    assert set(webui.narrowed(parts_now, 16)) == set(parts_now)
    assert root in webui.watched(*files)
    told = webui.printed_clips(b"no clip\n")
    assert told.clips == () and 0 <= told.read <= 8 and webui.own_output(b"no clip\n") == 0
    assert webui.saved_clips(root, files[2], time.time() + 3600.0) == []
    assert set(webui.live_parts) <= set(dict(webui.fingerprint(*files).parts))
    assert all(one.ok or one.hint for one in webui.checks(machine, layout.launch_files[-1]))


def _sets(webui: WebUI, machine: Machine, spec: SearchSpec | None) -> None:
    space = webui.space(machine, spec)
    names = [one.id for one in space.candidates]
    dimensions = [one.name for one in space.dimensions]
    assert len(set(names)) == len(names) > 1 and space.baseline in names
    catalogue, saved = webui.catalogue(machine.webui.root), dict(machine.settings)
    assert webui.name_of(webui.effective(machine.webui.flags, saved, machine)) == space.baseline
    usual = webui.usual_options()
    for one in space.candidates:
        assert all(catalogue.owns(one.flags.words, dimensions)), f"{one.id} writes a flag that is not autotune's"
        settings = {**saved, **usual, **dict(one.flags.settings)}
        words = words_of(webui, machine, one, dimensions)
        assert webui.name_of(webui.effective(words, settings, machine)) == one.id
        assert webui.process_for(one, space, True)[0] == one.flags.words
        assert webui.refused(machine.webui.root, words, None) is None
        assert [name for name, _ in one.levels] == dimensions
        assert set(one.flags.words) <= set(words)
        mates = [mate for mate in space.candidates if mate.launch_key == one.launch_key]
        assert len(mates) == 1 or all(webui.switch_of(mate, True) is not None for mate in mates)


def _edits(webui: WebUI, root: Path, machine: Machine, spec: SearchSpec | None) -> None:
    file = webui.read(root, webui.layout(root))
    space, catalogue = webui.space(machine, spec), webui.catalogue(root)
    dimensions = [one.name for one in space.dimensions]
    kept = split(file.words, catalogue, dimensions).kept
    for one in space.candidates[:MOST]:
        data = edit(file, one.flags.words, lambda words: catalogue.owns(words, dimensions), webui.block_flags())
        after = parse(data, file.path, file.environ, root)
        found = split(after.words, catalogue, dimensions)
        assert sorted(found.tuned) == sorted(one.flags.words) and found.kept == kept
        again = edit(after, split(file.words, catalogue, dimensions).tuned,
                     lambda words: catalogue.owns(words, dimensions), webui.block_flags())
        assert parse(again, file.path, file.environ, root).words == file.words


def _prepared(webui: WebUI, machine: Machine, folder: Path) -> None:
    assert machine.webui.python is not None
    place = folder / "trial"
    place.mkdir()
    secret = Credentials.make()
    seen = machine.webui
    made = webui.prepare(TrialStart(
        seen.root, machine.webui.python, seen.flags, (), seen.launch_file, False, place, 7861, secret))
    assert isinstance(made.argv, tuple) and secret.password not in " ".join(made.argv), "argv is there for all to see"
    assert Path(made.argv[0]).is_file() and any(Path(word).name in webui.programs for word in made.argv)
    assert any("7861" in text for text in (*made.argv, *made.environment.values()))
    assert any(secret.password in value for value in made.environment.values())


def check_process(webui: WebUI, root: Path, runs: Path, spec: SearchSpec | None = None) -> None:
    """A start that is ours alone, sets in effect and switched to, a clip that was computed now, and no trace."""
    assert recognise.face_of(root) is webui
    machine, before = machine_of(webui, root), tree(root)
    webui.require_clips(machine)
    space = webui.space(machine, spec)
    groups: dict[str, list[Candidate]] = {}
    for one in space.candidates:
        groups.setdefault(one.launch_key, []).append(one)
    for mates in list(groups.values())[:2]:
        words, settings = webui.process_for(mates[0], space, len(mates) == 1)
        assert machine.webui.python is not None
        whole = replace(mates[0], flags=FlagSet(words))
        plan = LaunchPlan(root, machine.webui.python,
                          words_of(webui, machine, whole, [one.name for one in space.dimensions]), runs,
                          settings=tuple(settings.items()), start_limit=120.0)
        with start(plan) as server:
            _one_process(webui, server, machine, mates[:3])
            report = server.stop()
        assert report.clean and report.traces == ()
    assert tree(root) == before


def _one_process(webui: WebUI, server: Server, machine: Machine, mates: Sequence[Candidate]) -> None:
    def in_effect(one: Candidate) -> Callable[[], bool]:
        return lambda: not webui.mismatches(
            one.effective, server.client.reported(server.attention_logged()), machine)

    for number, one in enumerate(mates):
        if number:
            switch = webui.switch_of(one, True)
            assert switch is not None
            server.client.set_options(switch)
        assert wait_for(in_effect(one), 10.0), f"{one.id} is not in effect"
        others = [mate for mate in mates if mate is not one]
        assert all(webui.mismatches(mate.effective, server.client.reported(server.attention_logged()), machine)
                   for mate in others), "two sets cannot be told apart"
        rendered = server.client.render(CLIP, 7, motion_module=webui.motion_module(machine, CLIP.window))
        frames = check_clip(rendered.images[0], CLIP)
        assert not isinstance(frames, ClipRefusal) and not rendered.lacks and rendered.seconds > 0, rendered.lacks
    assert not server.client.job().busy and not server.client.was_interrupted()
    server.client.memory()
    assert list(webui.clients(f"127.0.0.1:{server.port}", None)), "nobody could ask the owner's own"
