"""`autotune extension install | uninstall | status`: the tab in the web UI's own page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from autotune.cli.common_options import YES, CommonOptions, verb
from autotune.language.translate import _

if TYPE_CHECKING:
    from autotune.install.extension import Installed

FORCE = click.option("--force", is_flag=True, help="Also where a file of it was changed since.")


@click.group("extension")
def extension_command() -> None:
    """A tab in the page of your web UI: what is applied and how good it is, with buttons to tune, apply and undo."""


def _print(common: CommonOptions, action: str, lines: list[str]) -> None:
    from autotune.install import extension

    found = extension.look(extension.extension_of(common.find_webui()))
    lines = lines or _lines(found)
    document = {
        "action": action, "folder": str(found.folder), "installed": found.ours, "switches": found.switches,
        "version": found.note.get("version") if found.note else None, "outdated": found.outdated,
        "changed": list(found.changed), "foreign": list(found.foreign), "lines": lines}
    common.print_result("extension", document, "\n".join(lines))


def _lines(found: Installed) -> list[str]:
    if not found.exists:
        return [_("The tab is not installed. `autotune extension install` installs it.")]
    if not found.ours:
        return [_("{folder} is not autotune's; it is left alone.").format(folder=found.folder)]
    text = _("The tab is installed in {folder}, with switches.") if found.switches else _(
        "The tab is installed in {folder}.")
    lines = [text.format(folder=found.folder)]
    if found.outdated:
        lines.append(_("It is of another version. `autotune extension install` renews it."))
    if found.changed:
        lines.append(_("Changed since it was installed: {changed}").format(changed=", ".join(found.changed)))
    if found.foreign:
        lines.append(
            _("Not autotune's, and in the way of removing it: {foreign}").format(foreign=", ".join(found.foreign)))
    return lines


@verb("install", extension_command)
@click.option("--switches", is_flag=True, help="With switches of PyTorch among the web UI's settings.")
@FORCE
@YES
def _install(common: CommonOptions, switches: bool, force: bool) -> None:
    """Puts the tab into a folder of its own among the web UI's extensions; again: renews it."""
    from autotune.install import extension

    root = common.find_webui()
    _print(common, "install", extension.install(root, common.places, common.config, switches=switches, force=force))


@verb("uninstall", extension_command)
@FORCE
@YES
def _uninstall(common: CommonOptions, force: bool) -> None:
    """Removes the tab without a trace; what is not autotune's is never removed."""
    from autotune.install import extension

    _print(common, "uninstall", extension.uninstall(common.find_webui(), force=force))


@verb("show", extension_command)
def _show(common: CommonOptions) -> None:
    """What the tab shows: what is applied, how good it is, what has changed, what can be done. For the tab itself."""
    from autotune.cli.tab import lines, show

    document = show(common)
    common.print_result("tab", document, "\n".join(lines(document)))


@verb("status", extension_command)
def _status(common: CommonOptions) -> None:
    """Whether the tab is installed, and as autotune wrote it."""
    _print(common, "status", [])
