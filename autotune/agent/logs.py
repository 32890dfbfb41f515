"""The agent's log: one line an event, in files of limited size, and on standard error for the service manager."""

from __future__ import annotations

import logging
import logging.handlers
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from autotune.disk.files import make_folder, open_to_append
from autotune.language.translate import _
from autotune.secrets.mask import masked

LOGGER = "autotune.agent"
OUTPUT_LIMIT = 1 << 20
"""Bytes from which on output.log is begun anew."""


def open_log(folder: Path, mib: float, files: int, quiet: bool = False) -> Callable[[str], None]:
    """A function that logs one line to agent.log, credentials hidden.

    ``mib``: size at which a new file is begun; ``files``: how many old ones are kept; ``quiet``: not on standard
    error. Where the folder cannot be written, standard error has to do.
    """
    logger = logging.getLogger(LOGGER)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    close_log()
    line = logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%dT%H:%M:%S%z")
    try:
        make_folder(folder)
        os.close(open_to_append(folder / "agent.log"))
        file = logging.handlers.RotatingFileHandler(
            folder / "agent.log", maxBytes=int(mib * 1048576), backupCount=files, encoding="utf-8")
        file.setFormatter(line)
        logger.addHandler(file)
    except OSError as error:
        if sys.stderr is not None:  # as under pythonw.exe
            text = _("no log file: {reason}").format(reason=error.strerror)
            sys.stderr.write(f"autotune: {text}\n")
    if not quiet and sys.stderr is not None:
        logger.addHandler(logging.StreamHandler(sys.stderr))
    # A full disk must not end the agent; what cannot be logged is lost.
    logging.raiseExceptions = False
    return lambda text: logger.info("%s", " ".join(masked(text).split()))


def open_output_file(folder: Path) -> IO[str]:
    """A file beside the log for what a screen would show, where there is none; begun anew when it is long.

    It holds why the agent did not begin, and the trace of a fault nobody foresaw. It is not the log itself, because
    on Windows a file that is open twice cannot be rotated. Raises OSError.
    """
    make_folder(folder)
    file = os.fdopen(open_to_append(folder / "output.log"), "a", encoding="utf-8", errors="replace", buffering=1)
    if file.tell() > OUTPUT_LIMIT:
        file.truncate(0)
    return file


def close_log() -> None:
    """Closes the log's files."""
    logger = logging.getLogger(LOGGER)
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        with suppress(OSError):  # what is still unwritten finds no room on a full disk
            handler.close()
