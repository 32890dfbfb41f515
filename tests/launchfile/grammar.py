"""Launch files put together at random from the shapes people write; and values meant to break out of them."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

KEPT = (
    "--api", "--listen", "--port 7861", "--theme dark", "--ckpt-dir '/data/my models'", "--name a=b", "--enable-x",
    "--hash #1", "--tilde ~/x", "--gradio-auth me:pw", "--star *",
)
MANAGED = (
    "--xformers", "--opt-sdp-attention", "--opt-channelslast", "--medvram", "--lowvram", "--no-half-vae",
    "--precision full", "--precision=half", "--opt-split-attention", "--sub-quad-q-chunk-size 512",
)
_HOSTILE = (
    *";&|`)$}%^\"'\\!<>(# \t\n*?[]~=\r\x01\0", "&&", "||", "$(", "${", "%%", "^^", "  ", "{a,b}", "--x", "a", "b7", "é",
    "Ж", "touch PWNED", "$(touch PWNED)", "`touch PWNED`", "; touch PWNED;", "& echo x> PWNED &", "| echo x> PWNED",
    "%COMMANDLINE_ARGS%", "%1", "$HOME", "$1", "%~dp0", "!PATH!", "\\\n", "^\r\n", "//", "EOF", "rem ", ":: ", "''",
    '""', "\\'", '\\"', "> PWNED",
)


def hostile(random: Random, without: str = "") -> str:
    """A value of one to six nasty pieces, never looking like a flag; ``without``: characters to leave out."""
    value = "".join(random.choice(_HOSTILE) for _ in range(random.randint(1, 6)))
    value = "".join(c for c in value if c not in without)
    return "v" + value if not value or value.startswith("-") else value


def words(random: Random, most: int = 5) -> str:
    """Flags as a value, blanks of any width between them."""
    chosen = [random.choice(KEPT if random.random() < 0.5 else MANAGED) for _ in range(random.randint(0, most))]
    text = "".join(random.choice((" ", "  ", " ")) + flag for flag in chosen)
    return text if random.random() < 0.2 else text.lstrip()


def shell(random: Random) -> bytes:
    """A bash launch file."""
    lines: list[str] = []
    for _ in range(random.randint(1, 7)):
        lines += _shell_lines(random)
    if random.random() < 0.2:
        starts = ('exec ./webui.sh "$@"', "./webui.sh --enable-z --medvram", "python3 launch.py --port 1")
        lines.append(random.choice(starts))
    text = "\n".join(lines)
    if random.random() < 0.85:
        text += "\n"
    data = text.encode()
    return data if random.random() < 0.9 else b"\xef\xbb\xbf#!/bin/bash\n" + data


def _shell_lines(random: Random) -> list[str]:
    value = words(random)
    double = f'"{value}"'
    single = "'" + value.replace("'", "'\\''") + "'"
    quoted = random.choice((double, double, single))
    broken = '"' + value.replace(" --", " \\\n  --") + '"'
    many = '"' + value.replace(" --", "\n --") + '"'
    shapes: list[Callable[[], list[str]]] = [
        lambda: [f"# export COMMANDLINE_ARGS={double}"],
        lambda: ["", f"#export COMMANDLINE_ARGS={double}"],
        lambda: ["export PYTHON=python3", "echo hello >/dev/null; export GIT='git'"],
        lambda: [f"export COMMANDLINE_ARGS={quoted}"],
        lambda: [f"export COMMANDLINE_ARGS={broken}"],
        lambda: [f"export COMMANDLINE_ARGS={many}  # note"],
        lambda: [f"COMMANDLINE_ARGS={quoted}; export COMMANDLINE_ARGS"],
        lambda: [f'export COMMANDLINE_ARGS="$COMMANDLINE_ARGS {value}"'],
        lambda: [f'COMMANDLINE_ARGS+=" {value}"', "export COMMANDLINE_ARGS"],
        lambda: [f"if [ -f nothing ]; then export COMMANDLINE_ARGS={quoted}; fi"],
        lambda: [f'[ -n "$NOTHING" ] && export COMMANDLINE_ARGS="$COMMANDLINE_ARGS {value}"'],
        lambda: [f"EXTRA={double}", 'export COMMANDLINE_ARGS="${COMMANDLINE_ARGS} $EXTRA"'],
        lambda: [f'export COMMANDLINE_ARGS="$FROM_OUTSIDE {value}"'],
        lambda: [f'export COMMANDLINE_ARGS="${{FROM_OUTSIDE:-{value}}}"'] if "'" not in value else ["true"],
        lambda: ["cat <<E >/dev/null", f"export COMMANDLINE_ARGS={double}", "E"],
        lambda: [f"export A=1 COMMANDLINE_ARGS={quoted} B=2"],
        lambda: [f"case x in y) export COMMANDLINE_ARGS={quoted};; esac"],
    ]
    return random.choice(shapes)()


def batch(random: Random) -> bytes:
    """A batch launch file. A caret at a line's end always has a blank before it: wine drops those after it."""
    lines = ["@echo off"] if random.random() < 0.8 else []
    for _ in range(random.randint(1, 7)):
        lines += _batch_lines(random)
    if random.random() < 0.85:
        lines.append(random.choice(("call webui.bat", "call webui.bat %*", "call webui.bat --enable-z --medvram")))
    eol = random.choice(("\r\n", "\r\n", "\n"))
    text = eol.join(lines) + (eol if random.random() < 0.85 else "")
    return (b"\xef\xbb\xbf" if random.random() < 0.1 else b"") + text.encode()


def _batch_lines(random: Random) -> list[str]:
    value = words(random)
    caret = value.replace(" --", " ^\n --").split("\n")
    name = random.choice(("COMMANDLINE_ARGS", "COMMANDLINE_ARGS", "commandline_args"))
    shapes: list[Callable[[], list[str]]] = [
        lambda: [f"rem set COMMANDLINE_ARGS={value} x"],
        lambda: [f":: set COMMANDLINE_ARGS={value}"],
        lambda: ["set PYTHON=", "echo hello> nul& set GIT=git"],
        lambda: [f"set {name}={value}"],
        lambda: [f"@SET {name}={value}  "],
        lambda: [f'set "{name}={value}"'],
        lambda: [f'set "{name}={value}" trailing'],
        lambda: [f"set {name}={caret[0]}", *caret[1:]],
        lambda: [f"set {name}={value}& set B=2"],
        lambda: [f"set COMMANDLINE_ARGS=%COMMANDLINE_ARGS% {value}"],
        lambda: [f'set "COMMANDLINE_ARGS=%COMMANDLINE_ARGS% {value}"'],
        lambda: [f"set COMMANDLINE_ARGS =--lowvram {value}"],
        lambda: [f"if exist nothing set {name}={value}"],
        lambda: ["if exist nothing (", f"  set {name}={value}", ") else (", "  set C=1", ")"],
        lambda: [f"set EXTRA={value}", f"set {name}=%EXTRA% --api"],
        lambda: [f"set {name}=%FROM_OUTSIDE% {value}"],
        lambda: [f"set {name}={value} %1"],
    ]
    return random.choice(shapes)()
