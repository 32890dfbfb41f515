"""What the tab says and offers, in every state that autotune can be in; nothing personal for who is elsewhere."""

from __future__ import annotations

import copy
import itertools
import json
from typing import Any

import pytest

from autotune.language.translate import LANGUAGES, use_language
from autotune.report.tab import Tune, tab

SECRET = "/home/somebody"
SPEEDUP = {"estimate": 1.468, "low": 1.321, "high": 1.629, "confidence": 0.95}
AGENT = {"running": True, "only_asked": False, "doing": "watching", "due": [], "waiting": [], "problems": []}
NONE: dict[str, Any] = {
    "applied": None, "since": None, "speedup": None, "study": None, "file_since_apply": "unmanaged", "drift": None,
    "stale": [], "running": None, "asked_tune": None, "daemon": None, "install": {"manageable": True}}
WRITTEN = {**NONE, "applied": {"flags": ["--opt-sdp-attention"], "settings": {}}, "since": "2026-11-28T10:00:00Z",
           "speedup": SPEEDUP, "study": "0001-a", "file_since_apply": "same"}


def tune(decision: str = "apply", study: str = "0001-a", image: Any = None) -> Tune:
    side = {"flags": ["--opt-sdp-attention"], "settings": {}, "seconds": {"median": 4.9, "low": 4.8, "high": 5.0}}
    return Tune(study, {
        "decision": decision, "reason": "", "baseline": {**side, "flags": [], "seconds": {"median": 7.2}},
        "winner": side, "challenger": None, "speedup": SPEEDUP, "image": image or {"valid": True, "ssim": 0.9971},
    }, "2026-11-28T09:00:00Z")


def buttons(document: dict[str, Any]) -> dict[str, bool]:
    return {one["verb"]: one["enabled"] for one in document["buttons"]}


def rows(document: dict[str, Any]) -> dict[str, str]:
    return {row["name"]: row["text"] for one in document["sections"] for row in one["rows"]}


def test_what_is_in_use_is_told_with_its_gain_and_image_check() -> None:
    found = rows(tab(WRITTEN, tune(), tune(), []))
    assert found["Flags"] == "--opt-sdp-attention" and found["Since"] == "2026-11-28 10:00 UTC"
    assert found["Gain"] == "1.47 × as fast as before (1.32 to 1.63, 95 % interval)"
    assert "0.9971" in found["Image check"]
    assert rows(tab(WRITTEN, tune(image={"valid": True, "ssim": 1.0}), None, []))["Image check"].endswith("identical.")


@pytest.mark.parametrize(("status", "newest", "may"), [
    (NONE, None, {"away": False, "closed": True, "apply": False, "undo": False}),
    ({**NONE, "daemon": AGENT}, None, {"away": True, "closed": True, "apply": False, "undo": False}),
    ({**NONE, "daemon": {**AGENT, "only_asked": True}}, None, {"away": False, "closed": True, "apply": False,
                                                             "undo": False}),
    ({**NONE, "daemon": {**AGENT, "running": False}}, tune(), {"away": False, "closed": True, "apply": True,
                                                              "undo": False}),
    (NONE, tune("keep"), {"away": False, "closed": True, "apply": False, "undo": False}),
    ({**WRITTEN, "daemon": AGENT}, tune(), {"away": True, "closed": True, "apply": False, "undo": True}),
    ({**WRITTEN, "file_since_apply": "before"}, tune(), {"away": False, "closed": True, "apply": True, "undo": True}),
    (WRITTEN, tune(study="0002-b"), {"away": False, "closed": True, "apply": True, "undo": True}),
    ({**NONE, "asked_tune": {"when": "away", "since": ""}, "daemon": AGENT}, None, {"cancel": True, "apply": False,
                                                                                   "undo": False}),
    ({**NONE, "running": {"verb": "tune", "progress": {}}, "daemon": AGENT}, None, {
        "away": False, "closed": False, "apply": False, "undo": False}),
    ({**NONE, "install": {"manageable": False}, "daemon": AGENT}, tune(), {
        "away": False, "closed": False, "apply": False, "undo": False}),
])
def test_a_button_can_be_pressed_where_it_would_do_something(
    status: dict[str, Any], newest: Tune | None, may: dict[str, bool]
) -> None:
    document = tab(status, tune() if status["applied"] else None, newest, [])
    assert buttons(document) == may
    for one in document["buttons"]:
        assert one["label"] and (one["explain"] if one["enabled"] else one["why"]), one


def test_a_tab_of_another_version_says_so() -> None:
    for outdated in (False, True):
        document = tab({**NONE, "tab": {"outdated": outdated}}, None, None, [])
        assert ("extension install" in json.dumps(document)) is outdated


def test_what_changed_since_is_told_with_the_reason() -> None:
    document = tab({**WRITTEN, "stale": ["driver"]}, tune(), tune(), ["driver 535.98 → 555.42: drivers change kernels"])
    text = json.dumps(document, ensure_ascii=False)
    assert "Changed since it was measured: driver." in text and "drivers change kernels" in text


STATES = [dict(zip(("applied", "agent", "asked", "running", "stale"), one, strict=True))
          for one in itertools.product((False, True), repeat=5)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_who_looks_from_elsewhere_is_told_no_folder(language: str) -> None:
    """Every text of autotune's own that may name a folder names one here."""
    use_language(language)
    try:
        for state in STATES:
            status = copy.deepcopy(WRITTEN if state["applied"] else NONE)
            status["drift"] = f"{SECRET}/webui-user.sh differs"
            status["daemon"] = {**AGENT, "running": state["agent"], "doing": SECRET, "due": [f"retune: {SECRET}"],
                                "waiting": [f"{SECRET} runs"], "problems": [f"{SECRET}/daemon: cannot be written"]}
            if state["asked"]:
                status["asked_tune"] = {"when": "closed", "since": "2026-11-28T10:00:00Z"}
            if state["running"]:
                status["running"] = {"verb": "tune", "pid": 1, "progress": {"clips": 3, "sets": 2}}
            status["stale"] = ["checkpoint"] if state["stale"] else []
            changes = [f"checkpoint {SECRET} → new"] if state["stale"] else []
            document = tab(status, tune() if state["applied"] else None, tune(study="0002-b"), changes)
            assert document["language"] == language
            open_rows = [row for one in document["sections"] for row in one["rows"] if not row["local"]]
            assert SECRET not in json.dumps([open_rows, document["words"], document["buttons"]])
            assert all(isinstance(row["text"], str) and row["text"] for row in open_rows)
    finally:
        use_language("en")


def test_no_text_of_a_web_page_can_come_through_as_more_than_text() -> None:
    """Control characters are gone; what is left is put into the page as text (tests/e2e/webui/test_tab.py)."""
    status = {**WRITTEN, "applied": {"flags": ["<img src=x onerror=alert(1)>\x00\n"], "settings": {}}}
    text = rows(tab(status, None, None, []))["Flags"]
    assert text.startswith("<img") and text.isprintable()
