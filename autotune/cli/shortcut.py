"""`autotune shortcut`: a file to double-click for people without a terminal, and the steps that it runs."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from autotune.cli import shortcut_file
from autotune.cli.common_options import CommonOptions, verb
from autotune.cli.output import print_text
from autotune.disk.own_install import typed
from autotune.language.translate import _
from autotune.model.errors import NothingToWorkOn, StateDamaged, UsageProblem
from autotune.model.home_folder import expand_home


@verb("shortcut")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--yes", is_flag=True, help="Also over another file of that name.")
@click.option("--run", "go", is_flag=True, help="Do what the shortcut does: look, tune, ask, apply, show the report.")
def shortcut_command(common: CommonOptions, folder: Path | None, yes: bool, go: bool) -> int:
    """Writes a file to double-click into FOLDER (else the desktop): probe, tune, ask, apply, report.

    It names this Python, this web UI and this state folder, so it keeps working from anywhere.
    """
    import platformdirs

    root = common.find_webui()
    if go:
        return run_steps(common, root)
    target = expand_home(folder).absolute() if folder is not None else Path(platformdirs.user_desktop_dir())
    if folder is None and not target.is_dir():
        words = typed(["autotune", *(("--webui", str(common.webui)) if common.webui else ()), "shortcut", "."])
        raise NothingToWorkOn(_("there is no desktop folder at {target}").format(target=target),
                              _("`{command}` writes it into the folder that you are in; any other folder can be named "
                                "in place of the dot.").format(command=words))
    if not target.is_dir():
        raise NothingToWorkOn(_("{target} is not a folder").format(target=target),
                              _("Name one: autotune shortcut FOLDER"))
    place = target / shortcut_file.name()
    content = shortcut_file.content([sys.executable, "-m", "autotune", *_same_place(common, root), "shortcut", "--run"])
    changed = _write(place, content, yes)
    words = _("Double-click it: it looks, tunes, asks before it changes anything, and shows the report.")
    common.print_result("shortcut", {"file": str(place), "changed": changed, "webui": str(root)}, f"{place}\n{words}")
    return 0


def _same_place(common: CommonOptions, root: Path) -> list[str]:
    """Options that name this web UI, state folder and configuration from anywhere."""
    words = ["--webui", str(root), "--state-dir", str(common.places.root.absolute())]
    return [*words, "--config", str(common.config.absolute())] if common.config else words


def _write(place: Path, content: bytes, yes: bool) -> bool:
    """Writes the file; False when it had this content already.

    Raises UsageProblem (a file of somebody else is there) and StateDamaged.
    """
    try:
        there = place.read_bytes() if place.exists() else None
        if there == content:
            return False
        if there is not None and shortcut_file.MARK.encode() not in there and not yes:
            raise UsageProblem(_("{place} exists and is not autotune's").format(place=place),
                               _("Name another folder, or add --yes."))
        place.write_bytes(content)
        place.chmod(0o755)
    except OSError as error:
        raise StateDamaged(_("{place}: cannot be written: {reason}").format(place=place, reason=error.strerror),
                           _("Name another folder.")) from None
    return True


def run_steps(common: CommonOptions, root: Path) -> int:
    """Probe, tune, ask, apply, report, for somebody who double-clicked; the exit code of the step that ended it.

    Each step is the verb itself, so what it says, refuses and records is the same as in a terminal.
    """
    import webbrowser

    from autotune.cli.main import run
    from autotune.report.page import write
    from autotune.store.studies import find_study

    def step(title: str, *words: str) -> int:
        print_text(f"\n== {title}")
        return run([*_same_place(common, root), *words])

    code = step(_("Looking at this machine (nothing is changed)"), "doctor")
    if code == 0:
        code = step(_("Measuring in your web UI (nothing is changed; Ctrl-C stops, and it goes on from there)"), "tune")
    if code != 0:
        print_text("\n" + _("Nothing was changed. What to do stands above."))
        return code
    document = find_study(common.places.studies(root), None).document()
    if document is not None and document["decision"] == "apply":
        code = step(_("Applying (you are asked first; `autotune rollback` undoes it)"), "apply")
    place = write(common.places, root, None, None)
    print_text("\n== " + _("The report: {path}").format(path=place))
    webbrowser.open(place.as_uri())
    return code

