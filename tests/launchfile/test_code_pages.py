"""Batch files as Notepad saves them in other parts of the world: read in their code page, edited byte by byte."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from autotune.launchfile import codepage
from autotune.launchfile.launch_file import LaunchFile
from autotune.launchfile.reader import parse
from autotune.model.errors import Refused
from autotune.webui.a1111 import interpreter
from tests.launchfile.judges import NO_CMD, TARGET, cmd, cmd_variables, edit, owns
from tests.system import under_wine

pytestmark = pytest.mark.slow

TEXTS = {
    ("ja_JP", 932): ("表示", "ソフト", "ポーズ", "能力", "十", "貼り付け", "ー", "モデル", "ミ", "欺"),
    ("zh_CN", 936): ("模型", "软件", "伀", "乗", "绘画", "傎x", "弢", "漒"),
    ("zh_TW", 950): ("許功蓋", "模型", "育", "淚", "繪圖", "回"),
    ("ko_KR", 949): ("모델", "그림", "똠", "한국어"),
    ("ru_RU", 866): ("Нейросети", "Модели", "яёЁ"),
    ("uk_UA", 1251): ("Моделі", "їжак"),
    ("de_DE", 850): ("Künstler", "Größe", "Ä"),
    ("fr_FR", 1252): ("modèles", "œuvre", "Ça"),
    ("el_GR", 737): ("μοντέλα", "Ω"),
    ("tr_TR", 857): ("yapay", "görsel", "ığ"),
    ("cs_CZ", 852): ("obrázky", "čeština"),
    ("ja_JP", 65001): ("表示", "ポーズ", "モデル"),
}
"""What folders are called, by the language of the system and the code page of the file. Among them letters whose
second byte is a backslash, a bar, a caret or a brace."""
OWN_PAGES = {932, 936, 949, 950, 866, 850, 737, 857, 852}
"""Pages that a system of that language starts cmd in; a file in another one says ``chcp``."""
CASES = [(locale, page, seed) for locale, page in TEXTS for seed in range(6)]


def made(texts: tuple[str, ...], page: int, random: Random, flags: str = "--xformers") -> tuple[str, dict[str, str]]:
    """A file, and the variables it sets."""
    one, two, three = (random.choice(texts) + random.choice(("", "1", random.choice(texts))) for _ in range(3))
    quoted = random.random() < 0.5
    own = f'--api {flags} --ckpt-dir "D:/{one}/{two}" --theme {three}'
    lines = ["@echo off"] if page in OWN_PAGES else ["@echo off", f"chcp {page} >nul"]
    lines += [f"rem {two}", f"set {random.choice(('VENV_DIR', 'venv_dir'))}=D:\\{one}\\venv",
              f'set "A={two}"', f"set B={three}& set C=%A%-{one}",
              f'set "COMMANDLINE_ARGS={own}"' if quoted else f"set COMMANDLINE_ARGS={own}",
              f":: {one} ", "call webui.bat"]
    return "\r\n".join([*lines, ""]), {"VENV_DIR": f"D:\\{one}\\venv", "A": two, "B": three, "C": f"{two}-{one}",
                                       "COMMANDLINE_ARGS": own}


def python_page(page: int) -> str:
    return "utf-8" if page == 65001 else f"cp{page}"


def grown(locale: str, page: int, seed: int, flags: str = "--xformers") -> tuple[bytes, dict[str, str]]:
    text, variables = made(TEXTS[locale, page], page, Random(seed), flags)
    return text.encode(python_page(page)), variables


@pytest.fixture(autouse=True)
def any_language(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows tells its one page whatever the environment says; here files of other countries are read."""
    monkeypatch.setattr(codepage, "system_page", codepage.page_of_locale)


TOLD = codepage.system_page


@pytest.mark.skipif(sys.platform != "win32" or under_wine(), reason="asks cmd.exe; wine's chcp tells 0")
def test_the_page_of_this_system_is_the_one_that_chcp_tells() -> None:
    said = subprocess.run(["cmd", "/d", "/c", "chcp"], capture_output=True, check=True).stdout
    assert said.split()[-1].rstrip(b".").decode() == str(TOLD({"LANG": "zh_CN.UTF-8"}))


@pytest.mark.parametrize(("locale", "page", "seed"), CASES)
def test_known_page(locale: str, page: int, seed: int) -> None:
    data, variables = grown(locale, page, seed)
    file = parse(data, Path("webui-user.bat"), {"LANG": f"{locale}.UTF-8"})
    for name, text in variables.items():
        assert file.variable(name).certain and file.variable(name).text == text
    assert file.words[:2] == ("--api", "--xformers") and file.words[3] == variables["COMMANDLINE_ARGS"].split('"')[1]
    assert file.static
    wanted, _ = grown(locale, page, seed, " ".join(TARGET))
    assert edit(file, TARGET, owns) == wanted, "no byte but those of the words"


