"""What is shown is in the language that was asked for, all of it; what scripts read is the same in every language."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autotune.cli.main import run
from autotune.language.translate import _, source_only, use_language
from autotune.report import tables
from autotune.report.card_facts import facts_of, markdown
from autotune.report.html import render
from tests import reference
from tests.language.catalogue import key, read
from tests.report import examples

JAPANESE = re.compile(r"[ぁ-んァ-ヶ一-龠（）、。]")
VERBS = (("status",), ("probe",), ("doctor",), ("verify", "--no-start"), ("history",), ("config", "path"),
         ("config", "check"), ("profiles", "list"), ("explain",), ("ask", "cancel"), ("extension", "status"),
         ("tune", "--budget", "never"), ("apply", "--flags", "--nonsense"), ("report",))


@pytest.fixture(autouse=True)
def english_again() -> Iterator[None]:
    yield
    use_language("en")


def english_left(shown: str, but: str = "") -> list[str]:
    """Sentences of the catalogue, of three words and more, that stand in a text as they are in English."""
    found = []
    for one in read("ja"):
        english = [text for text in (one.id if isinstance(one.id, list | tuple) else [one.id])
                   if text and "{" not in text and "%(" not in text and len(re.findall("[a-z]{2,}", text)) >= 3]
        found += [text for text in english if text in shown and text not in but and key(one.string or "") != text]
    return found


def test_the_page_is_japanese() -> None:
    use_language("ja")
    note = examples.recorded()
    document = examples.document(note)
    page = render(document, note.samples, note.launches, examples.DIFF)
    assert '<html lang="ja">' in page and len(JAPANESE.findall(page)) > 1000
    assert english_left(page, json.dumps(document, ensure_ascii=False)) == []
    use_language("en")
    english = render(document, note.samples, note.launches, examples.DIFF)
    assert '<html lang="en">' in english and not JAPANESE.search(english)
    assert "What to change" in english_left(english), "an English sentence on a page would be noticed"


def test_the_tables_are_japanese() -> None:
    use_language("ja")
    note = examples.recorded()
    document = examples.document(note)
    shown = tables.text(tables.tune_summary({**document["tune"], "profile": document["profile"]}))
    assert JAPANESE.search(shown) and english_left(shown, json.dumps(document, ensure_ascii=False)) == []


def test_a_card_is_english_in_every_language() -> None:
    """It is posted to anybody, and its letters are Latin ones."""
    note = examples.recorded()
    document = examples.document(note)
    workloads = document["profile"]["workloads"]
    head = {"profile": {"workload": workloads}, "gpu": document["gpu"], "webui": document["webui"]}
    use_language("ja")
    japanese = markdown(facts_of(head, document["tune"]))
    assert _("Peak memory") != "Peak memory", "the language goes on after it"
    use_language("en")
    assert japanese == markdown(facts_of(head, document["tune"])) and not JAPANESE.search(japanese)


def test_english_within_a_block_ends_with_it() -> None:
    use_language("ja")
    with pytest.raises(ZeroDivisionError), source_only():
        assert _("Peak memory") == "Peak memory"
        raise ZeroDivisionError
    assert _("Peak memory") != "Peak memory"


def flat(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from flat(inner, f"{place}.{name}")
    elif isinstance(value, list):
        yield f"{place}#", len(value)
        for number, inner in enumerate(value):
            yield from flat(inner, f"{place}[{number}]")
    else:
        yield place, value


@pytest.mark.slow
@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_a_document_differs_in_sentences_alone(
    words: tuple[str, ...], install: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same keys and values in both languages; what differs are sentences for people, and all of them do."""
    common = ["--webui", str(install), "--state-dir", str(tmp_path / "state"), "--config", str(tmp_path / "c.toml")]
    (tmp_path / "c.toml").write_text("")
    codes, said = [], []
    for language in ("en", "ja"):
        codes.append(run([*common, *words, "--json", "-q", "--lang", language]))
        said.append(dict(flat(json.loads(capsys.readouterr().out))))
    english, japanese = said
    # Whether the machine is free at that moment may change between the two: other tests run beside.
    free = {place.removesuffix(".name") for place, value in english.items() if value == "machine is free"}
    if free:
        english, japanese = ({place: value for place, value in one.items()
                              if place != ".ok" and not any(place.startswith(f"{row}.") for row in free)}
                             for one in (english, japanese))
    assert (codes[0] == codes[1] or free) and english.keys() == japanese.keys()
    for place, value in english.items():
        other = japanese[place]
        if other != value and not isinstance(value, float):
            assert isinstance(value, str) and " " in value and JAPANESE.search(other), f"{place}: {value!r} {other!r}"
    # Names, as those of doctor's checks, are values for scripts.
    names = json.dumps([value for place, value in english.items() if place.endswith(".name")], ensure_ascii=False)
    assert english_left(json.dumps(list(japanese.values()), ensure_ascii=False), names) == []


@pytest.fixture(scope="module")
def install(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reference.copy(tmp_path_factory.mktemp("documents") / "webui")
