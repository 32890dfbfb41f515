"""A stand-in for Windows' pdh.dll with the counters of GPU memory, laid out by the C compiler, driven by a text file.

    fake = pdh_fake.build(tmp_path)             # Fake, or pdh_fake.NoCompiler is raised
    monkeypatch.setenv(pdh_fake.STATE_VARIABLE, str(fake.state))
    fake.say({"pid_7_luid_0x0_0x1_phys_0": (3000, 3000, 20)})   # MiB dedicated, local, shared
    GpuCounters(fake.library)
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

STATE_VARIABLE = "FAKE_PDH_STATE"
COUNTERS = ("Dedicated Usage", "Local Usage", "Shared Usage")
MIB = 1 << 20
_SOURCE = Path(__file__).with_name("fake_pdh.c")


class NoCompiler(Exception):
    """This machine cannot build the library; the message says why (a reason to skip)."""


class Fake:
    """The library and its state file."""

    def __init__(self, library: ctypes.CDLL, state: Path) -> None:
        self.library, self.state = library, state

    def say(self, memory: Mapping[str, tuple[float, float, float]], *, grow: int = 0, status: int = 0) -> None:
        """What each instance has, MiB: dedicated, local, shared; ``grow``: so often a process begins meanwhile."""
        lines = [f"grow {grow}\n"] if grow else []
        lines += [f"{counter}|{name}|{status}|{int(used * MIB)}\n"
                  for name, sizes in memory.items() for counter, used in zip(COUNTERS, sizes, strict=True)]
        self.state.write_text("".join(lines), encoding="ascii")

    def vanish(self) -> None:
        """A Windows without the counters."""
        self.state.write_text("absent\n", encoding="ascii")

    def opened(self) -> int:
        """Queries that were opened and not closed."""
        return int(self.library.fake_opened())


def build(folder: Path) -> Fake:
    """Compiles the library into ``folder``. Raises NoCompiler where that cannot be done."""
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    if sys.platform == "win32" or compiler is None:
        raise NoCompiler("no C compiler here")
    folder.mkdir(parents=True, exist_ok=True)
    library = folder / "pdh.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", str(library), str(_SOURCE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NoCompiler(f"{compiler} cannot build it: {done.stderr.strip()[:400]}")
    return Fake(ctypes.CDLL(str(library)), folder / "counters.txt")
