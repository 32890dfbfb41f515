"""`autotune dashboard`: all studies in Optuna's own dashboard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from autotune.cli.common_options import CommonOptions, verb
from autotune.cli.output import print_text
from autotune.disk.own_install import how_to_add
from autotune.language.translate import _
from autotune.model.errors import NothingToWorkOn, StateDamaged
from autotune.store.optuna_storage import ENVIRONMENT

if TYPE_CHECKING:
    from optuna.storages import BaseStorage


@verb("dashboard")
@click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True)
@click.option("--storage", envvar=ENVIRONMENT, metavar="URL", help="Optuna's storage, as `tune` takes it.")
def dashboard_command(common: CommonOptions, port: int, storage: str | None) -> None:
    """Shows all studies in optuna-dashboard, on 127.0.0.1 only, also while a tune runs. Ctrl-C ends it."""
    import importlib.util

    if importlib.util.find_spec("optuna_dashboard") is None:
        raise NothingToWorkOn(_("optuna-dashboard is not installed"),
                              _("Add it by: {command}").format(command=how_to_add(["optuna-dashboard"])))
    if not storage and not common.places.optuna.exists():
        raise NothingToWorkOn(_("no study is recorded yet"), _("Run `autotune tune` first."))
    from optuna_dashboard import run_server

    from autotune.store import optuna_storage

    opened = optuna_storage.open_storage(storage) if storage else _open_unchanged(common.places.optuna)
    print_text(f"http://127.0.0.1:{port}/")
    run_server(opened, host="127.0.0.1", port=port)


def _open_unchanged(path: Path) -> BaseStorage:
    """Autotune's own storage, as it is: who only looks moves no damaged file aside. Raises StateDamaged."""
    import optuna

    from autotune.store import optuna_storage

    try:
        storage = optuna.storages.RDBStorage(optuna_storage.url_of(path))
        optuna.get_all_study_names(storage)
    except optuna_storage.storage_errors() as problem:
        raise StateDamaged(
            _("{path}: cannot be read: {name}").format(path=path, name=type(problem).__name__),
            _("It is only a view of the studies: move it away, and the next tune makes it anew.")) from None
    return storage
