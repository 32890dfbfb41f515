"""Batch launch files grown at random from commands that change variables, or look as if they did."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

NAMES = ("A", "B", "Speed", "VENV_DIR", "PATH", "PYTHON", "COMMANDLINE_ARGS", "COMMANDLINE_ARGS")
FLAGS = ("--xformers", "--api", "--medvram", "--theme dark", "--port 7861", "--opt-sdp-attention", "--no-half-vae")
HELPERS = {
    "other.bat": b"@echo off\r\nset A=fromother\r\nset COMMANDLINE_ARGS=--other\r\n",
    "names.txt": b"one",  # no line end: of a file, wine's set /p takes all lines, line ends included
    "models/here.txt": b"",
}
"""Files that lie beside each launch file."""


def value(random: Random) -> str:
    """What somebody might set a variable to."""
    plain = " ".join(random.sample(FLAGS, random.randint(1, 3)))
    shapes = (
        plain, plain, plain, "", "1", "word", "a;b", "%A%", "%a%;x", "%PATH%", "%~dp0venv", "%CD%\\venv", "x=y",
        "%B% %A%", "%Fixed:~1,3%", "%fixed:B=zz%", "%Fixed:~-2%", "%Fixed:*c=Q%", '"C:\\some where\\x"',
        "%COMMANDLINE_ARGS% " + plain, "a^&b", '"a & b"',
        "%Missing%x", "a(b)", "%1", "%~nx0", "tail  ", "a^^b", "!A!", "^%A^%z", "%A", "caf,e",
    )
    return random.choice(shapes)


def setting(random: Random, alone: bool = False) -> str:
    """One assignment in one of its spellings. ``alone``: no second command behind it, and no bracket.

    In a block, what ``&`` adds to an IF of one line runs under wine whatever the IF says; Windows takes both for one.
    A ``)`` that closes two blocks early leads to an ELSE that belongs to another IF there.
    """
    name = random.choice(NAMES)
    text = value(random) if name != "PATH" else random.choice(("%PATH%;C:\\x", "%~dp0venv;%path%"))
    name = random.choice((name, name, name.lower()))
    shapes = (
        f"set {name}={text}", f"set {name}={text}", f'set "{name}={text}"', f"@SET {name}={text}",
        f'set "{name}={text}" trailing', f"  set  {name}={text}", f"set {name} ={text}", f"set {name}={text}& set B=2",
        f"set A=1& set {name}={text}", f"call set {name}={text}", f"@call set {name}={text}", f"set {name}={text} >nul",
    )
    if alone and "(b" in text:
        return f"set {name}=ab"
    return random.choice([one for one in shapes if not (alone and "& set" in one)])


def simple(random: Random) -> str:
    """An assignment for an ELSE, where wine loses its way with brackets and with a second ``=``."""
    return f"set {random.choice(NAMES[:4])}={random.choice(('one', 'two', '%B%', '%~dp0x', '', '%Fixed:~1,3%'))}"


def condition(random: Random) -> str:
    """What an IF asks."""
    return random.choice((
        "exist nowhere.txt", "exist names.txt", "not exist models", "exist models\\here.txt", "defined A",
        "not defined VENV_DIR", '"%A%"=="1"', '"%A%"==""', 'not "%Speed%"=="word"', '/i "%a%"=="WORD"', "1==1", "1==2",
        "errorlevel 1", "%NUMBER_OF_PROCESSORS% gtr 0", "5 gtr 3", "a equ a", '"%1"==""', "exist NAMES.TXT",
        '"%A%" == "fromother"',
    ))


def lines(random: Random, depth: int = 0) -> list[str]:
    """A command, or a block of some."""
    one = setting(random, alone=depth > 0)
    plain = setting(random, alone=depth > 0).replace("(b)", "b")  # wine takes a ) behind an IF for an end
    inner = lines(random, depth + 1) if depth < 2 else [setting(random, alone=True)]
    # Not behind a caret: wine drops blanks there.
    inner = [line if before.endswith("^") else f"  {line}" for before, line in zip(["", *inner], inner, strict=False)]
    label = f"l{random.randint(0, 10 ** 6)}"
    shapes: list[Callable[[], list[str]]] = [
        *[lambda: [one]] * 10,
        lambda: [f"rem {one} x"],
        lambda: [f"if {condition(random)} {plain}"],
        lambda: [f"if {condition(random)} (", *inner, ")"],
        lambda: [f"if {condition(random)} (", *inner, ") else (", "  " + simple(random), ")"],
        lambda: [f"if {condition(random)} ({setting(random, alone=True)}) else {simple(random)}"],
        lambda: ["(", *inner, ")"],
        lambda: [random.choice(("echo hello", "cls", "echo %A%", "title x", "echo. & echo x", "ver >nul"))],
        lambda: [random.choice((f"echo x && {one}", f"ver >nul & {one}", f"cd models && {one}"))],
        lambda: ["set /a A=5+3", "set /a B+=1"],
        lambda: ["set /p A=<names.txt"],
        lambda: ["call other.bat"],
        lambda: ["setlocal", one, random.choice(("endlocal", "echo on"))],
        lambda: ["setlocal enabledelayedexpansion", "set A=%B%!B!"],
        lambda: [random.choice(("cd models", "cd ..", "cd /d %~dp0"))],
        lambda: ["pushd models", one, "popd"],
        lambda: [f"set {random.choice(NAMES)}=--api ^", random.choice(FLAGS)],
        lambda: [f"cmd /c set {random.choice(NAMES)}=child"],
        lambda: ["set A=Named", "call set %%A%%=1", "call set B=%%A%%x"],
        lambda: ["set N=A", "set %N%=byname"],
        lambda: ["shift"],
        lambda: ["set Share=50%%"],  # never expanded: wine looks for signs in what it brings
        lambda: ["path %PATH%;C:\\more"],
        lambda: ["set A", "set"],
    ]
    if depth == 0:
        shapes += [
            # Not in a block: wine then runs its ELSE too.
            lambda: [f"for %%i in (x y) do set {random.choice(NAMES)}=%%i"],
            lambda: ["for %%i in (A B) do set %%i=loop"],
            lambda: ["for /f %%i in (names.txt) do set Speed=%%i"],
            lambda: [f"goto {label}", one, f":{label}"],
            lambda: [f"if {condition(random)} goto {label}", one, f":{label}"],
            lambda: [f":{label}", one],
            lambda: [f"call :{label}", "goto over" + label, f":{label}", one, "exit /b", f":over{label}"],
            lambda: [f"if {condition(random)} exit /b"],
        ]
    return random.choice(shapes)()


def batch(random: Random) -> bytes:
    """A whole file."""
    made = ["@echo off"] if random.random() < 0.8 else []
    made.append("set Fixed=abcdef")
    for _ in range(random.randint(2, 7)):
        made += lines(random)
    if random.random() < 0.9:
        made.append(random.choice(("call webui.bat", "call webui.bat", "call webui.bat %*", "webui.bat")))
        made += lines(random) if random.random() < 0.4 else []
    eol = random.choice(("\r\n", "\r\n", "\n"))
    return (eol.join(made) + eol).encode()
