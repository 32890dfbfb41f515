"""Comfy Desktop, the first and the second: which installs it starts, and the files in which it keeps their flags.

Comfy Desktop 1 starts ComfyUI with Comfy.Server.LaunchArgs of user/default/comfy.settings.json in the folder that its
owner chose. (Comfy.Server.ServerConfigValues beside it is what its page of settings shows: it counts only when
something is changed on that page, which then writes the other anew from the few flags that it knows.) Comfy Desktop 2
starts each install with the text launchArgs of its record in installations.json.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.language.translate import _
from autotune.launchfile.formats import LaunchFormat, Writer
from autotune.webui.comfyui.hosts import host_of
from autotune.webui.face import Layout

if TYPE_CHECKING:
    from autotune.launchfile.launch_file import IsManaged, LaunchFile

SETTINGS = "comfy.settings.json"
INSTALLATIONS = "installations.json"


class Desktop1File(LaunchFormat):
    """Comfy Desktop 1's comfy.settings.json, which ComfyUI writes, too, while it runs."""

    name = "comfy-desktop-1"
    writer: Writer | None = Writer("Comfy Desktop", re.compile(r"comfyui(?: helper.*)?|comfyui-electron"))

    def claims(self, path: Path) -> bool:
        """Whether a file of this name is one of its."""
        return path.name.lower() == SETTINGS

    def parse(self, data: bytes, path: Path, root: Path | None) -> LaunchFile:
        """The flags that it starts ComfyUI with, its own defaults among them. Raises Refused."""
        from autotune.webui.comfyui.desktop_files import parse_settings

        return parse_settings(data, path, root)

    def edit(self, file: LaunchFile, target: Sequence[str], is_managed: IsManaged) -> bytes:
        """The bytes with exactly ``target`` as managed words. Raises Refused."""
        from autotune.webui.comfyui.desktop_files import edit_settings

        return edit_settings(file, target, is_managed)

    def put_back(self, now: bytes, before: bytes, after: bytes) -> bytes | None:
        """``now``, which its program made of ``after``, with the flags of ``before``; None: they changed, too."""
        from autotune.launchfile.put_back import put_back
        from autotune.webui.comfyui.desktop_files import flags_in_settings

        return put_back(now, before, after, flags_in_settings, json.loads, "{}")


class Desktop2File(LaunchFormat):
    """Comfy Desktop 2's installations.json, which lists all its installs."""

    name = "comfy-desktop-2"
    writer: Writer | None = Writer("Comfy Desktop", re.compile(r"comfy desktop.*|comfyui-desktop-2|comfy-desktop"))

    def claims(self, path: Path) -> bool:
        """Whether a file of this name is one of its."""
        return path.name.lower() == INSTALLATIONS

    def parse(self, data: bytes, path: Path, root: Path | None) -> LaunchFile:
        """The flags of the install at ``root``. Raises Refused."""
        from autotune.webui.comfyui.desktop_files import parse_installations

        return parse_installations(data, path, root)

    def edit(self, file: LaunchFile, target: Sequence[str], is_managed: IsManaged) -> bytes:
        """The bytes with exactly ``target`` as managed words. Raises Refused."""
        from autotune.webui.comfyui.desktop_files import edit_installations

        return edit_installations(file, target, is_managed)

    def put_back(self, now: bytes, before: bytes, after: bytes) -> bytes | None:
        """``now``, which its program made of ``after``, with the flags of ``before``; None: they changed, too."""
        from autotune.launchfile.put_back import put_back
        from autotune.webui.comfyui.desktop_files import flags_in_installations

        return put_back(now, before, after, flags_in_installations, json.loads, "null")


def found(root: Path, environ: Mapping[str, str], platform: str) -> Layout | None:
    """The layout of an install that Comfy Desktop starts; None: it starts none here."""
    host = host_of(root, environ, platform)
    if host.name != "desktop" or host.file is None:
        return None
    if host.file.name == INSTALLATIONS:
        where = _("Comfy Desktop: Manage > Startup Args of this install (saved in {file})").format(file=host.file)
        return Layout("comfyui", "desktop", True, (host.file,), None, where, host.file)
    if host.base is None:
        return Layout("comfyui", "desktop", False, (),
                      _("{file} does not say which folder Comfy Desktop uses").format(file=host.file),
                      _("Comfy.Server.LaunchArgs of comfy.settings.json in the folder that Comfy Desktop uses"))
    file = host.base / "user" / "default" / SETTINGS
    where = _("Comfy.Server.LaunchArgs in {file}, while Comfy Desktop is closed").format(file=file)
    if not file.is_file():
        why_not = _("{file} is not there yet; Comfy Desktop writes it when it runs").format(file=file)
        return Layout("comfyui", "desktop", False, (), why_not, where, None)
    return Layout("comfyui", "desktop", True, (file,), None, where, file)
