"""The catalogue of what is said to people: every sentence taken from the source, and merged into each language's file.

``python -m tests.language.catalogue`` (``make messages``) does that and says what has no translation yet.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from io import BytesIO
from pathlib import Path

import click
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from autotune.cli import click_words
from autotune.cli.examples import EXAMPLES
from autotune.cli.main import VERBS, cli, module_of
from autotune.cli.spoken import one_line_each
from autotune.language.compile import FOLDER, compile_catalogues
from autotune.language.translate import DOMAIN, LANGUAGES, SOURCE
from autotune.webui.a1111.flags.known_flags import flavours

PACKAGE = FOLDER.parent
APART = "engine"
"""The reference web UI speaks English as real ones do: what it says is read by autotune, not by people."""
METHODS = [(f"{APART}/**", "ignore"), ("**.py", "python"), ("report/templates/**.html", "jinja2")]
KEYWORDS = {"_": None, "N_": None, "gettext": None, "ngettext": (1, 2)}
OPTIONS = {"**.html": {"encoding": "utf-8", "trimmed": "true", "trim_blocks": "true", "lstrip_blocks": "true",
                       "newstyle_gettext": "true"}}
UNTOLD = re.compile(
    r'^"(?:Project-Id-Version|Report-Msgid-Bugs-To|POT-Creation-Date|PO-Revision-Date|Last-Translator|Language-Team|'
    r'Generated-By): .*\n', re.MULTILINE)
"""Lines of a header that change with the day and with who runs this."""
Id = str | tuple[str, ...]
"""A sentence; of one with a number in it, both forms."""


def file_of(language: str) -> Path:
    """The file with the translations into a language."""
    return FOLDER / language / "LC_MESSAGES" / f"{DOMAIN}.po"


def extract() -> Catalog:
    """Every sentence of the package, with the files that say it."""
    found = Catalog(domain=DOMAIN)
    for name, line, text, comments, _ in extract_from_dir(
            str(PACKAGE), METHODS, OPTIONS, KEYWORDS, comment_tags=("For translators:",), strip_comment_tags=True):
        found.add(text, locations=[(f"{PACKAGE.name}/{Path(name).as_posix()}", line)], auto_comments=comments)
    for place, words in _of_tables():
        found.add(words, locations=[(f"{PACKAGE.name}/cli/{place}.py", 0)])
    for words in _of_flavours():
        found.add(words, locations=[(f"{PACKAGE.name}/webui/a1111/flags/data/flavours.json", 0)])
    return found


def _of_flavours() -> Iterator[str]:
    """What the table of flavours calls each, and why some are not tuned."""
    for entry in flavours().values():
        yield entry["title"]
        if "why" in entry:
            yield entry["why"]


def _of_tables() -> Iterator[tuple[str, Id]]:
    """What is marked by no call: help as click has it, examples, and click's own words; with the file it is from."""
    yield from (("click_words", words) for words in (*click_words.WORDS, *click_words.PLURALS))
    yield from (("examples", words) for path in EXAMPLES.values() for _, words in path if words)
    yield from (("main", one_line_each(text)) for text in _help(cli) if text not in _shared())
    yield from (("common_options", text) for text in _shared())
    context = click.Context(cli)
    for verb in VERBS:
        command = cli.get_command(context, verb)
        assert command is not None
        yield from ((module_of(verb).rpartition(".")[2], one_line_each(text)) for text in _help(command)
                    if text not in _shared())


def _shared() -> list[str]:
    from autotune.cli.common_options import GLOBAL_OPTIONS

    return [one.help for one in GLOBAL_OPTIONS if one.help]


def _help(command: click.Command) -> Iterator[str]:
    """Help texts of a command, of its options, and of the commands in it."""
    for thing in (command, *command.params):
        text = getattr(thing, "help", None)
        if text and not getattr(thing, "hidden", False):
            yield text
    if isinstance(command, click.Group) and command is not cli:
        for inner in command.commands.values():
            yield from _help(inner)


def read(language: str) -> Catalog:
    """A language's catalogue as it stands."""
    with file_of(language).open("rb") as stream:
        return read_po(stream, locale=language)


def update(language: str, known: Mapping[Id, Id]) -> Catalog:
    """Rewrites a language's file: the sentences of the source, those of ``known`` with what is given there.

    What the source says no more is left out; nothing is guessed from a sentence that is only alike.
    """
    made = Catalog(locale=language, domain=DOMAIN, fuzzy=False, header_comment="# What autotune says, in Japanese.")
    made.creation_date = made.revision_date = datetime(2026, 1, 1, tzinfo=timezone.utc)
    for one in extract():
        if one.id:
            text = known.get(key(one.id), "")
            made.add(one.id, (text,) if isinstance(one.id, tuple) and isinstance(text, str) else text,
                     locations=one.locations, auto_comments=one.auto_comments)
    for one in made:
        if one.id:
            one.flags -= {"python-format"}  # told by a per cent sign; few of ours are
    file = file_of(language)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(_written(made).encode())
    return made


def _written(catalogue: Catalog) -> str:
    out = BytesIO()
    write_po(out, catalogue, width=0, include_lineno=False, sort_by_file=True)
    return UNTOLD.sub("", out.getvalue().decode())


def translations(catalogue: Catalog) -> dict[Id, Id]:
    """Sentence -> what it is in the catalogue's language, of those that have a translation."""
    return {key(one.id): key(one.string) for one in catalogue if one.id and one.string and filled(one)}


def key(text: str | list[str] | tuple[str, ...]) -> Id:
    """A sentence, or its forms, in the one type that is compared."""
    return text if isinstance(text, str) else tuple(text)


def filled(message: Message) -> bool:
    """Whether a message has its translation, in every form."""
    forms = message.string if isinstance(message.string, tuple) else (message.string,)
    return bool(forms) and all(forms)


def main() -> int:
    """Updates all languages; 1 while a sentence of one has no translation."""
    missing = 0
    for language in LANGUAGES:
        if language != SOURCE:
            known = translations(read(language)) if file_of(language).exists() else {}
            lacking = [one.id for one in update(language, known) if one.id and not filled(one)]
            missing += len(lacking)
            print(*(f"{language}: no translation: {one!r}" for one in lacking), sep="\n")
    compile_catalogues()
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
