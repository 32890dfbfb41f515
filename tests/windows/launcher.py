"""Helpers of python.sh: the launcher of Windows virtual environments, and the packages to install.

``cut UV_EXE FOLDER``: uv's Windows program carries two small programs, with and without a console, that start the
Python which a resource of theirs names; they are written to FOLDER as python.exe and pythonw.exe. ``bind PYTHON_HOME``
(under wine) writes that resource. ``requirements PYPROJECT [EXTRAS]`` prints the dependencies for Windows, a line each.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from pathlib import Path

CONSOLE, WINDOWED = 3, 2
"""Subsystems of a Windows program."""
MARK = "UV_PYTHON_PATH".encode("utf-16-le")
RESOURCE = 10
KIND_PYTHON = b"\x02"


def programs(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(subsystem, bytes) of every whole Windows program inside another one."""
    at = data.find(b"MZ", 1)
    while at >= 0:
        found = program(data, at)
        if found is not None:
            yield found
        at = data.find(b"MZ", at + 2)


def program(data: bytes, at: int) -> tuple[int, bytes] | None:
    """The program whose first byte stands at ``at``; None when none does."""
    if at + 64 > len(data):
        return None
    header = at + struct.unpack_from("<I", data, at + 60)[0]
    if header > at + 1024 or data[header : header + 4] != b"PE\0\0":
        return None
    sections, optional = struct.unpack_from("<H", data, header + 6)[0], struct.unpack_from("<H", data, header + 20)[0]
    end = 0
    for number in range(sections):
        size, place = struct.unpack_from("<II", data, header + 24 + optional + 40 * number + 16)
        end = max(end, size + place)
    return struct.unpack_from("<H", data, header + 24 + 68)[0], data[at : at + end]


def cut(source: Path, folder: Path) -> None:
    """Writes both launchers. Raises SystemExit when ``source`` does not carry them."""
    found = {subsystem: image for subsystem, image in programs(source.read_bytes()) if MARK in image}
    if not {CONSOLE, WINDOWED} <= found.keys():
        raise SystemExit(f"{source} carries no launchers; uv changed")
    (folder / "python.exe").write_bytes(found[CONSOLE])
    (folder / "pythonw.exe").write_bytes(found[WINDOWED])


def bind(home: str) -> None:
    """Makes the launchers below ``home`` start the Python that lies there. Windows only."""
    import ctypes

    kernel = ctypes.WinDLL("kernel32")  # type: ignore[attr-defined,unused-ignore]
    kernel.BeginUpdateResourceW.restype = ctypes.c_void_p
    kernel.UpdateResourceW.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_wchar_p, ctypes.c_ushort,
                                       ctypes.c_char_p, ctypes.c_uint]
    kernel.EndUpdateResourceW.argtypes = [ctypes.c_void_p, ctypes.c_int]
    for name in ("python.exe", "pythonw.exe"):
        # Where there is no pythonw.exe, its launcher starts the other one, which then has no console either.
        real = name if Path(home, name).is_file() else "python.exe"
        handle = kernel.BeginUpdateResourceW(str(Path(home, "Lib", "venv", "scripts", "nt", name)), 0)
        resources = {"UV_TRAMPOLINE_KIND": KIND_PYTHON, "UV_PYTHON_PATH": str(Path(home, real)).encode()}
        for key, value in resources.items():
            if not kernel.UpdateResourceW(handle, RESOURCE, key, 0, value, len(value)):
                raise SystemExit(f"{name}: cannot write {key}")
        if not kernel.EndUpdateResourceW(handle, 0):
            raise SystemExit(f"{name}: cannot be written")


def requirements(pyproject: Path, extras: list[str]) -> list[str]:
    """The dependencies of the project and of its extras; torch in the build that has no CUDA."""
    import tomllib  # type: ignore[import-not-found, unused-ignore]  # its Python is 3.11

    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    lines: list[str] = list(project["dependencies"])
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    return ["torch==2.13.0" if line.startswith("torch") else line for line in lines]


if __name__ == "__main__":
    verb, *rest = sys.argv[1:]
    if verb == "cut":
        cut(Path(rest[0]), Path(rest[1]))
    elif verb == "bind":
        bind(rest[0])
    else:
        print("\n".join(requirements(Path(rest[0]), rest[1].split(",") if len(rest) > 1 else [])))
