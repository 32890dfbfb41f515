"""`autotune card`: the result of a tune as a picture to show, or as a small table to paste."""

from __future__ import annotations

import os
from pathlib import Path

import click

from autotune.cli.common_options import YES, CommonOptions, verb
from autotune.language.translate import _


@verb("card")
@click.argument("study", required=False, metavar="[STUDY|FILE]")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="PNG to write (else beside the study or file).")
@click.option("--markdown", is_flag=True, help="A table to paste; a PNG only with -o.")
@YES
def card_command(common: CommonOptions, study: str | None, output: Path | None, markdown: bool) -> None:
    """Draws the result of a tune (the newest, the study named, or an exported file) as a PNG of 1280 x 640.

    Nothing personal is on it: no path, name, prompt, credential or study.
    """
    from autotune.model.errors import NothingToWorkOn
    from autotune.overview import exported_study
    from autotune.report import card_facts
    from autotune.store.journal import write_whole_bytes

    webui = None if study is not None and os.path.isfile(study) else common.find_webui()  # noqa: PTH113 - never raises
    document = exported_study.load(common.places, webui, study)
    name = document["study"]["id"]
    if document["result"] is None:
        raise NothingToWorkOn(_("study {name} has no verdict yet").format(name=name),
                              _("Run `autotune tune` to go on with it."))
    facts = card_facts.facts_of(document["study"], document["result"])
    text = card_facts.markdown(facts)
    place = None
    if output is not None or not markdown:
        from autotune.report.card_picture import png

        beside = common.places.studies(webui) / name / "card.png" if webui is not None else (
            Path(f"{Path(study or name).with_suffix('')}-card.png"))
        place = (output or beside).absolute()
        write_whole_bytes(place, png(facts), private=output is None and webui is not None)
    shown = {"file": None if place is None else str(place), **card_facts.document(facts), "markdown": text}
    common.print_result("card", shown, text if markdown else str(place))
