"""Which language is spoken: what was asked for, what the environment says, what the system is set to."""

from __future__ import annotations

import ctypes
import os
import plistlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autotune.language import choice
from autotune.language.choice import asked_for, can_show, known, of_system

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("name", "language"), [
    ("ja", "ja"), ("ja_JP.UTF-8", "ja"), ("ja-JP", "ja"), ("JA_jp@x", "ja"), ("en_GB", "en"), ("C", "en"),
    ("C.UTF-8", "en"), ("POSIX", "en"), ("de_DE", None), ("", None), ("javanese", None),
])
def test_a_locale_means_a_language(name: str, language: str | None) -> None:
    assert known(name) == language


@pytest.mark.parametrize(("words", "environ", "language"), [
    (["--lang", "ja", "status"], {}, "ja"), (["status", "--lang=ja"], {}, "ja"),
    (["--lang", "ja", "status", "--lang", "en"], {}, "en"), (["status"], {"AUTOTUNE_LANG": "ja_JP"}, "ja"),
    (["status", "--lang", "en"], {"AUTOTUNE_LANG": "ja"}, "en"), (["status"], {"AUTOTUNE_LANG": "fr"}, "en"),
    (["status"], {"AUTOTUNE_LANG": ""}, None), (["status", "--lang"], {}, None), (["--lang", "fr"], {}, None),
    (["x", "--", "--lang", "ja"], {}, None), (["status"], {"LANG": "ja_JP.UTF-8"}, None),
])
def test_what_is_asked_for(words: list[str], environ: dict[str, str], language: str | None) -> None:
    assert asked_for(words, environ) == language


CASES = [
    ({"LANG": "ja_JP.UTF-8"}, "ja"), ({"LANG": "en_US.UTF-8"}, "en"), ({"LANG": "de_DE.UTF-8"}, "en"),
    ({"LC_ALL": "ja_JP.UTF-8", "LANG": "en_US.UTF-8"}, "ja"),
    ({"LC_MESSAGES": "ja_JP.UTF-8", "LANG": "en_US.UTF-8"}, "ja"),
    ({"LC_ALL": "en_US.UTF-8", "LC_MESSAGES": "ja_JP.UTF-8"}, "en"), ({"LC_ALL": "", "LANG": "ja_JP.UTF-8"}, "ja"),
    ({"LANG": "de_DE.UTF-8", "LANGUAGE": "fr:ja:en"}, "ja"), ({"LANG": "en_US.UTF-8", "LANGUAGE": "ja"}, "ja"),
    ({"LANG": "C", "LANGUAGE": "ja"}, "en"), ({"LC_ALL": "C.UTF-8", "LANG": "ja_JP.UTF-8"}, "en"),
    ({"LANG": "ja_JP.UTF-8", "LANGUAGE": "en:ja"}, "en"),
]


@pytest.mark.parametrize(("environ", "language"), CASES)
def test_the_environment_decides(environ: dict[str, str], language: str) -> None:
    assert of_system(environ, lambda: pytest.fail("the system was asked though the environment says it")) == language


