"""Writes managed flags into a launch file and changes nothing else in it.

One policy, in this order, and why:

1. The file gives the wanted managed words already: it stays as it is, byte for byte.
2. The value follows from the file alone (one literal, or parts put together by appends and continuation lines):
   managed words are taken out where they stand, the wanted words go where the first of them stood, or to the end
   of the last assignment that always runs. Every other byte of the value stays, so comments, alignment, quoting
   and secrets are not rewritten, and a tool that edits the first matching line finds that line where it was.
3. Nothing assigns COMMANDLINE_ARGS: one line is added below the last commented-out default, else below the comment
   that spells an assignment out, else before the line that starts the web UI, else at the end. Where Pinokio starts
   the web UI it stands above them: Pinokio makes the first line that names COMMANDLINE_ARGS its own, a comment too.
4. The value depends on variables, commands or conditions: a marked block (see blocks.py) decides when the script
   runs. No expanded value is ever written, so no secret of the environment ends up in a file.
5. Managed words on the starting line itself (``call webui.bat --xformers``) are taken out there.
6. Everything else is refused, with the line to paste: never exported, an array, a start inside a block, a word
   the script language cannot hold, a marked block that was changed by hand.

Every result is read again before it is handed out: it must give exactly the expected words, and every other
command of the script must be the same as before; otherwise the next step of the policy is tried.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from autotune.language.translate import _
from autotune.launchfile import blocks, formats
from autotune.launchfile.blocks import BlockFlags
from autotune.launchfile.launch_file import IsManaged, LaunchFile, by_owner
from autotune.launchfile.quoting import for_cmd, for_sh, joined
from autotune.launchfile.reader import parse, read_script, split_value
from autotune.launchfile.splices import Splice, apply_splices, drop_empty_lines, remove_words
from autotune.launchfile.values import COMMANDLINE_ARGS, Reading, Word, shown
from autotune.model.errors import Refused, UsageProblem

_COMMENT = re.compile(rb"[ \t@]*(?:#|::|rem\b)", re.IGNORECASE)
"""How a line of comment begins, in either language."""


def edit(file: LaunchFile, target_words: Sequence[str], is_managed: IsManaged, block_flags: BlockFlags) -> bytes:
    """The file's bytes with exactly ``target_words`` as its managed words.

    ``block_flags``: flags a marked block takes out, as far as ``is_managed`` says they are managed. Raises Refused (the
    hint is the line to paste and where) and UsageProblem (a target word that is not managed).
    """
    target = tuple(target_words)
    _check(target, is_managed)
    # A marked block decides about the managed words, whatever the words before it depend on.
    known_words = not file.uncertain or file.block is not None
    if known_words and flag_units(file.words, is_managed) == flag_units(target, is_managed) and file.why_not is None:
        return file.data
    made = formats.of_kind(file.kind)
    if made is not None:
        edited = made.edit(file, target, is_managed)
        if flag_units(made.parse(edited, file.path, file.root).words, is_managed) != flag_units(target, is_managed):
            raise Refused(_("{path} cannot be edited safely").format(path=file.path),
                          paste_hint(file, target, is_managed))
        return edited
    if file.why_not is not None:
        raise Refused(_("{path} cannot be edited safely: {reason}").format(path=file.path, reason=file.why_not),
                      paste_hint(file, target, is_managed))
    change = _Edit(file, target, is_managed, block_flags)
    for attempt in (change.literal, change.added, change.block, lambda: change.block(thorough=True)):
        data = attempt()
        if data is not None and change.proves(data):
            return data
    if file.depends:
        raise Refused(_("{path} cannot be edited safely: its flags depend on {reasons}").format(
            path=file.path, reasons="; ".join(map(shown, file.depends))), paste_hint(file, target, is_managed))
    raise Refused(_("{path} cannot be edited safely").format(path=file.path), paste_hint(file, target, is_managed))


def flag_units(words: Sequence[str], is_managed: IsManaged) -> Counter[tuple[str, ...]]:
    """Managed flags with their values, without order: a different order means the same."""
    found: list[list[str]] = []
    for word, mine in zip(words, is_managed(words), strict=True):
        if mine and (word.startswith("-") or not found):
            found.append([word])
        elif mine:
            found[-1].append(word)
    return Counter(tuple(unit) for unit in found)


def _check(target: tuple[str, ...], is_managed: IsManaged) -> None:
    for word, mine in zip(target, is_managed(target), strict=True):
        if not mine:
            raise UsageProblem(_("{word!r} is not a flag that autotune manages").format(word=word),
                               _("Leave it out, or edit it by hand."))
        if "\0" in word:
            raise Refused(_("{word!r} holds a NUL byte, which no environment variable can hold").format(word=word),
                          _("Leave it out."))


def paste_hint(file: LaunchFile, target: tuple[str, ...], is_managed: IsManaged) -> str:
    """What to write by hand, and where; tried on a copy before it is given."""
    from autotune.launchfile import advice

    if file.kind == "sh" and file.reading is not None and (instead := _not_by_pasting(file.reading)):
        return instead
    in_place = None if file.reading is None else _Edit(file, target, is_managed, BlockFlags()).in_place(anyway=True)
    return advice.by_hand(file, target, is_managed, in_place)


def _not_by_pasting(reading: Reading) -> str:
    """A hint on what to change where one more line would not help, '' where it would."""
    if reading.array_line is None and not reading.exported:
        numbers = list(dict.fromkeys(a.line for a in reading.assignments))
        text = _("Write export before {name} in the line that sets it, so that the web UI gets these flags; "
                 "then run this again.")
        if numbers:
            text = _("Write export before {name} in line {line}, so that the web UI gets these flags; "
                     "then run this again.")
        return text.format(name=COMMANDLINE_ARGS, line=numbers[-1] if numbers else 0)
    if reading.read_only:
        return _("Take that out (readonly, or -r): nothing can change {name} after it. Then run this again.").format(
            name=COMMANDLINE_ARGS)
    return ""


@dataclass(slots=True)
class _Edit:
    """One edit: the file, the words that are wanted (``target``), and the ways to write them."""

    file: LaunchFile
    target: tuple[str, ...]
    is_managed: IsManaged
    block_flags: BlockFlags

    @property
    def reading(self) -> Reading:
        assert self.file.reading is not None
        return self.file.reading

    def _base(self) -> LaunchFile:
        """The file as it would be read without autotune's block."""
        if self.file.block is None:
            return self.file
        return parse(self.file.base, self.file.path, self.file.environ, before=self.file.before)

    def _text(self) -> str:
        return joined(self.target).encode("utf-8", "surrogateescape").decode("latin-1")

    def encode(self, text: str, where: str) -> str | None:
        """``text`` as the script language spells it inside the quoting ``where``; None where it cannot."""
        if self.file.kind == "sh":
            return for_sh(text, where)
        if self.reading.delayed_expansion and "!" in text:
            return None
        if any(ord(c) > 127 for c in text) and b"chcp 65001" not in self.file.data.lower():
            return None
        return for_cmd(text, where)

    # -- the three ways

    def literal(self) -> bytes | None:
        """The file with its words changed in place; None where the value depends on anything, or nothing assigns it."""
        if not self.reading.assigned or split_value(self.reading).flat.open_reasons:
            return None
        return self.in_place()

    def in_place(self, anyway: bool = False) -> bytes | None:
        """The file with its words changed in place. ``anyway``: also in a line that does not always run."""
        base, reading = self._base(), self.reading
        line, inside = self._managed(base)
        file_text = self.file.base.decode("latin-1")
        removed = remove_words(file_text, reading, line, inside, keep_first=bool(self.target))
        if removed is None:
            return None
        changes, first = removed
        if self.target:
            place = first or self._tail(anyway)
            if place is None:
                return None
            offset, where, blank = place
            text = self.encode((" " if blank else "") + self._text(), where)
            if text is None:
                return None
            changes.append(Splice(offset, offset, text))
        return apply_splices(file_text, drop_empty_lines(file_text, changes, reading)).encode("latin-1")

    def _managed(self, base: LaunchFile) -> tuple[list[int], list[int]]:
        """Indexes of managed words: on the starting line, and inside COMMANDLINE_ARGS."""
        mine = self.is_managed(base.words)
        on_line = len(self.reading.line_words)
        return (
            [i for i in range(on_line) if mine[i]],
            [i - on_line for i in range(on_line, len(mine)) if mine[i]],
        )

    def _tail(self, anyway: bool = False) -> tuple[int, str, bool] | None:
        """The place for words that replace none: the end of the last assignment that always runs."""
        always = [a for a in self.reading.assignments if anyway or not a.conditional]
        if not always:
            return None
        atoms = split_value(self.reading).flat.atoms
        while atoms and atoms[-1].text == "\r":
            atoms.pop()
        blank = bool(atoms) and atoms[-1].text[-1:] not in ("", " ", "\t")
        return always[-1].tail.offset, always[-1].tail.where, blank

    def added(self) -> bytes | None:
        """The file with one new line; None where something assigns COMMANDLINE_ARGS already."""
        base, reading = self._base(), self.reading
        if not base.static or reading.assigned or not self.target or base.words:
            return None
        places = [reading.default_at, self._below(reading.mention_at), reading.plain_at]
        if self.file.rewritten:
            places.insert(0, reading.mention_at)
        launch = len(self.file.base) if reading.launch_at is None else reading.launch_at
        at = next((place for place in places if place is not None and place <= launch), None)
        if at is None:
            return None
        text = self.encode(self._text(), "double" if self.file.kind == "sh" else "plain")
        if text is None:
            return None
        line = f'export {COMMANDLINE_ARGS}="{text}"' if self.file.kind == "sh" else f"set {COMMANDLINE_ARGS}={text}"
        return self._insert(self.file.base, at, line, self._eol())

    def _below(self, at: int | None) -> int | None:
        """Offset after the paragraph of comments that a line is in: what it explains comes below it."""
        data = self.file.base
        while at is not None and at < len(data) and _COMMENT.match(data, at):
            end = data.find(b"\n", at)
            at = len(data) if end < 0 else end + 1
        return at

    def _eol(self) -> str:
        crlf = self.file.base.count(b"\r\n")
        return "\r\n" if crlf * 2 > self.file.base.count(b"\n") else "\n"

    @staticmethod
    def _insert(data: bytes, at: int, lines: str, eol: str) -> bytes:
        """``data`` with whole lines put in at a line's start; a file without a final newline gets none."""
        open_end = at == len(data) and at > 0 and not data.endswith(b"\n")
        text = eol + lines if open_end else lines + eol
        return data[:at] + text.encode("latin-1") + data[at:]

    def block(self, thorough: bool = False) -> bytes | None:
        """The file with a marked block that decides when the script runs; None where no place for it is safe.

        ``thorough``: in a batch file, managed words that stand in the file are all taken out there.
        """
        base = self._base()
        line, inside = self._managed(base)
        words = split_value(self.reading).words
        # What a batch file cannot match when it runs is taken out beforehand, where it stands in the file.
        inside = [i for i in inside if self.file.kind == "cmd" and words[i].literal
                  and (thorough or not self._matched(words[i]))]
        start = self.file.base
        if line or inside:
            text = start.decode("latin-1")
            removed = remove_words(text, self.reading, line, inside, keep_first=False)
            if removed is None:
                return None
            start = apply_splices(text, drop_empty_lines(text, removed[0], self.reading)).encode("latin-1")
            base = parse(start, self.file.path, self.file.environ, before=self.file.before)
        assert base.reading is not None
        at = base.reading.block_at
        if at is None and not base.reading.assigned:
            at = base.reading.plain_at
        if at is None or (base.reading.launch_at is not None and at > base.reading.launch_at):
            return None
        eol = self._eol() if self.file.kind == "cmd" else "\n"
        built = self._build(base)
        if built is None or self.encode(built.text, "quoted" if built.quoted else "plain") is None:
            return None
        try:
            text = blocks.render(built, eol).removesuffix(eol)
        except ValueError:
            return None
        return self._insert(start, at, text, eol)

    def _matched(self, word: Word) -> bool:
        """Will percent substitution find this word: between blanks, without quotes, tabs or ``=``?"""
        atoms = split_value(self.reading).flat.atoms
        around = [atoms[i].text for i in (word.first - 1, word.last + 1) if 0 <= i < len(atoms)]
        spelled = "".join(atom.text for atom in atoms[word.first : word.last + 1])
        return spelled == word.text and "=" not in spelled and all(one[:1] in ("", " ") for one in around)

    def _build(self, base: LaunchFile) -> blocks.Block | None:
        present = [u for u in flag_units(base.words, self.is_managed) if u[0].startswith("-")]
        names = dict.fromkeys([*self.block_flags.names, *(u[0] for u in present if "=" not in u[0])])
        names = dict.fromkeys(n for n in names if re.fullmatch(r"--?[A-Za-z0-9][\w-]*", n))
        valued = [n for n in names if any(all(self.is_managed((n, value))) for value in self.block_flags.values)
                  or any(u[0] == n and len(u) > 1 for u in present)]
        plain = [n for n in names if n not in valued and self.is_managed((n,))[0]]
        if self.file.kind == "sh":
            return blocks.Block("sh", tuple(plain), tuple(valued), self._text())
        assert base.reading is not None
        pairs = [f"{a} {b}" for a, b in self.block_flags.pairs if a in valued]
        pairs += [" ".join(u) for u in present if len(u) > 1 and re.fullmatch(r"[\w. -]+", " ".join(u))]
        quoted = _quoted_form(base)
        if quoted is None:
            return None
        return blocks.Block("cmd", tuple(dict.fromkeys([*plain, *pairs])), (), self._text(), quoted)

    # -- the proof

    def proves(self, data: bytes) -> bool:
        """Does the result, read again, give the expected words, with every other command as it was?"""
        try:
            after = parse(data, self.file.path, self.file.environ, before=self.file.before)
        except Refused:
            return False
        before = self._base()
        if after.reading is None or after.why_not is not None or after.words != self._expected(before, after):
            return False
        if (after.block is None and data != after.base) or not _block_is_separate(after):
            return False
        gone = [self.reading.line_words[i].text for i in self._managed(before)[0]]
        mine = [_without(c, gone) for c in self.reading.others]
        theirs = [_without(c, gone) for c in after.reading.others]
        # A line that was added to a file without any is an `export` more, and nothing else.
        added = bool(after.reading.assigned) and not self.reading.assigned and after.block is None
        return mine == theirs or (added and any(
            one == "export" and mine == theirs[:at] + theirs[at + 1:] for at, one in enumerate(theirs)))

    def _expected(self, before: LaunchFile, after: LaunchFile) -> tuple[str, ...]:
        kept, mine = by_owner(before.words, self.is_managed)[0], self.is_managed(before.words)
        if after.block is not None:
            return (*kept, *self.target)
        on_line = len(self.reading.line_words)
        first = next((i for i in range(on_line, len(mine)) if mine[i]), len(mine))
        at = sum(not m for m in mine[:first])
        return (*kept[:at], *self.target, *kept[at:])


