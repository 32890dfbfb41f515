"""A fake NVML library in C that the real pynvml loads: built here, driven by a text file. Linux and Windows.

    fake = nvml_fake.build(tmp_path)          # Fake, or nvml_fake.NoCompiler is raised
    fake.set(0, used=9000, throttle=0x20)     # change the hardware at any time
    subprocess.run(..., env={**os.environ, **fake.environment()})
    fake.load()                               # or: make pynvml of this process find it
"""

from __future__ import annotations

import ctypes
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from autotune.disk import files as disk

STATE_VARIABLE = "FAKE_NVML_STATE"
UNINITIALIZED, NOT_SUPPORTED, NO_PERMISSION, GPU_IS_LOST, UNKNOWN = 1, 3, 4, 15, 999
_SOURCE = Path(__file__).with_name("fake_nvml.c")
_LIBRARY = "nvml.dll" if sys.platform == "win32" else "libnvidia-ml.so.1"
READY = "AUTOTUNE_FAKE_NVML"
"""A variable that names the library where it was built already: on Windows there is seldom a compiler."""

GPU: dict[str, object] = {
    "name": "NVIDIA GeForce RTX 3090",
    "capability": "8 6",
    "total": 24576,
    "used": 600,
    "temperature": 41,
    "power": 35_000,
    "limit": 350_000,
    "energy": 1_000_000,
    "utilisation": 0,
    "throttle": 0,
    "graphics": 1695,
    "sm": 1695,
    "memory": 9751,
    "video": 1500,
    "max_graphics": 2100,
    "max_sm": 2100,
    "max_memory": 9751,
    "max_video": 1950,
}


class NoCompiler(Exception):
    """This machine cannot build the library; the message says why (a reason to skip)."""


class Fake:
    """The built library and its state file. By default two equal GPUs with a 550 driver."""

    def __init__(self, library: Path, state: Path, gpus: int = 2) -> None:
        self.library = library
        self.state = state
        self._lines: dict[str, object] = {"driver": "550.54.14", "cuda": 12040, "gpus": gpus}
        for index in range(gpus):
            self._lines.update({f"{index}.{key}": value for key, value in GPU.items()})
            self._lines[f"{index}.uuid"] = f"GPU-0000000{index}-1111-2222-3333-444444444444"
        self._write()

    def environment(self) -> dict[str, str]:
        """Variables for a child process whose pynvml shall load the library."""
        if sys.platform == "win32":  # where pynvml looks first
            return {"WINDIR": str(self.library.parents[1]), STATE_VARIABLE: str(self.state)}
        found = {"LD_LIBRARY_PATH": str(self.library.parent), STATE_VARIABLE: str(self.state)}
        before = os.environ.get("LD_LIBRARY_PATH")
        if before:
            found["LD_LIBRARY_PATH"] += os.pathsep + before
        return found

    def load(self) -> None:
        """Loads the library into this process, where pynvml then finds it by its soname.

        The caller also sets ``environment()`` (monkeypatch.setenv). Without STATE_VARIABLE it says "driver
        not loaded", so tests after this one see no GPU.
        """
        ctypes.CDLL(str(self.library))

    def set(self, index: int, **values: object) -> None:
        """Changes readings of one GPU; None makes a reading unsupported. Keys: see fake_nvml.c."""
        for key, value in values.items():
            self._put(f"{index}.{key}", value)
        self._write()

    def system(self, **values: object) -> None:
        """Changes driver, driver_file, cuda or gpus."""
        for key, value in values.items():
            self._put(key, value)
        self._write()

    def fail(self, function: str, code: int = UNKNOWN, after: int | None = None) -> None:
        """Makes a function (``nvmlDeviceGetTemperature``) fail, at once or after that many calls a process."""
        self._put(f"fail {function}" if after is None else f"fail_after {function}",
                  code if after is None else f"{after} {code}")
        self._write()

    def heal(self) -> None:
        """All functions work again."""
        self._lines = {key: value for key, value in self._lines.items() if not key.startswith(("fail", "lost"))}
        self._write()

    def lose(self, code: int = GPU_IS_LOST) -> None:
        """Every call fails from now on, as when the driver goes away."""
        self._put("lost", code)
        self._write()

    def vanish(self) -> None:
        """The state file goes, too: "driver not loaded" at every call."""
        self.state.unlink(missing_ok=True)

    def _put(self, key: str, value: object) -> None:
        if value is None:
            self._lines.pop(key, None)
        else:
            self._lines[key] = value

    def _write(self) -> None:
        text = "".join(f"{key} {value}\n" for key, value in self._lines.items())
        fresh = self.state.with_suffix(".new")
        # The library opens the paths in it by C's own calls, which take the code page's names.
        fresh.write_text(text, encoding="mbcs" if sys.platform == "win32" else "utf-8")
        disk.replace(fresh, self.state)  # a program may be reading it


def build(folder: Path, gpus: int = 2) -> Fake:
    """Compiles the library into ``folder``. Raises NoCompiler where that cannot be done."""
    if sys.platform == "darwin":
        raise NoCompiler("macOS has no NVML")
    home = folder / "System32" if sys.platform == "win32" else folder
    home.mkdir(parents=True, exist_ok=True)
    library, ready = home / _LIBRARY, os.environ.get(READY)
    if ready:
        shutil.copyfile(ready, library)
    else:
        compile_to(library)
    return Fake(library, folder / "state.txt", gpus)


def compile_to(library: Path) -> None:
    """Compiles the library. Raises NoCompiler."""
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise NoCompiler(f"no C compiler here, and {READY} names no library that is built already")
    command = [*shlex.split(compiler), "-shared", "-O1", "-Wall", "-Wextra", "-Werror", "-o", str(library)]
    command.append(str(_SOURCE))
    if library.name != "nvml.dll":
        command += ["-fPIC", f"-Wl,-soname,{_LIBRARY}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NoCompiler(f"{compiler} cannot build the fake NVML library: {done.stderr.strip()[:400]}")
