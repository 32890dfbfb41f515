"""ComfyUI as a package of Stability Matrix: where its flags are, and which of them the program's own dialog shows.

Stability Matrix starts main.py with the package's options and nothing else: shared models come by the file
extra_model_paths.yaml, which it writes into the package. Its dialog shows the options below; saving it drops all others
but those in the free text, so flags that it does not show are written there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.launchfile import formats
from autotune.webui import stability_matrix as listed
from autotune.webui.face import Layout

if TYPE_CHECKING:
    from autotune.launchfile.launch_file import IsManaged, LaunchFile

SWITCHES = (
    "--highvram", "--lowvram", "--novram", "--preview-method auto", "--preview-method latent2rgb",
    "--preview-method taesd", "--directml", "--cpu", "--use-split-cross-attention", "--use-quad-cross-attention",
    "--use-pytorch-cross-attention", "--use-sage-attention", "--force-fp32", "--force-fp16", "--fp16-vae", "--fp32-vae",
    "--bf16-vae", "--disable-xformers", "--dont-upcast-attention", "--auto-launch", "--enable-manager",
)
"""Options that its dialog shows as boxes to tick (July 2026); a flag with its value is one of them."""
VALUES = ("--listen", "--port", "--reserve-vram")
"""Options that its dialog shows as fields."""
SHOWN = {**dict.fromkeys(SWITCHES, "Bool"), **dict.fromkeys(VALUES, "String")}


class StabilityMatrixFile(formats.StabilityMatrixFile):
    """Stability Matrix's settings.json, with what its dialog shows of ComfyUI; other packages as ever."""

    def edit(self, file: LaunchFile, target: Sequence[str], is_managed: IsManaged) -> bytes:
        """The bytes with exactly ``target`` as managed options. Raises Refused."""
        from autotune.launchfile import stability_matrix
        from autotune.webui.comfyui.install import is_comfyui

        own = file.root is not None and is_comfyui(file.root)
        return stability_matrix.edit(file, target, is_managed, SHOWN if own else None)


def found(root: Path, environ: Mapping[str, str], _platform: str) -> Layout | None:
    """The layout of a package of Stability Matrix; None: it is none."""
    return listed.layout_of(root, environ, "comfyui")
