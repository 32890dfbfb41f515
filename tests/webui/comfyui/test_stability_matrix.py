"""ComfyUI as a package of Stability Matrix: its options become the words that Windows would make of them, and an edit
keeps what the dialog shows in options of its own and all else in the free text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotune.launchfile.launch_file import LaunchFile
from autotune.model.errors import Refused
from autotune.webui.comfyui.layout import recognise
from autotune.webui.comfyui.stability_matrix import SHOWN, StabilityMatrixFile
from autotune.webui.stability_matrix import variables_of
from tests.webui.comfyui.installs import stability_matrix
from tests.webui.comfyui.judges import owns
from tests.webui.comfyui.test_desktop import anything, kept_and_managed, layouts, names, written

OWN = StabilityMatrixFile()
PATH = Path("settings.json")
FAST = ("--fast", "fp16_accumulation", "autotune")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stability_matrix(tmp_path_factory.mktemp("matrix")).root


def option(name: str, value: object) -> dict[str, object]:
    kind = "Bool" if isinstance(value, bool) else "Int" if isinstance(value, int) else "String"
    return {"Name": name, "Type": kind, "OptionValue": value}


def document(options: list[dict[str, object]] | None, others: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {**(others or {}), "InstalledPackages": [
        {"Id": "0", "PackageName": "stable-diffusion-webui", "LibraryPath": "Packages\\a1111",
         "LaunchArgs": [option("--lowvram", True)]},
        {"Id": "1", "PackageName": "ComfyUI", "LibraryPath": "Packages\\ComfyUI", "LaunchArgs": options}], "T": "é"}


def options_of(data: bytes) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(data.decode().removeprefix("\ufeff"))["InstalledPackages"][1]["LaunchArgs"]
    return found


def read(options: list[dict[str, object]], root: Path) -> LaunchFile:
    return OWN.parse(json.dumps(document(options), indent=2).encode(), PATH, root)


@pytest.mark.parametrize(("name", "value", "words"), [
    ("--use-sage-attention", True, ["--use-sage-attention"]), ("--lowvram", False, []), ("--lowvram", None, []),
    ("--preview-method auto", True, ["--preview-method", "auto"]), ("--port", "8188", ["--port", "8188"]),
    ("--reserve-vram", "0.9", ["--reserve-vram", "0.9"]), ("--reserve-vram", " ", []), ("--n", 3, ["--n", "3"]),
    ("--output-directory", "C:\\my pictures", ["--output-directory", "C:\\my pictures"]),
    ("--output-directory", '"C:\\my pictures"', ["--output-directory", "C:\\my pictures"]),
    ("--name", 'a "b" c', ["--name", 'a "b" c']), ("--name", 'a"b', ["--name", 'a"b']),
    ("", "--fast fp16_accumulation autotune", list(FAST)), ("", '--dir "C:\\a b" ""', ["--dir", "C:\\a b", ""]),
    ("", "  ", []), ("", "--a\t--b", ["--a", "--b"]),
])
def test_an_option_gives_the_words_that_stability_matrix_passes_on(
    name: str, value: object, words: list[str], root: Path
) -> None:
    assert list(read([option(name, value)], root).words) == words


def test_what_the_dialog_shows_is_switched_there_and_all_else_is_free_text(root: Path) -> None:
    given_options = [option("--use-pytorch-cross-attention", True), option("--preview-method auto", True),
                     option("--use-sage-attention", False), option("", "--disable-metadata")]
    file = read(given_options, root)
    edited = OWN.edit(file, ("--use-sage-attention", "--highvram", *FAST), owns)
    assert options_of(edited) == [
        option("--highvram", True), option("--use-pytorch-cross-attention", False),
        option("--preview-method auto", True), option("--use-sage-attention", True),
        option("", "--disable-metadata --fast fp16_accumulation autotune")]
    back = OWN.edit(OWN.parse(edited, PATH, root), ("--use-pytorch-cross-attention",), owns)
    assert options_of(back) == [option("--highvram", False), *given_options]


def test_a_package_that_was_never_started_has_no_options_to_edit(root: Path) -> None:
    file = OWN.parse(json.dumps(document(None)).encode(), PATH, root)
    assert file.words == () and file.why_not
    with pytest.raises(Refused) as caught:
        OWN.edit(file, FAST, owns)
    assert " ".join(FAST) in caught.value.hint


@pytest.mark.parametrize("text", ['--dir "C:\\my models', '--dir "C:\\my models\\" --x', '"'])
def test_a_quote_without_end_is_read_and_not_edited(text: str, root: Path) -> None:
    file = read([option("", text), option("--port", "1")], root)
    assert "never closed" in str(file.why_not) and "--port" not in file.words
    with pytest.raises(Refused):
        OWN.edit(file, FAST, owns)


own = st.sampled_from([
    option("--preview-method auto", True), option("--port", "9000"), option("--listen", ""), option("--x", "a b"),
    option("--cpu", False), option("--y", 7), option("", "--disable-metadata  é\t--z"), option("", '"a b"')])
managed = st.sampled_from([
    option("--lowvram", True), option("--use-sage-attention", False), option("--use-pytorch-cross-attention", True),
    option("--force-channels-last", True), option("--cache-lru", "9"), option("", "--lowvram --a --fast autotune x"),
    option("", "--fast fp16_accumulation")])
targets = st.sampled_from([(), FAST, ("--use-sage-attention",), ("--lowvram", "--cache-lru", "3"),
                           ("--force-channels-last", "--highvram", "--fast", "cublas_ops")])


each = st.lists(own | managed, max_size=5, unique_by=lambda one: str(one["Name"]))


@settings(deadline=None)
@given(others=st.dictionaries(names, anything, max_size=3), layout=layouts, newline=st.sampled_from(["\n", "\r\n"]),
       options=each, target=targets, bom=st.booleans())
def test_all_else_stays(root: Path, others: dict[str, Any], layout: Mapping[str, Any], newline: str,
                        options: list[dict[str, object]], target: tuple[str, ...], bom: bool) -> None:
    before = document(options, others)
    data = b"\xef\xbb\xbf" * bom + written(before, layout, newline)
    file = OWN.parse(data, PATH, root)
    edited = OWN.edit(file, target, owns)
    assert edited.startswith(b"\xef\xbb\xbf") is bom
    after = json.loads(edited.decode().removeprefix("\ufeff"))
    now = after["InstalledPackages"][1].pop("LaunchArgs")
    assert len({one["Name"] for one in now}) == len(now), "the dialog reads only the first of a name"
    del before["InstalledPackages"][1]["LaunchArgs"]
    assert after == before
    again = OWN.parse(edited, PATH, root)
    assert kept_and_managed(again.words) == (kept_and_managed(file.words)[0], sorted(target))
    given_names = {one["Name"] for one in options}
    assert all(one["Name"] in given_names or one["Name"] in SHOWN or one["Name"] == "" for one in now), \
        "what the dialog does not show, its next save would drop"
    assert OWN.edit(again, target, owns) == edited


def test_the_layout_names_the_settings_and_a_package_that_is_not_listed_says_so(tmp_path: Path) -> None:
    made = stability_matrix(tmp_path)
    place = tmp_path / "Data/settings.json"
    layout = recognise(made.root, "linux", {})
    assert (layout.kind, layout.host, layout.launch_files) == ("comfyui", "stability-matrix", (place,))
    place.write_text(json.dumps({"InstalledPackages": []}))
    layout = recognise(made.root, "linux", {})
    assert not layout.manageable and "does not list it" in str(layout.why_not)


@pytest.mark.parametrize(("given_variables", "expected"), [
    ({"EnvironmentVariables": {"A": "1", "B": 2}}, {"A": "1"}),
    ({"EnvironmentVariables": {"A": "1"}, "UserEnvironmentVariablesList": []}, {"A": "1"}),
    ({"EnvironmentVariables": {"A": "1"}, "UserEnvironmentVariablesList": [
        {"Key": "B", "Value": "2", "IsEnabled": True}, {"Key": "C", "Value": "3", "IsEnabled": False},
        {"Key": " ", "Value": "4", "IsEnabled": True}, {"Key": "B", "Value": "5", "IsEnabled": True}]}, {"B": "5"}),
    ({"UserEnvironmentVariablesList": [{"Key": "C", "Value": "3", "IsEnabled": False}]}, {}),
    ([], {}), ({"EnvironmentVariables": None}, {}),
])
def test_variables_are_those_that_its_owner_switched_on(
    given_variables: object, expected: dict[str, str], tmp_path: Path
) -> None:
    place = tmp_path / "settings.json"
    place.write_text(json.dumps(given_variables), encoding="utf-8-sig")
    assert variables_of(place) == expected
