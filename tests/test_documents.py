"""The documents for contributors name files that exist, and the package says that it is typed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
ROOMS = ("autotune", "benchmarks", "tests", "docs", "profiles", "systemd", "optunahub")
NAMED = re.compile(rf"`((?:{'|'.join(ROOMS)})/[\w./-]*)`")
LINKED = re.compile(r"\]\(([\w./-]+)\)")


def project() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "SECURITY.md", "docs/security.md", "docs/services.md",
                                  "docs/install.md", "docs/article.md"])
def test_every_path_and_link_of_the_page_exists(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    named = [ROOT / name for name in NAMED.findall(text)] + [(ROOT / page).parent / to for to in LINKED.findall(text)]
    assert named, "the page names no file, so that this test looks at nothing"
    assert [str(path) for path in named if not path.exists()] == []


def test_every_room_has_a_line() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rooms = {f"autotune/{path.parent.name}/" for path in (ROOT / "autotune").glob("*/__init__.py")}
    assert rooms, "no room was found"
    assert {room for room in rooms if f"| `{room}` |" not in text} == set()


def test_the_wheel_says_that_it_is_typed() -> None:
    wheel = project()["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == ["autotune"], "what lies in the package's folder goes into the wheel, data too"
    assert not {"exclude", "only-include", "include"} & set(wheel), "a filter could leave the marker out"
    assert (ROOT / "autotune" / "py.typed").is_file()


def test_every_issue_form_asks_what_doctor_says() -> None:
    forms = [path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml"]
    assert forms, "there are no forms"
    for form in forms:
        assert "autotune doctor --json" in form.read_text(encoding="utf-8"), form.name


@pytest.mark.parametrize("name", ["release.yml", "tests.yml"])
def test_what_a_workflow_uses_of_others_is_named_by_its_content(name: str) -> None:
    """A tag can be moved by whoever owns the action; a commit cannot."""
    text = (ROOT / ".github" / "workflows" / name).read_text(encoding="utf-8")
    used = re.findall(r"uses: (.*)", text)
    assert used and all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+(\.\d+)+", one) for one in used), used
    assert "secrets." not in text and "pull_request_target" not in text


def test_the_release_workflow_runs_what_a_contributor_runs() -> None:
    """`make release-check` and the workflow have one script, so that the one tries the other."""
    script = "tests/packaging/release.sh"
    assert script in (ROOT / "Makefile").read_text(encoding="utf-8")
    assert script in (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")


def test_nothing_stands_at_the_top_by_accident() -> None:
    """What is tracked there goes into the source archive, or is a setting of a tool."""
    if not (ROOT / ".git").exists():
        pytest.skip("no checkout")
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    top = {name.split("/")[0] for name in done.stdout.decode().split("\0") if name}
    kept = set(project()["tool"]["hatch"]["build"]["targets"]["sdist"]["include"])
    assert {name for name in top if not name.startswith(".")} == kept | {"pyproject.toml"}
