"""Makes the catalogues that a program reads (.mo) of those that people edit (.po). Needs Babel, which only the ones who
build or change autotune have."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent


def compile_catalogues(folder: Path = FOLDER) -> list[Path]:
    """Writes each LANGUAGE/LC_MESSAGES/NAME.po below ``folder`` as .mo where that is missing or older; returns all .mo.

    Each file is replaced in one step: several test processes may do this at once.
    """
    made = []
    for source in sorted(folder.glob("*/LC_MESSAGES/*.po")):
        target = source.with_suffix(".mo")
        if not target.exists() or target.stat().st_mtime_ns < source.stat().st_mtime_ns:
            _compile(source, target)
        made.append(target)
    return made


def _compile(source: Path, target: Path) -> None:
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    with source.open("rb") as stream:
        catalogue = read_po(stream)
    handle, name = tempfile.mkstemp(dir=target.parent, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as stream:
            write_mo(stream, catalogue)
        Path(name).chmod(0o644)
        Path(name).replace(target)
    finally:
        Path(name).unlink(missing_ok=True)  # still there only where it did not get into its place
