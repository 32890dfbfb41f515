"""One decision for one change; none for none; files that grow are believed once, when they stopped."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.agent import staleness
from autotune.agent.staleness import SettlingChange, changed_parts, rule_of, strongest_action, with_unreadable_kept
from autotune.config.staleness_rules import RULES, Action
from autotune.webui.motion_modules import in_use
from tests.agent.world import PARTS


@pytest.mark.parametrize("part", sorted(PARTS))
def test_flipping_one_part_is_one_change_of_the_documented_kind(part: str) -> None:
    documented = {name: action for name, action, _ in RULES}
    (found,) = changed_parts(PARTS, {**PARTS, part: "something else"})
    assert (found.part, found.action) == (part, documented[part])
    assert part in found.text
    assert found.why


def test_every_part_of_the_real_fingerprint_has_a_rule() -> None:
    from pathlib import Path

    from autotune.machine import fingerprint_parts
    from autotune.webui.a1111 import fingerprint
    from autotune.webui.comfyui import fingerprint as of_comfyui

    files = (fingerprint_parts.__file__, fingerprint.__file__, of_comfyui.__file__)
    source = "".join(Path(file).read_text(encoding="utf-8") for file in files)
    known = {name for name, _, _ in RULES}
    for part in known - {"profile"}:
        assert f'"{part}"' in source, f"{part} is not in the fingerprint"
    assert set(PARTS) == known


@pytest.mark.parametrize("part", sorted(staleness.MAY_BE_UNREADABLE))
def test_what_cannot_be_told_has_not_changed(part: str) -> None:
    blind = {**PARTS, part: ""}
    assert changed_parts(PARTS, blind) == ()
    assert with_unreadable_kept(PARTS, blind) == PARTS
    without = {k: v for k, v in PARTS.items() if k != part}
    assert changed_parts(PARTS, without) == ()


def test_xformers_taken_away_is_a_change() -> None:
    with_it = {**PARTS, "xformers": "0.0.23"}
    (found,) = changed_parts(with_it, PARTS)
    assert found.after == "absent"
    assert found.action == "retune"


def test_of_a_list_only_the_difference_is_told() -> None:
    (found,) = changed_parts({"motion_module": "a 1, b 2"}, {"motion_module": "b 2, c 3"})
    assert found.text == "motion_module − a 1, + c 3"
    (found,) = changed_parts({"motion_module": ""}, {"motion_module": "b 2, c 3"})
    assert found.text == "motion_module + b 2, + c 3"
    (found,) = changed_parts({"motion_module": "a 1"}, {"motion_module": "b 2"})
    assert found.text == "motion_module a 1 → b 2"


def test_the_owner_may_say_otherwise() -> None:
    own: list[tuple[str, Action]] = [("driver", "nothing"), ("webui_*", "drift")]
    assert rule_of("driver", own)[0] == "nothing"
    assert rule_of("webui_commit", own)[0] == "drift"
    assert rule_of("torch", own)[0] == "retune"
    assert rule_of("never heard of", own)[0] == "drift"


def test_strongest() -> None:
    found = changed_parts(PARTS, {**PARTS, "os": "Linux 6.9", "driver": "555.42"})
    assert strongest_action(found) == "retune"
    assert strongest_action(()) == "nothing"


def test_ten_thousand_unchanged_looks_lead_to_nothing() -> None:
    settling = SettlingChange(PARTS)
    for second in range(10_000):
        settling = settling.update(dict(PARTS), float(second))
        assert not settling.settled(float(second), 0.0)
    assert settling.since is None


def test_a_growing_file_is_one_change_after_it_stopped() -> None:
    settling, believed = SettlingChange(PARTS), []
    for second in range(0, 600, 10):
        size = min(second, 300)
        parts = {**PARTS, "motion_module": f"mm_v3.st 836, new.st {size}"} if second else PARTS
        settling = settling.update(parts, float(second))
        if settling.settled(float(second), 60.0):
            believed.append((second, settling.seen["motion_module"]))
            settling = settling.accept()
    assert believed == [(360, "mm_v3.st 836, new.st 300")]


def test_a_change_that_is_taken_back_is_none() -> None:
    settling = SettlingChange(PARTS).update({**PARTS, "vae": "x"}, 0.0).update(PARTS, 30.0)
    assert not settling.settled(1e9, 60.0)


def test_events_put_off_belief() -> None:
    settling = SettlingChange(PARTS).update({**PARTS, "vae": "x"}, 0.0).postpone(50.0)
    assert not settling.settled(100.0, 60.0)
    assert settling.settled(110.0, 60.0)
    assert SettlingChange(PARTS).postpone(5.0).since is None


@pytest.mark.parametrize(
    ("modules", "used"),
    [
        ("", ""),
        ("mm_sd15_v2.ckpt 10", "mm_sd15_v2.ckpt 10"),
        ("mm_sd15_v2.ckpt 10, other.ckpt 5", "mm_sd15_v2.ckpt 10"),
        ("mm_sd15_v2.ckpt 10, mm_sd15_v3.safetensors 7", "mm_sd15_v3.safetensors 7"),
        ("mm_sd15_v2.ckpt 11, other.ckpt 5", "mm_sd15_v2.ckpt 11"),
    ],
)
def test_only_the_motion_module_that_a_tune_would_use_counts(modules: str, used: str) -> None:
    assert in_use(modules, 16) == used


VALUES = st.dictionaries(st.sampled_from(sorted(PARTS)), st.sampled_from(["", "a", "b"]))


@given(VALUES, VALUES)
def test_what_was_believed_is_no_change_any_more(before: dict[str, str], after: dict[str, str]) -> None:
    known = SettlingChange(before).update(after, 0.0).accept().known
    assert changed_parts(known, after) == ()
    assert changed_parts(known, known) == ()
