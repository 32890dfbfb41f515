"""`autotune export | import | replay | dashboard`: studies as files, and Optuna's own view of them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autotune.cli.common_options import YES, Settings, verb
from autotune.cli.output import print_json, print_text
from autotune.model.errors import NothingToWorkOn, StateDamaged
from autotune.store.optuna_storage import ENVIRONMENT

if TYPE_CHECKING:
    from optuna.storages import BaseStorage


@verb("export")
@click.argument("study", required=False)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write (else stdout).")
@YES
def export_command(settings: Settings, study: str | None, output: Path | None) -> None:
    """Writes a study (the newest, or the one named) as one JSON file: question, every sample, result."""
    from autotune.overview import exported_study
    from autotune.store.journal import write_whole
    from autotune.store.studies import find_study

    document = exported_study.export(find_study(settings.places.studies(settings.find_webui()), study))
    text = json.dumps(document, ensure_ascii=False, indent=1)
    if output is None:
        print_text(text)
        return
    write_whole(output.absolute(), text + "\n", private=False)
    if settings.as_json:
        print_json("export", {"study": document["study"]["id"], "file": str(output)})
    else:
        print_text(f"study {document['study']['id']} is in {output}")


@verb("import")
@click.argument("file", type=click.Path(path_type=Path))
@YES
def import_command(settings: Settings, file: Path) -> None:
    """Adds an exported study to this web UI's store. It is never applied without being measured again."""
    from autotune.overview import exported_study

    study = exported_study.import_study(settings.places, settings.find_webui(), exported_study.read_export(file))
    if settings.as_json:
        print_json("import", {"study": study.id, "clips": len(study.samples)})
    else:
        print_text(f"study {study.id}: {len(study.samples)} clips")


@verb("replay")
@click.argument("study", required=False, metavar="[STUDY|FILE]")
def replay_command(settings: Settings, study: str | None) -> None:
    """Computes a study's verdict again from its samples; the same samples give the same verdict."""
    from autotune.overview import exported_study

    webui = None if study is not None and os.path.isfile(study) else settings.find_webui()  # noqa: PTH113 - never raises
    document = exported_study.replay(exported_study.load(settings.places, webui, study))
    if settings.as_json:
        print_json("replay", document)
        return
    same = {True: "the same as recorded", False: "NOT the one recorded", None: "none was recorded"}
    print_text(f"{document['decision']}: {document['reason']}\n({same[document['same_as_recorded']]})")


@verb("dashboard")
@click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True)
@click.option("--storage", envvar=ENVIRONMENT, metavar="URL", help="Optuna's storage, as `tune` takes it.")
def dashboard_command(settings: Settings, port: int, storage: str | None) -> None:
    """Shows all studies in optuna-dashboard, on 127.0.0.1 only, also while a tune runs. Ctrl-C ends it."""
    import importlib.util

    if importlib.util.find_spec("optuna_dashboard") is None:
        raise NothingToWorkOn(
            "optuna-dashboard is not installed", "pip install 'autotune-webui[dashboard]'"
        )
    if not storage and not settings.places.optuna.exists():
        raise NothingToWorkOn("no study is recorded yet", "Run `autotune tune` first.")
    from optuna_dashboard import run_server

    from autotune.store import optuna_storage

    held = optuna_storage.open_storage(storage) if storage else _own(settings.places.optuna)
    print_text(f"http://127.0.0.1:{port}/")
    run_server(held, host="127.0.0.1", port=port)


def _own(path: Path) -> BaseStorage:
    """Autotune's own file, as it is: who looks moves nothing aside. Raises StateDamaged."""
    import optuna

    from autotune.store import optuna_storage

    try:
        storage = optuna.storages.RDBStorage(optuna_storage.url_of(path))
        optuna.get_all_study_names(storage)
    except optuna_storage.storage_errors() as problem:
        raise StateDamaged(
            f"{path}: cannot be read: {type(problem).__name__}",
            "It is only a view of the studies: move it away, and the next tune makes it anew.") from None
    return storage
