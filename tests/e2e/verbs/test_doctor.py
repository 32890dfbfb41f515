"""What doctor says of an install of the reference web UI, whole, and broken in one way after another."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, get_args

from autotune.install.inspection import Inspection, inspect_install
from autotune.model.failures import MEANINGS
from autotune.model.study import Failure
from autotune.overview.doctor import checks
from autotune.overview.doctor_machine import of_machine
from autotune.store.places import Places
from autotune.webui.a1111.data_folder import read_options
from autotune.webui.face import Check
from tests.e2e.asked_once import PLAIN
from tests.e2e.verbs.conftest import Bench
from tests.verbs.test_doctor import on_card

LOADED, BEFORE = "machine is free", "no other autotune"


def test_every_failure_class_has_a_check_before_it_and_a_remedy_after_it(bench: Bench) -> None:
    document = in_any_case(bench)
    prevented = {name for row in document["checks"] for name in row["prevents"]}
    # Spilling needs a card; there is none here, and of_machine says it where there is one.
    assert prevented | {one for check in of_machine(on_card(), 0, 20000.0) for one in check.prevents} >= set(
        get_args(Failure)) - {"machine_down"}
    # Whoever runs the tests may use the machine meanwhile; that row is judged where its load is made.
    assert all(row["ok"] for row in document["checks"] if row["name"] != LOADED), document
    assert set(MEANINGS) == set(get_args(Failure))
    assert all(any(word in one.advice for word in ("try", "check", "close", "look", "mend", "run the command"))
               for one in MEANINGS.values())


def in_any_case(bench: Bench) -> dict[str, Any]:
    """The document of doctor, whatever it finds."""
    bench.program = PLAIN
    done = subprocess.run(bench.command("doctor", "--json"), env=bench.environment(), capture_output=True,
                          encoding="utf-8", timeout=120, check=False)
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def words(text: str) -> Callable[[Inspection], Inspection]:
    return lambda seen: replace(
        seen, machine=replace(seen.machine, webui=replace(seen.machine.webui, flags=tuple(text.split()))))


def cut(pattern: str, size: int) -> Callable[[Inspection], Inspection]:
    def act(seen: Inspection) -> Inspection:
        path = next(seen.root.glob(pattern))
        path.write_bytes(path.read_bytes()[:size])
        return seen

    return act


def unread(seen: Inspection) -> Inspection:
    warnings: list[str] = []
    read_options(cut("config.json", 1)(seen).root / "config.json", warnings)
    return replace(seen, machine=replace(seen.machine, warnings=tuple(warnings)))


CHECKPOINT, MODULE, PARSER = (
    "models/Stable-diffusion/*.safetensors", "extensions/*/model/*.safetensors", "modules/cmd_args.py")

BROKEN: dict[str, tuple[Callable[[Inspection], Inspection], str, str, bool]] = {
    "unknown flag": (words("--api --no-such-flag"), "command line", "--no-such-flag", False),
    "bad value": (words("--precision bogus"), "command line", "'bogus' is none of", False),
    "half": (words("--precision half --no-half-vae"), "command line", "stops the web UI", False),
    "an extension's flag": (words("--port 7860 --of-an-extension 3"), "command line", "nothing speaks against", True),
    "no parser": (cut(PARSER, 0), "command line", "is missing", False),
    "checkpoint cut off": (cut(CHECKPOINT, 100_000), "checkpoint", "broke off", False),
    "checkpoint empty": (cut(CHECKPOINT, 0), "checkpoint", "0 bytes", False),
    "module cut off": (cut(MODULE, 40), "motion module", "broke off", False),
    "settings": (unread, "saved settings", "cannot be read", False),
}


def cheap(seen: Inspection, places: Places) -> Iterator[Check]:
    """All checks but the last, which takes a second to look at the CPU."""
    for one in checks(seen, places):
        yield one
        if one.name == BEFORE:
            return


def test_broken_installs_one_after_another(bench: Bench) -> None:
    """One look at one install, broken and mended again for each case: looking costs a start of its interpreter."""
    preload = bench.root / "extensions" / "other" / "preload.py"
    preload.parent.mkdir()
    preload.write_text('def preload(parser):\n    parser.add_argument("--of-an-extension")\n')
    places = Places(bench.state)
    whole = inspect_install(bench.root, None, None, places)
    assert all(one.ok for one in cheap(whole, places))
    for name, (harm, check, says, ok) in BROKEN.items():
        kept = {path: path.read_bytes() for pattern in (CHECKPOINT, MODULE, PARSER, "config.json")
                for path in bench.root.glob(pattern)}
        found = [one for one in cheap(harm(whole), places) if one.name == check]
        assert [(one.ok, says in one.detail) for one in found] == [(ok, True)], (name, found)
        assert ok or (found[0].hint and found[0].prevents)
        for path, data in kept.items():
            path.write_bytes(data)
    bench.give("--disable-extra-extensions --no-such-flag")
    document = bench.json("doctor", code=3)
    mend = {row["name"]: row for row in document["checks"] if not row["ok"]}
    assert "--no-such-flag" in mend["command line"]["detail"] and "a flag" in mend["can be tuned"]["detail"]
