"""What click says by itself, for the catalogue, and how it comes to say it in the language in use."""

from __future__ import annotations

import gettext
import sys

from autotune.language import translate

WORDS = (
    "Usage:", "Options", "Commands", "Positional arguments", "Aborted!", "deprecated",
    "Show this message and exit.", "Show the version and exit.", "default: {default}", "env var: {var}",
    "(dynamic)", "Error: {message}", "Missing command.", "Missing argument", "Missing option", "Missing parameter",
    "Missing {param_type}", "Missing parameter: {param_name}", "Invalid value: {message}",
    "Invalid value for {param_hint}: {message}", "No such option {name!r}.", "No such command {name!r}.",
    "Try '{command} {option}' for help.", "unknown error", "Could not open file {filename!r}: {message}",
    "Option {name!r} does not take a value.", "Argument {name!r} takes {nargs} values.",
    "Choose from:\n\t{choices}", "file", "directory", "path", "{name} {filename!r} does not exist.",
    "{name} {filename!r} is a file.", "{name} {filename!r} is a directory.", "{name} {filename!r} is not readable.",
    "{name} {filename!r} is not writable.", "{value!r} is not a valid {number_type}.",
    "{value} is not in the range {range}.", "{value!r} is not a valid boolean. Recognized values: {states}",
    "Error: invalid input", "Do you want to continue?",
)
"""In the newest click; what an older one words in another way stays English."""
PLURALS = (
    ("Got unexpected extra argument ({args})", "Got unexpected extra arguments ({args})"),
    ("Takes {nargs} values but 1 was given.", "Takes {nargs} values but {len} were given."),
    ("Did you mean {possibility}?", "(Did you mean one of: {possibilities}?)"),
    ("Option {name!r} requires an argument.", "Option {name!r} requires {nargs} arguments."),
    ("{value!r} is not {choice}.", "{value!r} is not one of {choices}."),
)


def lend_ours() -> None:
    """Lets click look its words up where ours are.

    Each of its modules holds gettext's own functions, which know the environment's language alone: not --lang, not
    what Windows is set to. To set the environment would change what git and others say that we read.
    """
    ours = {gettext.gettext: translate._, gettext.ngettext: translate.ngettext}
    for name, module in list(sys.modules.items()):
        if name.startswith("click."):
            for place in ("_", "ngettext"):
                found = getattr(module, place, None)
                if found in ours:
                    setattr(module, place, ours[found])
