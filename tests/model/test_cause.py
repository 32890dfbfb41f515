"""The reason shown is the line that names the cause, on logs in the shapes of real ones, whatever stands around it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.model.cause import find_cause
from autotune.model.failures import classify
from autotune.model.study import Failure

LOGS = json.loads((Path(__file__).parent / "logs.json").read_text(encoding="utf-8"))
"""Starts and deaths: webui.sh with its box, batch files with their pause in four languages, pip, tracebacks with
chains, notes, boxes and groups, handled errors of extensions, signals and Windows exceptions."""
RULE, PAUSE, BAR = "#" * 64, "Press any key to continue . . .", "  0%|          | 0/20 [00:00<?, ?it/s]"
FRAMES = """Traceback (most recent call last):
  File "/opt/webui/launch.py", line 48, in <module>
    main()
  File "/opt/webui/launch.py", line 44, in main
    start()
"""
HANDLED = """*** Error loading script: faceswap.py
    Traceback (most recent call last):
      File "/opt/webui/modules/scripts.py", line 508, in load_scripts
        script_module = script_loading.load_module(scriptfile.path)
    ModuleNotFoundError: No module named 'insightface'

---
"""

@pytest.mark.parametrize("row", LOGS, ids=lambda row: f"{row['when']}: {row['line'][:40]}")
def test_the_line_that_names_the_cause(row: dict[str, Any]) -> None:
    found = classify(row["code"], log_tail=row["log"], starting=row["when"] == "start", died=True)
    assert found is not None and row["line"] in found.why
    assert not any(word in found.why for word in ("####", "Press any key", "Model loaded", "it/s", 'File "'))
    assert found.failure in get_args(Failure)


@given(
    st.lists(st.one_of(st.text(max_size=60), st.sampled_from(
        [*FRAMES.splitlines(), *HANDLED.splitlines(), RULE, PAUSE, BAR, "Model loaded in 5.6s"])), max_size=40),
    st.lists(st.sampled_from([RULE, PAUSE, BAR, "Model loaded in 5.6s (x)", "", "Exiting.",
                              "Applying attention optimization: Doggettx... done."]), max_size=8))
def test_what_is_printed_after_it_changes_nothing(before: list[str], after: list[str]) -> None:
    """An exception that nobody caught stays the reason, whatever noise came before it and after it."""
    log = [*before, "done", *FRAMES.splitlines(), "ZeroDivisionError: division by zero", *after]
    assert find_cause(log) == "ZeroDivisionError: division by zero"