@pytest.mark.parametrize(("locale", "page", "seed"), CASES)
def test_unknown_page(locale: str, page: int, seed: int) -> None:
    """Edited byte by byte, or refused with advice that is not "save it as UTF-8"; never a letter that is none."""
    data, _ = grown(locale, page, seed)
    wanted, _ = grown(locale, page, seed, " ".join(TARGET))
    try:
        file = parse(data, Path("webui-user.bat"), {})
        assert "\ufffd" not in str(file.words)
        edited = edit(file, TARGET, owns)
    except Refused as error:
        assert page in (932, 936, 949, 950) and "UTF-8" not in error.hint and error.hint
        assert "code page" in error.message
    else:
        assert edited == wanted


def test_most_files_in_unknown_pages_can_be_edited() -> None:
    def can(data: bytes) -> bool:
        return parse(data, Path("webui-user.bat"), {}).why_not is None

    open_ = [can(grown(locale, page, seed)[0]) for locale, page in TEXTS for seed in range(20)]
    assert sum(open_) > len(open_) * 0.7


LOCALES = sorted({locale for locale, page in TEXTS if page in OWN_PAGES})


@pytest.mark.skipif(cmd() is None, reason=NO_CMD)
@pytest.mark.skipif(sys.platform == "win32", reason="a Windows has one code page, whatever the environment says")
@pytest.mark.parametrize("locale", ["ja_JP", "zh_CN", "zh_TW", "ko_KR", "ru_RU"])
def test_wine_agrees(locale: str, quick_path: Path, cmd_home: Path) -> None:
    """wine takes its code page from the language, as a Windows in that language has it."""
    page = next(page for one, page in TEXTS if one == locale and page in OWN_PAGES)
    answered = {866: 1251}.get(page, page)  # it writes in the page of windows, not of consoles
    files = [grown(locale, page, seed)[0] for seed in range(12)]
    environ = {"LC_ALL": f"{locale}.UTF-8", "LANG": f"{locale}.UTF-8"}
    _, found = cmd_variables(files, quick_path / "before", cmd_home, {}, environ)
    read: list[LaunchFile] = [parse(data, Path("webui-user.bat"), environ) for data in files]
    for file, judged in zip(read, found, strict=True):
        assert judged is not None
        for name in ("VENV_DIR", "A", "B", "C", "COMMANDLINE_ARGS"):
            text = file.variable(name).text
            assert text and text.encode(python_page(answered)) == judged[name].encode("utf-8", "surrogateescape")
    edited = [edit(file, TARGET, owns) for file in read]
    _, after = cmd_variables(edited, quick_path / "after", cmd_home, {}, environ)
    for was, now in zip(found, after, strict=True):
        assert was and now
        assert now["COMMANDLINE_ARGS"] == was["COMMANDLINE_ARGS"].replace("--xformers", " ".join(TARGET))


def test_the_page_of_a_file() -> None:
    text = "set A=表\r\n".encode("cp932")
    assert codepage.page_of_file(text, 932) == 932
    assert codepage.page_of_file(b"@chcp 932>nul\r\n" + text, 437) == 932
    assert codepage.page_of_file(b"if 1==1 (\r\nchcp 932\r\n)\r\nif 1==2 chcp 65001\r\n" + text, 437) is None
    assert codepage.page_of_file(b"set A=\x82\xa0\r\nchcp 65001\r\nset B=1\r\n", 932) == 932
    assert codepage.page_of_file("set A=я\r\nchcp 65001\r\nset B=я\r\n".encode(), 866) is None


@pytest.mark.parametrize(("page", "name"), [(936, "软件"), (866, "Нейросети"), (932, "表")])
def test_a_venv_in_an_unknown_page(page: int, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder that is there tells the page; without one, that it is not known is said."""
    for variable in ("LC_ALL", "LC_CTYPE", "LANG"):
        monkeypatch.delenv(variable, raising=False)
    file = tmp_path / "webui-user.bat"
    file.write_bytes(f"set VENV_DIR={name}/venv\r\ncall webui.bat\r\n".encode(f"cp{page}"))
    assert interpreter.find(tmp_path, file) is None
    assert "code page" in (interpreter.why_uncertain(tmp_path, file) or "")
    (tmp_path / name / "venv/bin").mkdir(parents=True)
    (tmp_path / name / "venv/bin/python").write_bytes(b"")
    assert interpreter.find(tmp_path, file) == tmp_path / name / "venv/bin/python"


def test_a_venv_in_the_page_of_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "webui-user.bat"
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.delenv("LC_CTYPE", raising=False)
    for locale, page, name in (("zh_CN.UTF-8", 936, "软件"), ("ru_RU.UTF-8", 866, "Нейросети")):
        monkeypatch.setenv("LANG", locale)
        file.write_bytes(f"set VENV_DIR=D:\\{name}\\venv\r\ncall webui.bat\r\n".encode(f"cp{page}"))
        assert interpreter.settings(file)["venv_dir"] == f"D:\\{name}\\venv"
