"""Long paths, network folders and the prefix that takes a path as it is."""

from __future__ import annotations

import ntpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.model import windows_paths as paths

NAME = st.text("abcdefgh Üソ.()&'", min_size=1, max_size=40).map(lambda text: f"x{text}x")
PLAIN = st.builds(lambda drive, names: drive + "\\".join(names),
                  st.sampled_from(["C:\\", "d:\\", "\\\\server\\share\\", "\\\\10.0.0.7\\d$\\"]),
                  st.lists(NAME, min_size=1, max_size=12))


@given(PLAIN)
def test_a_long_path_is_made_to_open_and_back(path: str) -> None:
    longer = paths.with_prefix(path)
    assert (longer == path) == (len(path) <= paths.LONGEST_FOLDER)
    assert paths.without_prefix(longer) == path and paths.without_prefix(path) == path
    assert paths.with_prefix(longer) == longer
    assert longer == path or longer.startswith("\\\\?\\")
    assert ntpath.basename(longer) == ntpath.basename(path)


@pytest.mark.parametrize(("path", "usual"), [
    (r"\\?\C:\webui", r"C:\webui"), (r"\\?\UNC\server\share\webui", r"\\server\share\webui"),
    (r"\\?\unc\server\share", r"\\server\share"), (r"\\?\Volume{b75e}\webui", r"\\?\Volume{b75e}\webui"),
    (r"\\.\pipe\x", r"\\.\pipe\x"), ("~/webui", "~/webui"), ("", ""), (r"\\server\share", r"\\server\share"),
])
def test_the_usual_spelling(path: str, usual: str) -> None:
    assert paths.without_prefix(path) == usual


@pytest.mark.parametrize(("folder", "why"), [
    (r"C:\webui", None), (r"S:\webui", None), ("C:/webui", None), (r"\\?\C:\webui", None),
    (r"\\server\share\webui", r"network folder \\server\share\webui"),
    ("//server/share/webui", r"network folder \\server\share\webui"),
    (r"\\?\UNC\server\share\webui", r"network folder \\server\share\webui"),
    ("C:\\" + "a" * 244, None), ("C:\\" + "a" * 245, "has 248 letters"),
])
def test_where_cmd_can_work(folder: str, why: str | None) -> None:
    found = paths.why_not_for_cmd(folder)
    assert (found is None) if why is None else (found is not None and why in found[0] and "W:" in found[1])


def test_a_network_folder_is_good_for_a_trial_but_not_a_long_one() -> None:
    assert paths.why_too_long(r"\\server\share\webui") is None and paths.why_too_long("C:\\" + "a" * 300) is not None


@pytest.mark.parametrize(("length", "allowed", "fits"), [(139, False, True), (140, False, False), (400, True, True)])
def test_files_below_a_folder(length: int, allowed: bool, fits: bool) -> None:
    assert (paths.why_files_too_long("a" * length, 120, allowed) is None) is fits
