"""A launch file as it was read: the words it gives, and which of them are certain."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from autotune.language.translate import _
from autotune.launchfile.blocks import Block
from autotune.launchfile.values import COMMANDLINE_ARGS, FROM_ENVIRONMENT, Reading, Variable, shown

IsManaged = Callable[[Sequence[str]], tuple[bool, ...]]
"""Tells of each argv word, values of flags included, whether autotune may edit it."""


def by_owner(words: Sequence[str], is_managed: IsManaged) -> tuple[list[str], list[str]]:
    """The user's own words, and those that autotune manages."""
    parts: tuple[list[str], list[str]] = ([], [])
    for word, managed in zip(words, is_managed(words), strict=True):
        parts[managed].append(word)
    return parts


@dataclass(frozen=True, slots=True)
class LaunchFile:
    """A launch file as it was read.

    ``words``: what launch.py receives from it, in argv order (words on the starting line first, then those
    of COMMANDLINE_ARGS). ``static``: the words follow from the file alone; else ``depends`` says on what,
    and ``words`` is what this environment would give. ``why_not``: why it cannot be edited, None if it can.
    ``assignments``: line numbers that set COMMANDLINE_ARGS. ``kind``: sh, cmd or the name of a ``LaunchFormat``.
    """

    path: Path
    kind: str
    data: bytes
    words: tuple[str, ...]
    static: bool
    why_not: str | None
    depends: tuple[str, ...] = ()
    assignments: tuple[int, ...] = ()
    reading: Reading | None = field(default=None, repr=False, compare=False)
    base: bytes = field(default=b"", repr=False, compare=False)
    block: Block | None = field(default=None, repr=False, compare=False)
    root: Path | None = None
    rewritten: bool = False
    """Another program (Pinokio) rewrites the first line that names COMMANDLINE_ARGS, a comment too."""
    environ: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    before: LaunchFile | None = field(default=None, repr=False, compare=False)
    """The batch file that set variables before this one in the same start."""
    others: tuple[str, ...] = ()
    """What the words depend on because of other files of the same start, which are read before or after it."""

    @property
    def uncertain(self) -> tuple[str, ...]:
        """What the words depend on that only the shell knows; where this is empty, ``words`` are a fact, else a guess.

        Variables of the environment do not count: their values are known here as well.
        """
        facts = self.reading.facts if self.reading else frozenset()
        own = (reason for reason in self.depends if not reason.startswith(FROM_ENVIRONMENT) and reason not in facts)
        return tuple(dict.fromkeys(map(shown, (*own, *self.variable(COMMANDLINE_ARGS).depends, *self.others))))

    def variable(self, name: str) -> Variable:
        """The variable that the web UI is started with: as the file sets it, else as the environment has it.

        Without a reading (Stability Matrix's settings.json is no script) it is the environment's. Names in batch
        files are blind to case.
        """
        changes_any = self.reading.changes_any if self.reading else ()
        known = self.reading.variables if self.reading else {}
        if self.kind == "cmd":
            name = name.upper()
            if name in known:
                return known[name]  # says itself which commands may have changed it; set after them, it is certain
            if self.before is not None:
                left = self.before.variable(name)
                return replace(left, depends=tuple(dict.fromkeys((*left.depends, *changes_any))))
            given = next((value for key, value in self.environ.items() if key.upper() == name), None)
        else:
            given = self.environ.get(name)
        found = known.get(name)
        if found is None:
            found = Variable(given, given is not None, self._beside(name))
        return replace(found, depends=tuple(dict.fromkeys((*found.depends, *changes_any))))

    def _beside(self, name: str) -> tuple[str, ...]:
        """What may have set a variable that the file does not set."""
        changes_earlier = self.reading.changes_earlier if self.reading else ()
        if self.kind != "sh":
            return changes_earlier
        from autotune.launchfile.sh_words import GIVEN_OR_SET, SET_BY_BASH

        itself = name in SET_BY_BASH or (name in GIVEN_OR_SET and name not in self.environ)
        return (*changes_earlier, _("what bash sets itself")) if itself else changes_earlier
