"""Profiles: what is sound loads, what is not names file, line and key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.model.codec import InvalidRecord
from autotune.model.errors import UsageProblem
from autotune.model.workload import SEARCH_LEVELS, DecideSpec, Profile, SearchSpec, Workload
from autotune.workload import profile as profiles

GOOD = """\
name = "mine"

[[workload]]
width = 128
height = 64
frames = 8
steps = 2

[search]
attention = ["sdp", "v1"]
channelslast = [false, true]
"""


@pytest.mark.parametrize("name", sorted(profiles.shipped_profiles()))
def test_shipped_profiles_are_sound(name: str) -> None:
    assert profiles.load(name).name == name


def test_profiles_are_found_by_name_and_by_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    loaded = profiles.load(str(path))
    assert loaded.workloads == (Workload(128, 64, 8, 2, context=8),)
    assert loaded.search.dimensions == (("attention", ("sdp", "v1")), ("channelslast", ("false", "true")))
    assert profiles.load("tiny").minutes == 10


@pytest.mark.parametrize(("text", "context"), [
    ("frames = 8", 8), ("frames = 16", 16), ("frames = 24", 16), ("frames = 64", 16),
    ("frames = 24\ncontext = 24", 24), ("frames = 8\ncontext = 16", 16),
])
def test_the_context_is_the_extensions_own_unless_said_otherwise(tmp_path: Path, text: str, context: int) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD.replace("frames = 8", text))
    loaded = profiles.load(str(path))
    assert loaded.workloads[0].window == context
    assert profiles.to_json(loaded)["workload"][0]["context"] == context


def test_a_study_older_than_contexts_rendered_all_frames_at_once() -> None:
    document = profiles.to_json(profiles.load("large"))
    for one in document["workload"]:
        del one["context"]
    old = profiles.from_json(document)
    assert [one.window for one in old.workloads] == [one.frames for one in old.workloads]
    assert profiles.to_json(old) == document


def test_the_large_clip_is_rendered_at_once_as_in_the_article() -> None:
    assert [(one.frames, one.window) for one in profiles.load("large").workloads] == [(16, 16), (24, 24)]


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("frames = 8", "framse = 8", 6, "framse: unknown key"),
        ("width = 128", "width = 130", 4, "not a multiple of 8"),
        ("width = 128", "width = 0", 4, "outside 64 to 4096"),
        ("width = 128", "width = 1e3", 4, "must be a whole number"),
        ("width = 128", "width = true", 4, "must be a whole number"),
        ("steps = 2", "", 3, "steps: is missing"),
        ("frames = 8", "frames = 1", 6, "outside 2 to 64"),
        ("frames = 8", "frames = 8\ncontext = 0", 7, "outside 1 to 64"),
        ("frames = 8", "frames = 8\ncontext = 65", 7, "outside 1 to 64"),
        ("frames = 8", "frames = 8\ncontext = 16.0", 7, "must be a whole number"),
        ('["sdp", "v1"]', "[]", 10, "at least one entry"),
        ('["sdp", "v1"]', '["spd"]', 10, "'spd' is not one of"),
        ('["sdp", "v1"]', '["sdp", "sdp"]', 10, "stands twice"),
        ("channelslast", "chanelslast", 11, "unknown key"),
        ("[search]", "[serach]", 9, "serach: unknown key"),
        ('name = "mine"', "name = 3", 1, "must be a text"),
        ('name = "mine"', "name = ", 1, "not valid TOML"),
    ],
)
def test_mistakes_name_file_line_and_key(tmp_path: Path, old: str, new: str, line: int, words: str) -> None:
    path = tmp_path / "mine.toml"
    assert old in GOOD
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(UsageProblem) as caught:
        profiles.load(str(path))
    assert caught.value.message.startswith(f"{path}:{line}: ")
    assert words in caught.value.message
    assert caught.value.hint


def test_no_workload_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.toml"
    path.write_text('name = "empty"\n')
    with pytest.raises(UsageProblem, match="at least one"):
        profiles.load(str(path))


def test_unknown_name_lists_the_known() -> None:
    with pytest.raises(UsageProblem) as caught:
        profiles.load("nope")
    assert "tiny" in caught.value.hint


def test_unreadable_and_not_utf8(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="cannot be read"):
        profiles.load(str(tmp_path / "absent.toml"))
    path = tmp_path / "latin.toml"
    path.write_bytes(b'name = "\xe9"\n')
    with pytest.raises(UsageProblem, match="not UTF-8"):
        profiles.load(str(path))


_workloads = st.builds(
    Workload,
    width=st.integers(8, 512).map(lambda n: n * 8),
    height=st.integers(8, 512).map(lambda n: n * 8),
    frames=st.integers(2, 64),
    steps=st.integers(1, 150),
    cfg_scale=st.floats(1, 30),
    sampler=st.sampled_from(["Euler a", "DPM++ 2M"]),
    weight=st.floats(0.01, 100),
    context=st.none() | st.integers(1, 64),
)
_search = st.dictionaries(
    st.sampled_from(sorted(SEARCH_LEVELS)), st.just(()), max_size=6
).map(lambda names: SearchSpec(tuple((name, SEARCH_LEVELS[name]) for name in names)))


@given(st.builds(
    Profile,
    name=st.text(min_size=1),
    workloads=st.lists(_workloads, min_size=1, max_size=3).map(tuple),
    search=_search,
    decide=st.builds(DecideSpec, min_gain=st.floats(0, 1), confidence=st.floats(0.5, 0.999)),
    minutes=st.floats(0.1, 100),
))
def test_a_profile_survives_its_document(profile: Profile) -> None:
    assert profiles.from_json(profiles.to_json(profile)) == profile


GRAPH = {"1": {"class_type": "KSampler", "inputs": {"seed": 3, "steps": 9}}}


def with_graph(folder: Path, more: str = "", graph: object = GRAPH) -> Path:
    (folder / "flows").mkdir(exist_ok=True)
    (folder / "flows" / "mine.json").write_text(json.dumps(graph), encoding="utf-8")
    path = folder / "mine.toml"
    path.write_text(f'[[workload]]\nworkflow = "flows/mine.json"\n{more}', encoding="utf-8")
    return path


def test_a_workflow_lies_beside_its_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (one,) = profiles.load(str(with_graph(tmp_path, "weight = 3.0"))).workloads
    assert one.is_workflow and one.weight == 3.0 and one.workflow == str(tmp_path / "flows" / "mine.json")
    monkeypatch.chdir(tmp_path)
    assert profiles.load("mine.toml").workloads == (one,), "wherever one calls from"
    with_graph(tmp_path, graph={**GRAPH, "2": {"class_type": "A", "inputs": {}}})
    assert profiles.load("mine.toml").workloads != (one,)


@pytest.mark.parametrize(("more", "words"), [
    ("width = 64", "unknown key"), ("steps = 3", "unknown key"), ("weight = 0", "is outside"),
    ("workflow_digest = \"a\"", "unknown key")])
def test_a_workflow_has_no_figures_of_its_own(tmp_path: Path, more: str, words: str) -> None:
    with pytest.raises(UsageProblem, match=words):
        profiles.load(str(with_graph(tmp_path, more)))


@pytest.mark.parametrize("graph", [None, [], 3, "text"])
def test_a_workflow_that_is_none_names_file_line_and_key(tmp_path: Path, graph: object) -> None:
    path = with_graph(tmp_path, graph=graph)
    with pytest.raises(UsageProblem, match=r"mine.toml:2: workload.1.workflow: .*not a workflow") as caught:
        profiles.load(str(path))
    assert caught.value.hint
    (tmp_path / "flows" / "mine.json").unlink()
    with pytest.raises(UsageProblem, match=r"mine.toml:2: workload.1.workflow: .*no such file"):
        profiles.load(str(path))


def test_a_profile_with_a_workflow_survives_its_document(tmp_path: Path) -> None:
    loaded = profiles.load(str(with_graph(tmp_path)))
    document = profiles.to_json(loaded)
    again = profiles.from_json(json.loads(json.dumps(document)))
    assert again == loaded and again.workloads[0].workflow == loaded.workloads[0].workflow
    assert "sampler" not in document["workload"][0] and "cfg_scale" not in document["workload"][0]
    # Where the file lies is no part of what is asked; what is in it is.
    (moved := tmp_path / "elsewhere").mkdir()
    other = profiles.load(str(with_graph(moved)))
    assert profiles.question_json(other) == profiles.question_json(loaded)
    assert profiles.to_json(other) != profiles.to_json(loaded)
    changed = profiles.load(str(with_graph(moved, graph={"2": GRAPH["1"]})))
    assert profiles.question_json(changed) != profiles.question_json(loaded)


@pytest.mark.parametrize("name", sorted(profiles.shipped_profiles()))
def test_clips_of_our_own_ask_as_before(name: str) -> None:
    """A study that was begun before there were workflows is resumed."""
    loaded = profiles.load(name)
    document = profiles.to_json(loaded)
    assert profiles.question_json(loaded) == document
    assert not any("workflow" in key for one in document["workload"] for key in one)
    assert "workflow" not in repr(loaded), "the agent tells a profile by its text"


@pytest.mark.parametrize("missing", ["width", "height", "frames", "steps"])
def test_only_a_workflow_may_lack_a_figure(missing: str) -> None:
    document = profiles.to_json(profiles.load("tiny"))
    document["workload"][0][missing] = 0
    with pytest.raises(InvalidRecord, match="must be above 0"):
        profiles.from_json(document)


def test_default_means_what_a_kind_of_web_ui_calls_usual() -> None:
    assert profiles.asked_for("default").name == "default"
    assert profiles.asked_for("default", usual="comfyui-default").name == "comfyui-default"
    assert profiles.asked_for("tiny", usual="comfyui-default").name == "tiny"
