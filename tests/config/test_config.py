"""The configuration: strict, documented, and what it shows is what it reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from autotune.config import config
from autotune.disk.tomlfile import TomlFile
from autotune.model.errors import UsageProblem


def load(text: str) -> config.Config:
    return config.parse(TomlFile(text, "c.toml"), Path("c.toml"))


def test_empty_means_defaults() -> None:
    found = load("")
    assert found.policy == "notify"
    assert found.hours == ()
    assert found.webui is None


def test_values_are_read() -> None:
    found = load(
        'webui = "/w"\n[agent]\npolicy = "apply"\n[when]\nhours = ["22:00-07:00", "12:30-13:00"]\ndays = ["Sat"]\n'
        'sessions_a_week = 2\n[triggers]\n"extensions" = "nothing"\n'
    )
    assert found.webui == Path("/w")
    assert found.policy == "apply"
    assert found.hours == ((1320, 420), (750, 780))
    assert found.days == ("sat",)
    assert found.triggers == (("extensions", "nothing"),)


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ("colour = 1", 1, "colour"),
        ("\n[agent]\npolicy = 'shout'", 3, "agent.policy"),
        ("[agent]\npolicy = 3", 2, "agent.policy"),
        ("[agent]\nsettle = 3", 2, "agent.settle"),
        ("[when]\nhours = ['25:00-26:00']", 2, "when.hours"),
        ("[when]\nhours = ['24:30-03:00']", 2, "when.hours"),
        ("[when]\nhours = ['22:00-22:00']", 2, "when.hours"),
        ("[when]\nhours = '22:00-07:00'", 2, "when.hours"),
        ("[when]\ndays = ['caturday']", 2, "when.days"),
        ("[when]\ndays = []", 2, "when.days"),
        ("[when]\nwebui_running = 'live'", 2, "when.webui_running"),
        ("[when]\nwebui_running = 'restart'", 2, "when.webui_running"),
        ("[agent]\nadded_models = 'never'", 2, "agent.added_models"),
        ("[agent]\ncheck_after_apply = 1", 2, "agent.check_after_apply"),
        ("[when]\nsessions_a_week = 1.5", 2, "when.sessions_a_week"),
        ("[when]\nmax_temperature = 1000", 2, "when.max_temperature"),
        ("[when]\non_battery = 1", 2, "when.on_battery"),
        ("[triggers]\ndriver = 'panic'", 2, "triggers.driver"),
        ("[triggers]\ndrivers = 'drift'", 2, "triggers.drivers"),
        ("[triggers]\n'extension:*' = 'drift'", 2, "triggers.extension:*"),
        ("agent = 1", 1, "agent"),
        ("webui = 7", 1, "webui"),
        ("workflow = 7", 1, "workflow"),
    ],
)
def test_nonsense_is_refused_with_file_line_and_key(text: str, line: int, key: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        load(text)
    assert caught.value.code == 2
    assert caught.value.message.startswith(f"c.toml:{line}: {key}:")
    assert caught.value.hint


def test_no_toml_is_refused_with_its_line() -> None:
    with pytest.raises(UsageProblem, match=r"c.toml:2: not valid TOML"):
        load("policy = 1\n[agent\n")


def test_what_is_shown_reads_back_the_same(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(
        'webui = "/a \\"b\\""\n[when]\nhours = ["22:00-07:30"]\nidle_minutes = 2.5\n[triggers]\n"os" = "retune"\n'
    )
    found = config.load(file)
    file.write_text(config.show(found), encoding="utf-8")
    assert config.load(file) == found
    assert "# set by you" in config.show(found)


def test_the_template_documents_every_key_and_is_valid(tmp_path: Path) -> None:
    text = config.template()
    for key in config.KEYS:
        assert f"# {key.name} = " in text
        assert key.meaning in text
    live = "\n".join(
        line[2:] if line.startswith("# ") and " = " in line and "*" not in line else line
        for line in text.splitlines()
    )
    assert load(live) == load("")
    assert load(text) == load("")


def test_check_says_where_nothing_is(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem):
        config.check(tmp_path / "absent.toml")
    file = tmp_path / "config.toml"
    file.write_text("profile = 'tiny'\n")
    assert config.check(file).endswith("sound")
    file.write_text("profile = 'no-such'\n[triggers]\n'webui_*' = 'drift'\n")
    assert config.load(file).triggers == (("webui_*", "drift"),)
    with pytest.raises(UsageProblem, match="no profile named 'no-such'"):
        config.check(file)


def test_a_workflow_lies_beside_the_file_that_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config.toml"
    file.write_text('workflow = "flows/mine.json"\nprofile = "tiny"\n', encoding="utf-8")
    assert config.load(file).workflow == tmp_path / "flows" / "mine.json"
    monkeypatch.chdir(tmp_path)
    assert config.load(Path("config.toml")).workflow == tmp_path / "flows" / "mine.json"
    assert load('workflow = ""').workflow is None and load("").workflow is None
    with pytest.raises(UsageProblem, match="no such file"):
        config.check(file)
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "mine.json").write_text("{}", encoding="utf-8")
    assert "sound" in config.check(file)
    assert load(config.show(config.load(file))).workflow == config.load(file).workflow
