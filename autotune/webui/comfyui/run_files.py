"""The format of batch files that start ComfyUI on Windows: which these are (run_edit.py: what is in them)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.launchfile.formats import LaunchFormat

if TYPE_CHECKING:
    from autotune.launchfile.launch_file import IsManaged, LaunchFile

ENDINGS = (".bat", ".cmd")
_OTHERS = re.compile(r"(?:webui-user|webui\.settings|webui|environment)\.(?:bat|cmd)$", re.IGNORECASE)
"""Batch files of other web UIs, by name."""
_STARTS = re.compile(rb"^(?![ \t@]*(?:rem\b|::|echo\b))[^\r\n]*\bmain\.py\b", re.IGNORECASE | re.MULTILINE)
_STARTS_OTHER = re.compile(rb"\b(?:webui\.bat|launch\.py|webui\.py)\b", re.IGNORECASE)
_NAMES = re.compile(r"run_(?:nvidia|amd|intel|cpu|xpu).*|.*comfy.*", re.IGNORECASE)


class RunFile(LaunchFormat):
    """run_nvidia_gpu.bat and its kin."""

    name = "comfyui-bat"

    def claims(self, path: Path) -> bool:
        """Whether it is a batch file that starts a main.py, by its content; one that is not there, by its name."""
        if path.suffix.lower() not in ENDINGS or _OTHERS.fullmatch(path.name):
            return False
        try:
            with path.open("rb") as file:
                data = file.read(1 << 20)
        except OSError:
            return _NAMES.fullmatch(path.stem) is not None
        return _STARTS.search(data) is not None and _STARTS_OTHER.search(data) is None

    def parse(self, data: bytes, path: Path, root: Path | None) -> LaunchFile:
        """The words behind main.py. Raises Refused: it holds no such start, or cannot be understood."""
        from autotune.webui.comfyui.run_edit import parse

        return parse(data, path, root)

    def edit(self, file: LaunchFile, target: Sequence[str], is_managed: IsManaged) -> bytes:
        """The bytes with exactly ``target`` as managed words. Raises Refused, with what to write by hand."""
        from autotune.webui.comfyui.run_edit import edit

        return edit(file, target, is_managed)
