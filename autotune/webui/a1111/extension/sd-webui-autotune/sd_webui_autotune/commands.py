"""Runs autotune as child processes: what the tab shows is read by one, and a button starts one."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

OLDEST = 60.0
"""Seconds after which what is shown is read again although no watched file moved: versions and models may have."""
SHORTEST, WHILE_MEASURING = 2.0, 15.0
"""Seconds between two readings at least: each costs half a second of a core, which a tune had better have alone."""
READING_LIMIT, ACTING_LIMIT = 60.0, 600.0
"""Seconds that a child process may take to say what is, and to carry a button out."""
BUTTONS: dict[str, tuple[str, ...]] = {
    "away": ("ask", "tune", "--when", "away"),
    "closed": ("ask", "tune", "--when", "closed"),
    "cancel": ("ask", "cancel"),
    "apply": ("apply", "--yes", "--no-start", "--cause", "tab"),
    "undo": ("rollback", "--cause", "tab"),
}
"""What each button runs."""
NOT_PASSED_ON = ("COMMANDLINE_ARGS", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONWARNINGS", "VIRTUAL_ENV",
                 "VIRTUAL_ENV_PROMPT", "LD_PRELOAD", "TORCH_COMMAND", "PYTORCH_CUDA_ALLOC_CONF", "ACCELERATE",
                 "SD_WEBUI_RESTARTING", "GRADIO_ANALYTICS_ENABLED", "__PYVENV_LAUNCHER__")
"""Variables that the web UI's start made for itself: autotune reads the launch file by what its owner has."""

Document = dict[str, Any]


class Autotune:
    """How autotune is called, from the note that its installer left in the extension's folder."""

    def __init__(self, note: Mapping[str, Any]) -> None:
        """Raises KeyError where the note is not whole."""
        self.words: dict[str, str] = dict(note.get("words") or {})
        self._first = [str(note["python"]), *(["-X", "utf8"] if os.name == "nt" else []), "-m", "autotune",
                       "--webui", str(note["webui"]), "--state-dir", str(note["state_dir"])]
        for option in ("config", "lang"):
            if note.get(option):
                self._first += [f"--{option}", str(note[option])]

    @classmethod
    def of_folder(cls, folder: Path) -> Autotune:
        """Raises OSError, ValueError and KeyError where the note is not whole."""
        note = json.loads((folder / "autotune.json").read_bytes())
        if not isinstance(note, dict):
            raise ValueError("no JSON object")
        return cls(note)

    def ask(self, words: Sequence[str], limit: float) -> Document:
        """The document that ``autotune WORDS --json`` prints; one of kind "error" where it prints none."""
        environ = {name: value for name, value in os.environ.items() if name not in NOT_PASSED_ON}
        try:
            done = subprocess.run([*self._first, *words, "--json"], stdin=subprocess.DEVNULL, capture_output=True,
                                  env=environ, timeout=limit, check=False, cwd=_folder_of_ours(),
                                  creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0))
        except subprocess.TimeoutExpired:
            return self._error(f"{limit:.0f} s")
        except OSError as error:
            return self._error(error.strerror or str(error))
        try:
            found = json.loads(done.stdout)
        except ValueError:
            found = None
        if isinstance(found, dict):
            return found
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        return self._error(said[-1] if said else str(done.returncode))

    def _error(self, why: str) -> Document:
        """That autotune did not answer, in the language of who installed the tab."""
        return {"kind": "error", "message": f"{self.words.get('silent', 'autotune')} ({why})",
                "hint": self.words.get("again", "")}


def _folder_of_ours() -> Path:
    """A folder to be in that nobody else writes into: Python looks for modules there, too."""
    try:
        home = Path.home()
    except RuntimeError:
        home = Path()
    return home if home.is_absolute() and home.is_dir() else Path(__file__).parent


class Shown:
    """What the tab shows, read again in a thread of its own when something moved; asking for it never waits."""

    def __init__(self, autotune: Autotune) -> None:
        self._autotune, self._lock = autotune, threading.Lock()
        self._document: Document | None = None
        self._read_at, self._stamp, self._reading = 0.0, "", False

    @property
    def is_reading(self) -> bool:
        """Whether a newer document is on its way."""
        return self._reading

    def document(self) -> Document | None:
        """The newest document, None before the first was read; begins to read anew where that is due."""
        with self._lock:
            if not self._reading and self._due():
                self._reading = True
                threading.Thread(target=self._read, name="autotune", daemon=True).start()
            return self._document

    def forget(self) -> None:
        """What is shown is old: something was done."""
        with self._lock:
            self._read_at = 0.0

    def _due(self) -> bool:
        age = time.monotonic() - self._read_at
        if self._document is None or not self._read_at or age > OLDEST:
            return True
        least = WHILE_MEASURING if self._document.get("measuring") else SHORTEST
        return age > least and self._stamp != self._stamp_now()

    def _stamp_now(self) -> str:
        """What the files that the document names look like now: cheap, and it starts nothing."""
        seen = []
        for name in (self._document or {}).get("watch", ()):
            try:
                found = Path(name).stat()
                seen.append(f"{found.st_mtime_ns} {found.st_size}")
            except OSError:
                seen.append("-")
        return ",".join(seen)

    def _read(self) -> None:
        begun, found = time.monotonic(), None
        try:
            found = self._autotune.ask(("extension", "show"), READING_LIMIT)
        finally:
            with self._lock:
                self._reading = False
                if found is not None:
                    whole = found.get("kind") != "error" or self._document is None
                    self._document = found if whole else {**(self._document or {}), "trouble": found}
                    self._stamp = self._stamp_now()
                self._read_at = begun


class Buttons:
    """Carries buttons out, one at a time."""

    def __init__(self, autotune: Autotune, shown: Shown) -> None:
        self._autotune, self._shown, self._lock = autotune, shown, threading.Lock()

    def press(self, verb: str) -> Document | None:
        """What came of it (``message``; kind "error" where it failed); None while another one is carried out."""
        if not self._lock.acquire(blocking=False):
            return None
        try:
            return self._autotune.ask(BUTTONS[verb], ACTING_LIMIT)
        finally:
            self._lock.release()
            self._shown.forget()