def _block_is_separate(file: LaunchFile) -> bool:
    """Are the lines of a bash block commands of their own, not part of one that begins above them?"""
    if file.block is None or file.kind != "sh":
        return True
    own = read_script(blocks.render(file.block, "\n").encode("latin-1"), "sh", {}, file.path).others[1:]
    whole, base = read_script(file.data, "sh", {}, file.path).others, read_script(file.base, "sh", {}, file.path).others
    return any(base[:at] + own + base[at:] == whole for at in range(1, len(base) + 1))


def _quoted_form(base: LaunchFile) -> bool | None:
    """Whether a batch block needs ``set "X=..."`` (True) or ``set X=...``, so that no value is run; None: neither.

    ``set X=%X%`` is safe where the owner's own lines have that form, ``set "X=%X%"`` where no quotes are in
    play. Mixed forms with quotes or special characters are refused (None), a value that comes from
    elsewhere, and one with ``!`` where that sign is expanded once more.
    """
    assert base.reading is not None
    text, now = base.data.decode("latin-1"), split_value(base.reading).flat.text
    if base.reading.from_elsewhere or (base.reading.delayed_expansion and "!" in text + now):
        return None
    forms = {a.tail.where == "quoted" for a in base.reading.assignments}
    values = [text[a.start : a.end] for a in base.reading.assignments]
    special = any(re.search(r"[&|<>^]", re.sub(r'"[^"]*"|\^\r?\n', "", v)) for v in values)
    if re.search(r"[&|<>^]", re.sub(r'"[^"]*"', "", now)):
        return True if '"' not in now and forms <= {True} else None
    if len(forms) == 1:
        quoted = forms.pop()
        return None if special and not quoted else quoted
    if any('"' in v for v in values):
        return None if special else False
    return bool(forms)


def _without(command: str, gone: list[str]) -> str:
    """A command with some words taken out and blanks evened, for comparing."""
    if not gone:
        return command
    return " ".join(w for w in command.split() if w not in gone)
