"""Each error message that the program foresees has an entry in docs/troubleshooting.md, with its exit code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.messages import REST, WORD, Message, messages

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "troubleshooting.md"
ENTRY = re.compile(r"^### ([^\n]+)\n(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
LISTED = re.compile(r"^- (`+)(.+)\1$", re.MULTILINE)
CODES = re.compile(r"^Exit code: ([^.]*)\.", re.MULTILINE)

PASSED_ON = {
    ("autotune/cli/engine.py", 2): "the last line that the reference web UI's own program said",
    ("autotune/cli/main.py", 2): "click's words on a wrong command line",
    ("autotune/webui/face.py", 3): "the layout's reason why an install is left alone",
    ("autotune/webui/a1111/layout.py", 3): "the layout's reason why an install is left alone",
    ("autotune/webui/comfyui/layout.py", 3): "the layout's reason why an install is left alone",
    ("autotune/webui/comfyui/run_edit.py", 5): "the file, and the trouble that the batch reader met",
    ("autotune/launchfile/reader.py", 5): "the file, and the trouble that a dialect's reader met",
    ("autotune/apply/apply.py", 3): "the layout's reason why an install is left alone",
    ("autotune/apply/apply.py", 5): "the layout's reason why an install is left alone",
    ("autotune/install/inspection.py", 5): "what a launch file leaves open",
    ("autotune/apply/proving_start.py", 4): "how the start failed, with its failure class",
    ("autotune/store/journal.py", 8): "the file, and how its record does not fit",
    ("autotune/store/places.py", 2): "the folder, and what the system says of it",
    ("autotune/store/studies.py", 8): "the file, and how its record does not fit",
    ("autotune/disk/tomlfile.py", 2): "file, key, and what a caller says of a value",
}
"""Messages without words of their own, by file and exit code: whose words they pass on."""

FOUND = messages(ROOT / "autotune")


def entries() -> dict[str, tuple[set[str], set[int]]]:
    """Title -> the messages and the exit codes of the entry."""
    page = PAGE.read_text(encoding="utf-8")
    return {
        title: (
            {text for _, text in LISTED.findall(body)},
            {int(code) for code in re.findall(r"\d+", " ".join(CODES.findall(body)))},
        )
        for title, body in ENTRY.findall(page)
    }


def has_words(message: Message) -> bool:
    return WORD.search(message.text) is not None


def missing(found: list[Message], page: dict[str, tuple[set[str], set[int]]]) -> list[Message]:
    return [one for one in found if has_words(one)
            and not any(one.text in texts and one.code in codes for texts, codes in page.values())]


def test_every_message_has_an_entry_with_its_exit_code() -> None:
    assert len(FOUND) > 150, "the collector lost the source"
    assert [f"{one.place}: exit {one.code}: - `{one.text}`" for one in missing(FOUND, entries())] == []


def test_messages_that_only_pass_words_on_are_known() -> None:
    wordless = {(one.place.rpartition(":")[0], one.code) for one in FOUND if not has_words(one)}
    assert wordless == set(PASSED_ON)


def test_every_listed_message_is_one_of_the_program() -> None:
    texts = {one.text for one in FOUND}
    assert {text for listed, _ in entries().values() for text in listed if text not in texts} == set()


def test_every_entry_says_what_to_do() -> None:
    page = PAGE.read_text(encoding="utf-8")
    found = entries()
    assert found
    for title, body in ENTRY.findall(page):
        assert found[title][0] and found[title][1], f"{title}: no message or no exit code"
        assert re.search(r"^What to do: \S", body, re.MULTILINE), title


@pytest.mark.parametrize("body, text", [
    ('raise Busy("a new one")', "a new one"),
    ('raise Busy(f"{path} is new: {why}")', f"{REST} is new: {REST}"),
    ('what = "one" if path else "another one"\n    raise Busy(what)', "another one"),
    ('raise Later("said by a class below")', "said by a class below"),
    ('wrong = faults(path)\n    raise Busy(*wrong)', "said by a function"),
    ('raise Busy(message=f"{path} by its name")', f"{REST} by its name"),
    ('raise Busy("%s of old" % path)', f"{REST} of old"),
    ('raise Busy("{} of old".format(path))', f"{REST} of old"),
    ('raise Busy(_("{path} is new: {why}").format(path=path, why=why))', f"{REST} is new: {REST}"),
    ('raise Busy(_("a new one"))', "a new one"),
    ('raise Busy(_("{path}: {why}").format(path=path, why=_("said by a part")))', f"{REST}: said by a part"),
    ('raise Busy(ngettext("{n} clip went", "{n} clips went", path).format(n=path))', f"{REST} clips went"),
    ('raise Busy(_(MARKED[path]))', "said later on"),
    ('raise Busy(TABLE.get(path, why))', "said in a table"),
    ('raise Busy({"a": "said in a table"}[path])', "said in a table"),
    ('raise Built(path)', f"{REST} built by its class"),
    ('return helper(f"{path} for a helper", 3)', f"{REST} for a helper"),
])
def test_a_new_message_is_noticed(tmp_path: Path, body: str, text: str) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "errors.py").write_text(
        "class AutotuneError(Exception):\n    code = 1\nclass Busy(AutotuneError):\n    code = 6\n"
        "class Later(Busy):\n    pass\ndef helper(message, number):\n    return Busy(message)\n"
        "class Built(Busy):\n    def __init__(self, path):\n        super().__init__(f'{path} built by its class')\n"
        "def faults(path):\n    return ('said by a function', 'a hint')\n", encoding="utf-8")
    (package / "new.py").write_text(
        f"TABLE = {{'a': 'said in a table'}}\n"
        f"MARKED = {{'a': N_('said later on')}}\ndef act(path, why):\n    {body}\n", encoding="utf-8")
    found = messages(package)
    assert text in {one.text for one in found if one.code == 6}
    assert text in {one.text for one in missing(found, entries())}
