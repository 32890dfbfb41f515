"""comfy-cli's config.ini, which holds the flags of the default workspace: which installs it starts with them.

``comfy launch`` gives default_launch_extras only to the workspace that default_workspace names, and only when no flags
stand behind ``comfy launch --``, and neither --workspace nor --recent names the folder (nor --here does, and before
1.6 no start inside the folder). It splits the value at every single blank.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.language.translate import _
from autotune.launchfile.formats import LaunchFormat
from autotune.webui.comfyui.hosts import comfy_cli_config, is_workspace
from autotune.webui.face import Layout

if TYPE_CHECKING:
    from autotune.launchfile.launch_file import IsManaged, LaunchFile

NAME = "comfy-cli"


class ComfyCliFile(LaunchFormat):
    """comfy-cli's config.ini."""

    name = NAME

    def claims(self, path: Path) -> bool:
        """Whether a file of this name is one of its."""
        return path.name.lower() == "config.ini"

    def parse(self, data: bytes, path: Path, root: Path | None) -> LaunchFile:
        """The flags of the default workspace. Raises Refused."""
        from autotune.webui.comfyui.config_ini import parse

        return parse(data, path, root)

    def edit(self, file: LaunchFile, target: Sequence[str], is_managed: IsManaged) -> bytes:
        """The bytes with exactly ``target`` as managed words. Raises Refused."""
        from autotune.webui.comfyui.config_ini import edit

        return edit(file, target, is_managed)

    def put_back(self, now: bytes, before: bytes, after: bytes) -> bytes | None:
        """``now``, which comfy-cli made of ``after``, with the flags of ``before``; None: they changed, too."""
        from autotune.launchfile.put_back import put_back
        from autotune.webui.comfyui.config_ini import flags_in

        return put_back(now, before, after, flags_in, str, "")


def found(root: Path, environ: Mapping[str, str], platform: str) -> Layout | None:
    """The layout of a workspace that comfy-cli starts; None: its config.ini does not name this one."""
    config = comfy_cli_config(environ, platform)
    if is_workspace(config, "default_workspace", root):
        return Layout("comfyui", NAME, True, (config,), None,
                      _("default_launch_extras in {file}, which comfy launch reads").format(file=config), config)
    if not is_workspace(config, "recent_workspace", root):
        return None
    return Layout(
        "comfyui", NAME, False, (),
        _("comfy launch gives flags of {file} only to the default workspace, and this is another one").format(
            file=config),
        _("comfy --workspace {root} launch -- FLAGS; or make it the default one: comfy set-default {root}").format(
            root=root), config)
