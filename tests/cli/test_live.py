"""The live screen of a tune, on a real pseudo-terminal, as a person sees it; and where there is none, plain lines."""

from __future__ import annotations

import io
import os
import random
import re
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyte
import pytest
from rich.cells import cell_len
from rich.text import Text

from autotune.cli import live, output, progress
from autotune.cli.live_view import ASCII, DRAWN, TuneView, line_view, marks_for, view
from autotune.language.translate import use_language
from benchmarks.replayed import TUNES
from tests.cli.moments import shown_at

unix = pytest.mark.skipif(os.name == "nt", reason="a pseudo-terminal")
ROOT = Path(__file__).parents[2]
CHANCE = random.Random("heights")


@contextmanager
def speaking(language: str) -> Iterator[None]:
    use_language(language)
    try:
        yield
    finally:
        use_language("en")


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize(("columns", "rows"), [(40, 8), (60, 10), (80, 24), (80, 50), (120, 30), (200, 60)])
def test_every_line_fits_the_window(columns: int, rows: int, language: str) -> None:
    with speaking(language):
        for name in TUNES:
            for share in (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0):
                shown, elapsed = shown_at(name, share)
                for marks in (DRAWN, ASCII):
                    lines = view(shown, TuneView(columns, rows, elapsed, 0.0, marks))
                    assert len(lines) < rows
                    assert max(line.cell_len for line in lines) <= columns
                    assert all("\n" not in line.plain for line in lines)


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["cp437", "cp1252", "ascii", "cp932", "utf-8"])
def test_the_marks_are_letters_of_the_streams_encoding(encoding: str) -> None:
    shown, elapsed = shown_at("article512", 0.6)
    text = "\n".join(line.plain for line in view(shown, TuneView(80, 30, elapsed, 3.0, marks_for(encoding))))
    assert text.encode(encoding)
    assert ("●" in text) == (encoding == "utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "ja"])
def test_bars_stand_on_one_scale_and_agree_with_the_figures(language: str) -> None:
    with speaking(language):
        shown, elapsed = shown_at("article768", 0.9)
        rows = [line.plain for line in view(shown, TuneView(120, 40, elapsed, 0.0, DRAWN)) if "│" in line.plain]
    assert sum("（現在）" in row for row in rows) == (language == "ja")
    assert len({cell_len(row.split("│")[0]) for row in rows}) == 1 and len(rows) >= 4
    for row in rows:
        if "●" not in row:
            continue
        low, _, high = row.split("(")[1].split(")")[0].partition("–")
        bar = row[row.index(")") + 1:]
        one = bar.index("│")
        assert (float(low) > 1.0) == (bar.index("├") > one) == ("▲" in row)
        assert (float(high) < 1.0) == (bar.index("┤") < one) == ("▼" in row)
        assert bar.index("├") <= bar.index("●") <= bar.index("┤")


def test_one_line_with_wide_letters_fits() -> None:
    for columns in (40, 41, 79, 80):
        line = line_view("起動オプションを書き込み、有効になっているか確認しています" * 3, 3700.0, columns, DRAWN)
        assert line.cell_len < columns and line.plain.endswith("1:01:40")


class Stream(io.StringIO):
    def __init__(self, tty: bool) -> None:
        super().__init__()
        self.tty = tty

    def isatty(self) -> bool:
        return self.tty


@pytest.mark.parametrize(("environ", "tty", "drawn"), [
    ({"TERM": "xterm-256color"}, True, True), ({"TERM": "xterm-256color"}, False, False),
    ({"TERM": "dumb"}, True, False), ({"TERM": "xterm", "NO_COLOR": "1"}, True, True),
    ({"TERM": "xterm", "CI": "true"}, True, False), ({"TERM": "xterm", "NO_COLOR": ""}, True, True),
    ({"TERM": "unknown"}, True, False),
])
def test_where_a_screen_is_drawn(environ: Mapping[str, str], tty: bool, drawn: bool,
                                 monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rich.console.detect_legacy_windows", lambda: False)
    assert progress.can_be_live(Stream(tty), dict(environ)) == drawn


def test_nothing_is_drawn_where_nobody_sees_it() -> None:
    """Windows calls NUL a terminal; a program without a console has no stderr at all."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        assert not progress.can_be_live(nowhere, {"TERM": "xterm"})
    assert not progress.can_be_live(output._Nowhere("w"), {"TERM": "xterm"})


def test_a_windows_console_without_escape_sequences_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rich.console.detect_legacy_windows", lambda: True)
    assert not progress.can_be_live(Stream(True), {"TERM": "xterm"})


class Jumping(live._Live):
    """A screen that is of another height each time."""

    def _lines(self, width: int, height: int) -> list[Text]:
        return [Text(f"drawn {number}") for number in range(CHANCE.randint(1, 12))]


def test_lines_that_stay_and_a_screen_drawn_meanwhile_leave_each_other_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("TERM", "xterm-256color"), ("COLUMNS", "80"), ("LINES", "24")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(live, "PER_SECOND", 2000.0)
    stream, often = Stream(True), sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with Jumping(stream) as shown:
            for number in range(0, 300, 2):
                shown.say(f"line {number}")
                sys.stderr.write("line")
                sys.stderr.write(f" {number + 1}\n")
    finally:
        sys.setswitchinterval(often)
    screen = pyte.HistoryScreen(80, 24, history=5000)
    pyte.Stream(screen).feed(stream.getvalue().replace("\n", "\r\n"))
    past = ["".join(row[at].data for at in range(80)) for row in screen.history.top]
    assert [line.rstrip() for line in (*past, *screen.display) if line.strip()] == [f"line {n}" for n in range(300)]


if sys.platform != "win32":
    from tests.terminal import Terminal, until, widest

    class Play:
        """The program on a terminal, and the pipe through which it is told to go on."""

        def __init__(self, columns: int, rows: int, *words: str, piped: bool = False,
                     env: Mapping[str, str] | None = None) -> None:
            told, self._orders = os.pipe()
            os.set_inheritable(told, True)
            unset = ("CI", "NO_COLOR", "COLUMNS", "LINES")
            kept = {key: value for key, value in os.environ.items() if key not in unset}
            command = [sys.executable, "-m", "tests.cli.live_program", str(told), *words]
            whole = {**kept, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT), **(env or {})}
            self.terminal = Terminal(command, whole, columns, rows, (told,), piped)
            os.close(told)

        def tell(self, *lines: str) -> None:
            os.write(self._orders, "".join(f"{line}\n" for line in lines).encode())

        def __enter__(self) -> Play:
            return self

        def __exit__(self, *_: object) -> None:
            os.close(self._orders)
            self.terminal.__exit__(None, None, None)

    @pytest.mark.slow
    @pytest.mark.parametrize(("columns", "rows"), [(80, 24), (120, 30)])
    def test_a_tune_on_a_terminal(columns: int, rows: int) -> None:
        with Play(columns, rows) as play:
            terminal = play.terminal
            play.tell("step")
            assert terminal.shows("yours")
            play.tell(*["step"] * 8, "say   warning: モーションモジュールが見つかりません")
            play.tell("print somebody else's line")
            assert terminal.shows("▲") and terminal.shows("min left")
            assert terminal.shows("somebody else's line") and terminal.shows("warning: モ")
            assert terminal.cursor_hidden()
            play.tell("end")
            assert terminal.ended() == 0
            assert not terminal.cursor_hidden()
            lines = terminal.all_lines()
            assert [line for line in lines if line] == [
                "  warning: モーションモジュールが見つかりません", "somebody else's line", "the verdict"]
            assert all(widest(screen) <= columns for screen in terminal.seen)
            torn = [line for screen in terminal.seen for line in screen
                    if "somebody" in line and line.rstrip() != "somebody else's line"]
            assert torn == []

    @pytest.mark.slow
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_an_interrupted_tune_leaves_a_clean_terminal(number: signal.Signals) -> None:
        with Play(80, 24) as play:
            terminal = play.terminal
            play.tell("step", "step")
            assert terminal.shows("doggettx (yours)")
            if number == signal.SIGINT:
                terminal.type("\x03")
            else:
                terminal.process.send_signal(number)
            assert terminal.ended() == 130
            assert not terminal.cursor_hidden()
            said = [line for line in terminal.all_lines() if line and line != "^C"]
            assert said[-2:] == [f"autotune: interrupted by {number.name}",
                                 "  Nothing is lost: the same command goes on from here."]
            assert not any("yours" in line for line in said)

    @pytest.mark.slow
    def test_what_is_drawn_goes_to_stderr_alone() -> None:
        with Play(80, 24, piped=True) as play:
            play.tell("step", "step")
            assert play.terminal.shows("(yours)")
            play.tell("end")
            assert play.terminal.ended() == 0
            assert play.terminal.process.stdout is not None
            assert play.terminal.process.stdout.read() == b"the verdict\n"
            assert [line for line in play.terminal.lines() if line] == []

    @pytest.mark.slow
    def test_a_verb_at_work_is_one_line() -> None:
        with Play(60, 10, "line") as play:
            terminal = play.terminal
            assert terminal.shows("Proving the flags 起")
            play.tell("say starting the web UI once", "step")
            assert terminal.shows(": Clip 1 of 1") and terminal.shows("starting the web UI once")
            assert sum("Proving" in line for line in terminal.lines()) == 1
            play.tell("end")
            assert terminal.ended() == 0 and not terminal.cursor_hidden()
            assert [line for line in terminal.all_lines() if line] == ["starting the web UI once", "the verdict"]

    def is_whole(terminal: Terminal) -> bool:
        """Whether one screen stands there, made for the window as it is now, and nothing of an earlier one."""
        lines = terminal.lines()
        heads = [line for line in lines if "Clip 1 of" in line]
        return (len(heads) == 1 and len(heads[0]) == terminal.screen.columns - 1
                and sum("(yours)" in line for line in lines) == 1)

    @pytest.mark.slow
    def test_a_window_that_is_resized_holds_one_whole_screen() -> None:
        with Play(120, 30) as play:
            terminal = play.terminal
            play.tell(*["step"] * 10)
            assert terminal.shows("▲")
            for columns, rows in ((60, 20), (100, 12), (80, 24)):
                terminal.resize(columns, rows)
                until(lambda: is_whole(terminal), f"a whole screen of {columns} columns: {terminal.lines()}")
                assert widest(terminal.lines()) <= columns
            play.tell("end")
            assert terminal.ended() == 0 and not terminal.cursor_hidden()
            assert [line for line in terminal.lines() if line] == ["the verdict"]

    @pytest.mark.slow
    @pytest.mark.parametrize("env", [{}, {"NO_COLOR": "1"}])
    def test_a_screen_has_colours_unless_they_are_unwanted(env: dict[str, str]) -> None:
        with Play(80, 24, env=env) as play:
            play.tell(*["step"] * 10)
            assert play.terminal.shows("▲")
            play.tell("end")
            assert play.terminal.ended() == 0
            given = {code for codes in re.findall(rb"\x1b\[([\d;]*)m", play.terminal.raw) for code in codes.split(b";")}
            colours = {code for code in given if code[:1] in b"349" and len(code) == 2}
            assert bool(colours) == (not env), given

    @pytest.mark.slow
    @pytest.mark.parametrize("env", [{"TERM": "dumb"}, {"CI": "true"}])
    def test_plain_lines_where_no_screen_is_wanted(env: dict[str, str]) -> None:
        with Play(80, 24, env=env) as play:
            play.tell("step", "step", "end")
            assert play.terminal.ended() == 0
            assert b"\x1b" not in play.terminal.raw
            assert any(line.startswith("[0:") and "left] " in line for line in play.terminal.all_lines())
