"""What is known of each launch flag of a web UI: its class, whether it takes a value, which dimension it is of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from autotune.flags import argv

Kind = Literal[
    "searched", "conditional", "image-checked", "opt-in", "fixed", "protected", "no-op", "alias", "conflict",
]
KINDS: tuple[Kind, ...] = (
    "searched", "conditional", "image-checked", "opt-in", "fixed", "protected", "no-op", "alias", "conflict",
)


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag. ``takes``: "0" no value, "1" one, "?" at most one, "+" one or more, "*" any number.

    ``dimension``: the search dimension it belongs to, None if it is in none; ``needs``: conditions in words;
    ``to``: the full name, for an alias.
    """

    name: str
    kind: Kind
    why: str
    takes: str = "0"
    dimension: str | None = None
    needs: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    to: str | None = None


@dataclass(frozen=True)
class Catalogue:
    """All known flags of one flavour and version.

    ``tuned`` is False where autotune leaves the web UI alone, ``why_not`` says why; ``attention`` names the
    rules that choose the attention class; ``note`` is a remark on the version, if any. ``always``: the dimensions whose
    words are autotune's to edit whether they are searched or not.
    """

    flavour: str
    title: str
    tuned: bool
    why_not: str | None
    attention: str
    flags: Mapping[str, Flag]
    note: str | None = None
    always: tuple[str, ...] = ()

    def classify(self, flag: str) -> Kind | Literal["unknown"]:
        """The class of a flag, given in full, abbreviated, or as ``--flag=value``."""
        name = argv.full_name(flag, self.flags) or argv.full_name(flag.partition("=")[0], self.flags)
        return self.flags[name].kind if name else "unknown"

    def find(self, word: str) -> Flag | None:
        """The flag that ``word`` names, None if it is unknown or ambiguous."""
        name = argv.full_name(word.partition("=")[0], self.flags)
        return self.flags[name] if name else None

    @property
    def dimensions(self) -> tuple[str, ...]:
        """All search dimensions that its flags belong to."""
        return tuple(dict.fromkeys(flag.dimension for flag in self.flags.values() if flag.dimension))

    def managed(self, dimensions: Sequence[str] = ()) -> frozenset[str]:
        """Names of the flags that autotune may add or drop: the default dimensions' and ``dimensions``'."""
        if not self.tuned:
            return frozenset()
        open_ = {*self.always, *dimensions}
        return frozenset(f.name for f in self.flags.values() if f.dimension in open_ and f.kind != "no-op")

    def owns(self, words: Sequence[str], dimensions: Sequence[str] = ()) -> tuple[bool, ...]:
        """For each word: is it in the managed set? A managed flag's value is managed with it.

        ``dimensions`` opens more than the default ones ("precision", "memory"). Words that argparse would
        refuse, and everything after ``--``, are never ours.
        """
        managed = self.managed(dimensions)
        mine = [False] * len(words)
        for piece in argv.pieces(words, self.flags):
            if piece.flag in managed and piece.sound:
                mine[piece.start : piece.end] = [True] * (piece.end - piece.start)
        return tuple(mine)
