"""The command line in the language in use: chosen before click reads the words, and the help of verbs and options.

Help texts are docstrings and ``help=`` of the commands. They are English when their module is loaded, need no mark
there (the catalogue takes them from the commands themselves), and are translated when a command is asked for.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
from collections.abc import Sequence
from typing import TextIO
from weakref import WeakKeyDictionary

import click

from autotune.language.choice import choose
from autotune.language.translate import SOURCE, _, language, use_language

_english: WeakKeyDictionary[click.Command | click.Parameter, str] = WeakKeyDictionary()
"""What stood there before it was translated."""


def choose_language(arguments: Sequence[str], root: click.Command) -> None:
    """Settles which language this command line is answered in, help and click's own words included."""
    use_language(choose(arguments, [_encoding(stream) for stream in (sys.stdout, sys.stderr)]))
    if language() != SOURCE:
        from autotune.cli.click_words import lend_ours
        from autotune.cli.wide_help import WideFormatter

        lend_ours()
        click.Context.formatter_class = WideFormatter
    translate_help(root)


def _encoding(stream: TextIO) -> str | None:
    """What a stream can show: its encoding, but on a Windows console its code page, which tells of its letters.

    Python writes to a console in Unicode whatever that can show. The Windows Terminal shows every letter.
    """
    if sys.platform == "win32" and stream.isatty() and not os.environ.get("WT_SESSION"):
        import ctypes

        page = ctypes.windll.kernel32.GetConsoleOutputCP()
        return "utf-8" if page == 65001 else f"cp{page}"
    return stream.encoding


def one_line_each(text: str) -> str:
    """A help text with each paragraph on one line, as it is in the catalogue; one marked by \\b keeps its lines."""
    found = inspect.cleandoc(text).partition("\f")[0].strip().split("\n\n")
    return "\n\n".join(one if one.startswith("\b") else " ".join(one.split("\n")) for one in found)


def translate_help(command: click.Command) -> None:
    """Puts the help of a command, of its options and of the commands in it into the language in use."""
    if language() == SOURCE and not _english:
        return
    things: list[click.Command | click.Parameter] = [command, *command.params]
    for thing in things:
        text = _english.get(thing) or getattr(thing, "help", None)
        if text:
            _english[thing] = text
            thing.help = _(one_line_each(text)) if language() != SOURCE else text
    if command.help:
        # In a list of commands click cuts a help text off between two spaces, which are not where sentences end.
        ended = re.match(r"[^。\n]*。", command.help) if language() != SOURCE else None
        command.short_help = ended[0] if ended else None
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            translate_help(inner)
