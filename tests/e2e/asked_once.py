"""`autotune` as its user runs it, but that a web UI's Python is asked for its torch once, not by every command.

Each asking takes 1.4 s of CPU, nearly all of it for ``import torch``, and most tests run several commands on copies of
one install. The answer is the real one, of the same interpreter with the same packages; a test that judges the asking
itself runs the program plainly (``bench.program = PLAIN``).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from tests import reference

PLAIN = ("-m", "autotune")


def program() -> tuple[str, ...]:
    """Words for Python that run it; the answers lie beside the install that others are copies of."""
    folder = reference.template().parent / "asked"
    folder.mkdir(exist_ok=True)
    return ("-c", f"from tests.e2e.asked_once import main; main({str(folder)!r})")


def identity(python: Path) -> str:
    """What the answer depends on: the interpreter behind the link, and what its environment holds."""
    seen = [os.path.realpath(python)]
    for site in sorted(python.parent.parent.glob("**/site-packages")):
        seen += sorted(path.name for path in site.iterdir())
        seen += [path.read_text(encoding="utf-8") for path in sorted(site.glob("*.pth"))]
    return hashlib.sha256("\0".join(seen).encode()).hexdigest()


def main(folder: str) -> None:
    """Runs the command line that this process was given."""
    from autotune.cli.main import main as command
    from autotune.machine import torch_probe
    from autotune.model.machine import Runtime

    really = torch_probe.ask

    def ask(python: Path, time_limit: float = torch_probe.TIME_LIMIT_S,
            packages: Sequence[str] = ()) -> tuple[Runtime, list[str]]:
        file = Path(folder, "+".join((identity(python), *packages)))
        if python.exists() and file.exists():
            kept = json.loads(file.read_text(encoding="utf-8"))
            return Runtime(**{**kept, "sdp_backends": tuple(kept["sdp_backends"])}), []
        found, warnings = really(python, time_limit, packages)
        if not warnings:
            half = file.with_suffix(f".{os.getpid()}")
            half.write_text(json.dumps(dataclasses.asdict(found)), encoding="utf-8")
            half.replace(file)
        return found, warnings

    torch_probe.ask = ask
    command()
