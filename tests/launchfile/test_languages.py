"""What is read, and what is written, is the same in every language: no code looks at words that are for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from autotune.language.translate import LANGUAGES, SOURCE, use_language
from autotune.launchfile.ask_bash import ask
from autotune.launchfile.launch_file import LaunchFile
from autotune.launchfile.reader import parse
from autotune.model.errors import Refused
from tests.launchfile import batch_maker, grown_sh
from tests.launchfile.batch_hostile import HOSTILE
from tests.launchfile.corpus_bat import BAT, crlf
from tests.launchfile.corpus_sh import SH
from tests.launchfile.judges import TARGET, edit

GROWN = 80
SHELL = [data for _, data, _ in SH] + [one.data for one in grown_sh.many(7, GROWN)] + [
    b"readonly COMMANDLINE_ARGS=--api\nexport COMMANDLINE_ARGS\n", b"read -ra COMMANDLINE_ARGS <<< 'a b'\n",
    b"f() { ./webui.sh; }\nexport COMMANDLINE_ARGS=--api\nf\n", b"( ./webui.sh --api )\n", b"a=(\n", b"x=\"\n"]
BATCH = [data for _, data, _ in BAT] + [crlf(f"{one}\ncall webui.bat\n") for one in HOSTILE] + [
    batch_maker.batch(Random(seed)) for seed in range(GROWN)]
Outcome = tuple[object, ...]


@pytest.fixture(autouse=True)
def english_again() -> Iterator[None]:
    yield
    use_language(SOURCE)


def outcome(data: bytes, name: str) -> Outcome:
    """All that the rest of autotune does with a launch file, without the words that it says of it."""
    environ = {"HOME": "/home/someone", "EXTRA": "--api", "N": "3"}
    try:
        file = parse(data, Path(name), environ)
    except Refused:
        return ("not read",)
    sure = {name: (one.text, one.exported, one.certain) for name, one in file.reading.variables.items()} \
        if file.reading else {}
    try:
        edited: object = edit(file, TARGET)
    except Refused:
        edited = "refused"
    read = (file.words, file.static, file.why_not is None, len(file.depends), len(file.uncertain), str(sure))
    return (edited, _asked(file, environ), *read)


def _asked(file: LaunchFile, environ: dict[str, str]) -> object:
    if not file.uncertain or file.kind != "sh":
        return None
    said = ask(file, Path(), environ)
    return "no answer" if isinstance(said, str) else said.words


@pytest.mark.parametrize(("name", "files"), [("webui-user.sh", SHELL), ("webui-user.bat", BATCH)])
def test_the_language_changes_nothing_but_words(name: str, files: list[bytes]) -> None:
    found = {}
    for language in LANGUAGES:
        use_language(language)
        found[language] = [outcome(data, name) for data in files]
    for at, data in enumerate(files):
        assert len({found[language][at] for language in LANGUAGES}) == 1, data
    kinds = Counter(str(one[0]) if isinstance(one[0], str) else "edited" for one in found[SOURCE])
    assert kinds["refused"] > 5 and kinds["edited"] > 50, kinds


def test_a_reason_is_said_in_the_language_in_use() -> None:
    use_language("ja")
    file = parse(b"if x; then\nexport COMMANDLINE_ARGS=--api\nfi\n", Path("webui-user.sh"), {})
    assert file.uncertain and not any(one.isascii() for one in file.uncertain)
    batch = parse(b"set COMMANDLINE_ARGS=%1\r\ncall webui.bat\r\n", Path("webui-user.bat"), {})
    assert batch.uncertain == ("引数 %1",)