@pytest.fixture(scope="module")
def locales(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the locales of CASES, which few machines have all of, and two catalogues."""
    made = tmp_path_factory.mktemp("locales")
    for name in ("ja_JP", "en_US", "de_DE"):
        command = ["localedef", "-i", name, "-f", "UTF-8", str(made / f"{name}.UTF-8")]
        done = subprocess.run(command, capture_output=True, check=False)
        if not (made / f"{name}.UTF-8" / "LC_CTYPE").exists():
            pytest.skip(f"no source of the locale {name} here: {done.stderr.decode(errors='replace')}")
    for name in ("ja", "en"):
        folder = made / name / "LC_MESSAGES"
        folder.mkdir(parents=True)
        (folder / "t.po").write_text(
            f'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\nmsgid "x"\nmsgstr "{name}"\n')
        subprocess.run(["msgfmt", "-o", str(folder / "t.mo"), str(folder / "t.po")], check=True)
    return made


@pytest.mark.skipif(not all(map(shutil.which, ("gettext", "msgfmt", "localedef"))), reason="gettext is the judge")
@pytest.mark.parametrize(("environ", "language"), CASES)
def test_gettext_decides_alike(environ: dict[str, str], language: str, locales: Path) -> None:
    """The program of that name, with a catalogue for either language."""
    bare = {k: v for k, v in os.environ.items() if k not in (*choice.LOCALE, "LANGUAGE")}
    done = subprocess.run(["gettext", "-d", "t", "x"], env={
        **bare, **environ, "TEXTDOMAINDIR": str(locales), "LOCPATH": str(locales)}, capture_output=True, text=True,
        check=True)
    # Without a catalogue of the language's own, gettext leaves the English of the source.
    assert done.stdout.replace("x", "en") == language


def test_the_system_is_asked_where_the_environment_says_nothing() -> None:
    assert of_system({}, lambda: "ja_JP") == "ja"
    assert of_system({}, lambda: "de_DE") == of_system({}, lambda: None) == "en"
    assert of_system({"LANGUAGE": "ja"}, lambda: "en_US") == "ja"


@pytest.mark.parametrize("form", [plistlib.FMT_XML, plistlib.FMT_BINARY])
def test_a_mac_tells_by_its_preferences(form: plistlib.PlistFormat, tmp_path: Path) -> None:
    file = tmp_path / ".GlobalPreferences.plist"
    assert choice._mac_setting(file) is None
    for found, language in (({"AppleLanguages": ["ja-JP", "en"], "AppleLocale": "en_JP"}, "ja-JP"),
                            ({"AppleLocale": "ja_JP"}, "ja_JP"), ({"AppleLanguages": []}, None), ([], None)):
        file.write_bytes(plistlib.dumps(found, fmt=form))
        assert choice._mac_setting(file) == language
    file.write_bytes(b"bplist00 torn")
    assert choice._mac_setting(file) is None


@pytest.mark.skipif(sys.platform != "win32", reason="a setting of Windows")
def test_windows_tells_by_its_setting() -> None:
    """Judged by another function of Windows, which names the language instead of numbering it."""
    count, size = ctypes.c_ulong(), ctypes.c_ulong()
    ask = ctypes.windll.kernel32.GetUserPreferredUILanguages  # type: ignore[attr-defined,unused-ignore]
    assert ask(8, ctypes.byref(count), None, ctypes.byref(size))
    names = ctypes.create_unicode_buffer(size.value)
    assert ask(8, ctypes.byref(count), names, ctypes.byref(size))
    assert choice.system_setting() == names.value.replace("-", "_")


@pytest.mark.parametrize(("encodings", "shown"), [
    (["utf-8", "utf-8"], True), (["cp932", "shift_jis"], True), (["euc_jp"], True), (["cp1252", "utf-8"], False),
    (["utf-8", "cp437"], False), (["ascii"], False), ([None], False), (["no such"], False),
])
def test_what_a_terminal_can_show(encodings: list[str | None], shown: bool) -> None:
    assert can_show("ja", encodings) == shown
    assert can_show("en", encodings[:1] if encodings != ["no such"] else ["ascii"])


def said(environ: dict[str, str], *words: str) -> str:
    """What a real autotune says for --help in a bare environment with these variables."""
    keep = {k: v for k, v in os.environ.items() if k in ("PATH", "PYTHONPATH", "SYSTEMROOT", "HOME", "USERPROFILE")}
    done = subprocess.run([sys.executable, "-m", "autotune", *words], env={**keep, **environ}, capture_output=True,
                          check=True, cwd=ROOT)
    return done.stdout.decode(environ.get("PYTHONIOENCODING", "utf-8").partition(":")[0])


@pytest.mark.parametrize(("environ", "words", "japanese"), [
    ({"LANG": "ja_JP.UTF-8", "PYTHONIOENCODING": "utf-8"}, ["-h"], True),
    ({"LANG": "ja_JP.UTF-8", "PYTHONIOENCODING": "cp932"}, ["status", "-h"], True),
    ({"LANG": "ja_JP.UTF-8", "PYTHONIOENCODING": "ascii"}, ["-h"], False),
    ({"LANG": "ja_JP.UTF-8", "PYTHONIOENCODING": "cp437"}, ["-h"], False),
    ({"LANG": "ja_JP.UTF-8", "PYTHONIOENCODING": "utf-8"}, ["-h", "--lang", "en"], False),
    ({"LANG": "C.UTF-8", "PYTHONIOENCODING": "utf-8"}, ["--lang", "ja", "tune", "-h"], True),
    ({"LANG": "C", "PYTHONIOENCODING": "utf-8"}, ["-h"], False),
    ({"AUTOTUNE_LANG": "ja", "PYTHONIOENCODING": "utf-8"}, ["probe", "-h"], True),
])
def test_the_program_speaks_it(environ: dict[str, str], words: list[str], japanese: bool) -> None:
    text = said(environ, *words)
    assert ("使い方" in text) == japanese
    assert text.startswith("Usage:") != japanese


def test_english_loads_nothing_for_it() -> None:
    code = ("import sys\nfrom autotune.cli.main import run\nrun(['-h'])\nloaded = set(sys.modules)\n"
            "print(loaded & {'autotune.cli.wide_help', 'autotune.cli.click_words', 'babel'}, file=sys.stderr)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT,
                          env={**os.environ, "AUTOTUNE_LANG": "en"})
    assert done.stderr.strip() == "set()"
