"""A PostgreSQL server of one's own: in a temporary folder, on a loopback port, as an ordinary user, with a password."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import psutil

PASSWORD = "se@same/word:1"


def binaries() -> Path | None:
    """The folder of Debian's or anybody's newest PostgreSQL, None where there is none."""
    if os.name != "posix":
        return None  # under wine it would be Debian's
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda one: one.parts[-3].zfill(4))
    if found:
        return found[-1].parent
    named = shutil.which("postgres")
    return Path(named).resolve().parent if named else None


class Server:
    """The server. ``start`` after ``kill`` goes on with the same data."""

    def __init__(self, bin_folder: Path, folder: Path) -> None:
        self._bin, self._folder, self._data = bin_folder, folder, folder / "data"
        self._user = "nobody" if os.geteuid() == 0 else None
        if self._user:  # a server run by root refuses to start
            import pwd

            os.chown(folder, pwd.getpwnam(self._user).pw_uid, -1)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        secret = folder / "password"
        secret.write_text(PASSWORD)
        self._run("initdb", "-D", str(self._data), "-U", "autotune", "-A", "scram-sha-256", "--no-sync",
                  f"--pwfile={secret}", "-E", "UTF8", "--locale=C")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address, password and all."""
        return f"postgresql://autotune:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Starts it and waits until it answers."""
        log = (self._folder / "log").open("ab")
        self._process = subprocess.Popen(
            [self._bin / "postgres", "-D", self._data, "-c", "listen_addresses=127.0.0.1", "-p", str(self.port), "-k",
             self._folder, "-c", "fsync=off", "-c", "max_connections=40", "-c", "shared_buffers=16MB"],
            user=self._user, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self._folder)
        log.close()
        deadline = time.monotonic() + 60.0
        while time.monotonic() < deadline:
            done = subprocess.run([self._bin / "pg_isready", "-h", "127.0.0.1", "-p", str(self.port)],
                                  capture_output=True, check=False)
            if done.returncode == 0:
                return
            if self._process.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError((self._folder / "log").read_text(encoding="utf-8", errors="replace")[-2000:])

    def kill(self) -> None:
        """kill -9 of the server and of all that it started, as an out-of-memory killer or a power cut does it."""
        if self._process is None:
            return
        mine = psutil.Process(self._process.pid)
        family = [mine, *mine.children(recursive=True)]
        for one in family:
            with suppress(psutil.Error):
                one.kill()
        self._process.wait()
        psutil.wait_procs(family[1:], timeout=10)
        self._process = None

    def _run(self, name: str, *words: str) -> None:
        done = subprocess.run([self._bin / name, *words], user=self._user, capture_output=True, text=True, check=False,
                              cwd=self._folder)
        if done.returncode:
            raise RuntimeError(f"{name}: {done.stderr}")


@contextmanager
def server() -> Iterator[Server]:
    """One that runs; gone afterwards. Raises RuntimeError where there is no PostgreSQL."""
    found = binaries()
    if found is None:
        raise RuntimeError("no PostgreSQL here: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="autotune-postgres-"))
    folder.chmod(0o755)
    try:
        one = Server(found, folder)
        one.start()
        try:
            yield one
        finally:
            one.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
