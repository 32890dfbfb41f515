"""An apply is undone in a file that its own program has written anew since: the flags as before, all else as it is."""

from __future__ import annotations

import configparser
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autotune.launchfile import formats
from autotune.launchfile.checkpoints import Checkpoints
from autotune.launchfile.formats import LaunchFormat
from autotune.launchfile.records import FileChange
from autotune.model.errors import Refused
from autotune.webui.comfyui.comfy_cli import ComfyCliFile
from autotune.webui.comfyui.desktop import Desktop1File, Desktop2File
from autotune.webui.comfyui.stability_matrix import StabilityMatrixFile
from tests.webui.comfyui.judges import owns

ROOT = Path("/data/Packages/ComfyUI")
ARGS = "Comfy.Server.LaunchArgs"
TARGET = ("--use-sage-attention", "--force-channels-last")


def ini(**more: str) -> bytes:
    parser = configparser.ConfigParser()
    parser["DEFAULT"] = {"default_workspace": str(ROOT), **more}
    out = io.StringIO()
    parser.write(out)
    return out.getvalue().encode()


def anew_ini(data: bytes) -> bytes:
    parser = configparser.ConfigParser()
    parser.read_string(data.decode())
    parser["DEFAULT"]["recent_workspace"] = "/else/where"
    out = io.StringIO()
    parser.write(out)
    return out.getvalue().encode()


def anew_json(change: Callable[[Any], object]) -> Callable[[bytes], bytes]:
    def write(data: bytes) -> bytes:
        document = json.loads(data)
        change(document)
        return json.dumps(document, indent=2).encode()
    return write


def matrix(options: list[dict[str, object]]) -> bytes:
    return json.dumps({"InstalledPackages": [
        {"Id": "0", "LibraryPath": "Packages\\a1111", "LaunchArgs": []},
        {"Id": "1", "LibraryPath": "Packages\\ComfyUI", "LaunchArgs": options}]}).encode()


def installs(*flags: str) -> bytes:
    return json.dumps([{"installPath": str(ROOT), "sourceId": "git", **({"launchArgs": flags[0]} if flags else {})},
                       {"installPath": "/b", "launchArgs": "--cpu"}]).encode()


CASES: dict[str, tuple[LaunchFormat, Path, bytes, Callable[[bytes], bytes]]] = {
    "ini": (ComfyCliFile(), Path("config.ini"), ini(default_launch_extras="--lowvram --port 9000"), anew_ini),
    "ini without": (ComfyCliFile(), Path("config.ini"), ini(), anew_ini),
    "matrix": (StabilityMatrixFile(), Path("settings.json"),
               matrix([{"Name": "--lowvram", "Type": "Bool", "OptionValue": True}]),
               anew_json(lambda d: d.update(Theme="Dark"))),
    "first": (Desktop1File(), Path("comfy.settings.json"), json.dumps({"a": 1, ARGS: {"lowvram": ""}}).encode(),
              anew_json(lambda d: d.update(b=2))),
    "first without": (Desktop1File(), Path("comfy.settings.json"), b'{"a": 1}', anew_json(lambda d: d.update(b=2))),
    "second": (Desktop2File(), Path("installations.json"), installs("--lowvram --port 9000"),
               anew_json(lambda d: (d[0].update(lastLaunchedAt=5), d.insert(0, {"installPath": "/new"})))),
    "second without": (Desktop2File(), Path("installations.json"), installs(),
                       anew_json(lambda d: d[1].update(launchArgs="--highvram"))),
}


@pytest.mark.parametrize("case", CASES)
def test_only_the_flags_go_back(case: str) -> None:
    kind, path, before, write_anew = CASES[case]
    file = kind.parse(before, path, ROOT)
    after = kind.edit(file, TARGET, owns)
    now = write_anew(after)
    back = kind.put_back(now, before, after)
    assert back is not None
    assert kind.parse(back, path, ROOT).words == file.words
    assert kind.edit(kind.parse(back, path, ROOT), TARGET, owns) != back
    again = kind.put_back(write_anew(back), after, before)
    assert again is None or kind.parse(again, path, ROOT).words == kind.parse(after, path, ROOT).words
    if path.suffix == ".json" and "without" not in case:
        assert json.loads(back) == json.loads(write_anew(before))


@pytest.mark.parametrize("case", CASES)
def test_flags_that_were_changed_since_stay(case: str) -> None:
    kind, path, before, write_anew = CASES[case]
    after = kind.edit(kind.parse(before, path, ROOT), TARGET, owns)
    now = kind.edit(kind.parse(write_anew(after), path, ROOT), ("--highvram",), owns)
    assert kind.put_back(now, before, after) is None
    assert kind.put_back(b"broken", before, after) is None


@pytest.mark.parametrize("case", CASES)
def test_a_file_that_its_program_wrote_anew_counts_as_unchanged(case: str, tmp_path: Path) -> None:
    kind, known, before, write_anew = CASES[case]
    formats.register((kind,))
    path = tmp_path / known.name
    path.write_bytes(before)
    store = Checkpoints(tmp_path / "state")
    after = kind.edit(kind.parse(before, path, ROOT), TARGET, owns)
    done = store.apply([FileChange(path, before, after)])
    path.write_bytes(write_anew(after))
    assert store.changed_since(path) == "same"
    path.write_bytes(kind.edit(kind.parse(write_anew(after), path, ROOT), ("--highvram",), owns))
    assert store.changed_since(path) == "edited"
    path.write_bytes(write_anew(after) + b" ")
    (tmp_path / "state" / done.id / "0.before").write_bytes(b"damaged")
    assert store.changed_since(path) == "edited"


def test_damaged_bytes_of_an_apply_leave_the_way_by_force(tmp_path: Path) -> None:
    place = tmp_path / "config.ini"
    before = ini(default_launch_extras="--lowvram")
    place.write_bytes(before)
    formats.register((ComfyCliFile(),))
    store = Checkpoints(tmp_path / "state")
    after = ComfyCliFile().edit(ComfyCliFile().parse(before, place, ROOT), TARGET, owns)
    done = store.apply([FileChange(place, before, after)])
    (tmp_path / "state" / done.id / "0.after").write_bytes(b"damaged")
    place.write_bytes(anew_ini(after))
    with pytest.raises(Refused, match="changed by someone else"):
        store.rollback()
    store.rollback(force=True)
    assert place.read_bytes() == before
