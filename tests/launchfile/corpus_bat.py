"""Batch files of our own writing: name, bytes, the words launch.py receives from them.

Lines are written with LF here; ``crlf`` turns them into what Windows editors save.
"""

# ruff: noqa: E501  (a line of the table is a file; folding it would hide what it looks like)

from __future__ import annotations

Raw = tuple[str, bytes, tuple[str, ...]]


def crlf(text: str) -> bytes:
    """Text as a Windows file."""
    return text.replace("\n", "\r\n").encode()


DEFAULT = "@echo off\n\nset PYTHON=\nset GIT=\nset VENV_DIR=\nset COMMANDLINE_ARGS=\n\ncall webui.bat\n"


def normal(value: str, end: str = "call webui.bat\n") -> bytes:
    """The usual file with another assignment."""
    return crlf(f"@echo off\n\nset PYTHON=\nset GIT=\nset VENV_DIR=\n{value}\n\n{end}")


BAT: tuple[Raw, ...] = (
    ("default", crlf(DEFAULT), ()),
    ("default-lf", DEFAULT.encode(), ()),
    ("default-no-final-newline", crlf(DEFAULT)[:-2], ()),
    ("plain", normal("set COMMANDLINE_ARGS=--xformers --api"), ("--xformers", "--api")),
    ("plain-lf", b"@echo off\nset COMMANDLINE_ARGS=--medvram --api\ncall webui.bat\n", ("--medvram", "--api")),
    ("mixed-ends", b"@echo off\r\nset A=1\nset COMMANDLINE_ARGS=--medvram\r\ncall webui.bat\n", ("--medvram",)),
    ("bom", b"\xef\xbb\xbf" + normal("set COMMANDLINE_ARGS=--lowvram --port 7861"), ("--lowvram", "--port", "7861")),
    ("bom-on-assignment", b"\xef\xbb\xbfset COMMANDLINE_ARGS=--lowvram\r\nset COMMANDLINE_ARGS=--api\r\ncall webui.bat\r\n",
     ("--api",)),
    ("blank-after-equals", normal("set COMMANDLINE_ARGS= --xformers --api"), ("--xformers", "--api")),
    ("blanks-at-end", normal("set COMMANDLINE_ARGS=--api --xformers   "), ("--api", "--xformers")),
    ("blank-before-equals", normal("set COMMANDLINE_ARGS =--lowvram\nset COMMANDLINE_ARGS=--api"), ("--api",)),
    ("only-blank-before-equals", normal("set COMMANDLINE_ARGS =--lowvram"), ()),
    ("at-set", normal("@set COMMANDLINE_ARGS=--xformers"), ("--xformers",)),
    ("upper-case", normal("SET COMMANDLINE_ARGS=--opt-split-attention --listen"), ("--opt-split-attention", "--listen")),
    ("lower-name", normal("set commandline_args=--xformers"), ("--xformers",)),
    ("quoted", normal('set "COMMANDLINE_ARGS=--xformers --api"'), ("--xformers", "--api")),
    ("quoted-trailing-text", normal('set "COMMANDLINE_ARGS=--api --medvram" and more'), ("--api", "--medvram")),
    ("quoted-no-close", normal('set "COMMANDLINE_ARGS=--api --medvram'), ("--api", "--medvram")),
    ("quoted-empty", normal('set "COMMANDLINE_ARGS="'), ()),
    ("quoted-inner", normal('set "COMMANDLINE_ARGS=--ckpt "C:/my models/a.ckpt" --xformers"'),
     ("--ckpt", "C:/my models/a.ckpt", "--xformers")),
    ("value-in-quotes", normal('set COMMANDLINE_ARGS="--xformers --api"'), ("--xformers --api",)),
    ("path-in-quotes", normal('set COMMANDLINE_ARGS=--ckpt-dir "D:/AI/my models" --xformers'),
     ("--ckpt-dir", "D:/AI/my models", "--xformers")),
    ("backslashes", normal("set COMMANDLINE_ARGS=--medvram --ckpt-dir D:\\\\models --api"),
     ("--medvram", "--ckpt-dir", "D:\\models", "--api")),
    ("single-backslashes-eaten", normal("set COMMANDLINE_ARGS=--medvram --ckpt-dir D:\\models"),
     ("--medvram", "--ckpt-dir", "D:models")),
    ("indented", normal("   set   COMMANDLINE_ARGS=--medvram"), ("--medvram",)),
    ("tab-after-set", normal("set\tCOMMANDLINE_ARGS=--medvram\t--api"), ("--medvram", "--api")),
    ("caret", normal("set COMMANDLINE_ARGS=--api ^\n --xformers ^\n --listen"), ("--api", "--xformers", "--listen")),
    ("caret-lf", b"set COMMANDLINE_ARGS=--api ^\n --xformers ^\n --listen\ncall webui.bat\n",
     ("--api", "--xformers", "--listen")),
    ("caret-first", normal("set COMMANDLINE_ARGS=^\n--xformers ^\n--api"), ("--xformers", "--api")),
    ("caret-no-blank-next", normal("set COMMANDLINE_ARGS=--xformers ^\n--medvram ^\n--api"),
     ("--xformers", "--medvram", "--api")),
    ("caret-last-managed", normal("set COMMANDLINE_ARGS=--api ^\n--listen ^\n--lowvram"), ("--api", "--listen", "--lowvram")),
    ("caret-before-two-empty-lines", normal("set COMMANDLINE_ARGS=--api ^\n--xformers ^\n\n"), ("--api", "--xformers")),
    ("caret-swallows-the-start", b"set COMMANDLINE_ARGS=--api --xformers ^\n\ncall webui.bat\nset A=1\n",
     ("--api", "--xformers", "call", "webui.bat")),
    ("caret-in-commented-block", normal("rem set COMMANDLINE_ARGS=--a ^\nset COMMANDLINE_ARGS=--api --xformers"),
     ("--api", "--xformers")),
    ("escaped-ampersand", normal("set COMMANDLINE_ARGS=--name a^&b --xformers"), ("--name", "a&b", "--xformers")),
    ("ampersand-command", normal("set COMMANDLINE_ARGS=--xformers& echo started"), ("--xformers",)),
    ("two-on-a-line", normal("set A=1& set COMMANDLINE_ARGS=--api --no-half"), ("--api", "--no-half")),
    ("quoted-ampersand", normal('set COMMANDLINE_ARGS=--name "a & b" --xformers'), ("--name", "a & b", "--xformers")),
    ("percent-sign", normal("set COMMANDLINE_ARGS=--title 50%%off --xformers"), ("--title", "50%off", "--xformers")),
    ("lone-percent", normal("set COMMANDLINE_ARGS=--title 50% --xformers"), ("--title", "50", "--xformers")),
    ("appends", normal("set COMMANDLINE_ARGS=--xformers\nset COMMANDLINE_ARGS=%COMMANDLINE_ARGS% --api\n"
                       "set COMMANDLINE_ARGS=%COMMANDLINE_ARGS% --medvram --listen"),
     ("--xformers", "--api", "--medvram", "--listen")),
    ("prepend", normal("set COMMANDLINE_ARGS=--medvram\nset COMMANDLINE_ARGS=--api %COMMANDLINE_ARGS%"), ("--api", "--medvram")),
    ("overwritten", normal("set COMMANDLINE_ARGS=--lowvram --listen\nset COMMANDLINE_ARGS=--api"), ("--api",)),
    ("other-variable", normal("set SPEED=--api --listen\nset COMMANDLINE_ARGS=%SPEED% --xformers"),
     ("--api", "--listen", "--xformers")),
    ("other-variable-managed", normal("set SPEED=--xformers --no-half-vae\nset COMMANDLINE_ARGS=%SPEED% --api"),
     ("--xformers", "--no-half-vae", "--api")),
    ("environment-variable", normal("set COMMANDLINE_ARGS=--xformers --api %EXTRA_ARGS%"), ("--xformers", "--api")),
    ("environment-quoted", normal('set "COMMANDLINE_ARGS=--xformers --api %EXTRA_ARGS%"'), ("--xformers", "--api")),
    ("argument-one", normal("set COMMANDLINE_ARGS=--medvram %1 --api"), ("--medvram", "--api")),
    ("argument-tilde", normal("set COMMANDLINE_ARGS=--medvram %~1"), ("--medvram",)),
    ("arguments-star", normal("set COMMANDLINE_ARGS=--api %*"), ("--api",)),
    ("if-block", normal("set COMMANDLINE_ARGS=--api --xformers\nif exist lan.txt (\n"
                        "  set COMMANDLINE_ARGS=%COMMANDLINE_ARGS% --listen\n)"), ("--api", "--xformers")),
    ("if-else", normal('if "%MODE%"=="low" (\n  set COMMANDLINE_ARGS=--lowvram --api\n) else (\n'
                       "  set COMMANDLINE_ARGS=--xformers --api\n)"), ("--xformers", "--api")),
    ("if-one-line", normal("set COMMANDLINE_ARGS=--xformers\nif defined LAN set COMMANDLINE_ARGS=%COMMANDLINE_ARGS% --listen"),
     ("--xformers",)),
    ("goto", normal("if exist low.txt goto low\nset COMMANDLINE_ARGS=--xformers\ngoto start\n:low\n"
                    "set COMMANDLINE_ARGS=--lowvram\n:start"), ("--xformers",)),
    ("label-loop-after", normal("set COMMANDLINE_ARGS=--xformers --api", ":again\ncall webui.bat\nif exist again.txt goto again\n"),
     ("--xformers", "--api")),
    ("label-loop-around", normal(":loop\nset COMMANDLINE_ARGS=--xformers --api", "call webui.bat\nif exist again.txt goto loop\n"),
     ("--xformers", "--api")),
    ("menu-before", normal(":menu\nif exist no.txt goto menu\nset COMMANDLINE_ARGS=--xformers --api"),
     ("--xformers", "--api")),
    ("call-with-path", normal("set COMMANDLINE_ARGS=--medvram %1", 'call "%~dp0webui.bat" --listen\n'), ("--listen", "--medvram")),
    ("comments-rem", normal("rem set COMMANDLINE_ARGS=--lowvram\nset COMMANDLINE_ARGS=--api --xformers\nREM set COMMANDLINE_ARGS=--medvram"),
     ("--api", "--xformers")),
    ("comments-colons", normal(":: set COMMANDLINE_ARGS=--lowvram\nset COMMANDLINE_ARGS=--api --xformers\n::set COMMANDLINE_ARGS="),
     ("--api", "--xformers")),
    ("only-commented", normal("rem set COMMANDLINE_ARGS=--xformers"), ()),
    ("no-assignment", crlf("@echo off\ncall webui.bat\n"), ()),
    ("flags-on-call", normal("set COMMANDLINE_ARGS=--api", "call webui.bat --xformers --port 7870 %*\n"),
     ("--xformers", "--port", "7870", "--api")),
    ("flags-on-call-kept", normal("set COMMANDLINE_ARGS=--medvram", "call webui.bat --listen\n"), ("--listen", "--medvram")),
    ("pause-and-comments", normal("set COMMANDLINE_ARGS=--medvram --autolaunch", "git pull\ncall webui.bat\npause\n"),
     ("--medvram", "--autolaunch")),
    ("taskkill", normal("taskkill /f /im nothing-here.exe\nset COMMANDLINE_ARGS=--xformers"), ("--xformers",)),
    ("settings-bat", crlf("@echo off\nset COMMANDLINE_ARGS=--xformers --theme dark\nset PYTORCH_CUDA_ALLOC_CONF=max_split_size_mb:512\n"),
     ("--xformers", "--theme", "dark")),
    ("settings-bat-append", crlf("set COMMANDLINE_ARGS=%COMMANDLINE_ARGS% --xformers\n"), ("--xformers",)),
    ("exit-at-end", normal("set COMMANDLINE_ARGS=--xformers", "call webui.bat\nexit /b 0\n"), ("--xformers",)),
    ("cyrillic-comment", crlf("@echo off\nrem настройки\nset COMMANDLINE_ARGS=--xformers --api\ncall webui.bat\n"), ("--xformers", "--api")),
    ("oem-comment", b"@echo off\r\nrem \x8d\xa0\xe1\xe2\r\nset COMMANDLINE_ARGS=--medvram\r\ncall webui.bat\r\n", ("--medvram",)),
    ("valued", normal("set COMMANDLINE_ARGS=--precision full --no-half --api"), ("--precision", "full", "--no-half", "--api")),
    ("equals-value", normal("set COMMANDLINE_ARGS=--precision=full --port=7861"), ("--precision=full", "--port=7861")),
    ("password", normal("set COMMANDLINE_ARGS=--api --api-auth me:s3cret --medvram"), ("--api", "--api-auth", "me:s3cret", "--medvram")),
    ("setlocal", normal("setlocal\nset COMMANDLINE_ARGS=--xformers"), ("--xformers",)),
    ("redirected-commands", normal("where git >nul 2>&1\nset COMMANDLINE_ARGS=--xformers"), ("--xformers",)),
    ("parenthesis-in-value", normal("set COMMANDLINE_ARGS=--name a(b) --xformers"), ("--name", "a(b)", "--xformers")),
    ("two-attention", normal("set COMMANDLINE_ARGS=--opt-sdp-attention --xformers --opt-split-attention --api"),
     ("--opt-sdp-attention", "--xformers", "--opt-split-attention", "--api")),
    ("already-wanted", normal("set COMMANDLINE_ARGS=--opt-sdp-attention --api --opt-channelslast"),
     ("--opt-sdp-attention", "--api", "--opt-channelslast")),
    ("drive-path", normal("set COMMANDLINE_ARGS=--medvram --ckpt-dir %MODELS%/sd"), ("--medvram", "--ckpt-dir", "/sd")),
    ("quotes-everywhere", normal('set COMMANDLINE_ARGS="--api" "--xformers" \'--listen\''), ("--api", "--xformers", "--listen")),
    ("call-set-in-a-loop", normal("for %%a in (--api --xformers) do call set COMMANDLINE_ARGS=%%COMMANDLINE_ARGS%% %%a"), ()),
    ("call-set", normal('set COMMANDLINE_ARGS=--api\ncall set "COMMANDLINE_ARGS=%%COMMANDLINE_ARGS%% --xformers"'),
     ("--api", "--xformers")),
    ("redirection-first", normal("set COMMANDLINE_ARGS=--api\n>nul set COMMANDLINE_ARGS=--xformers --listen"),
     ("--xformers", "--listen")),
)

JUDGED: dict[str, tuple[str, ...]] = {
    "call-set-in-a-loop": ("--api", "--xformers"),
}
"""What wine gives for files whose words depend on what happens when they run, with the judge's own folder."""

LATE = "if 1==1 set COMMANDLINE_ARGS=%COMMANDLINE_ARGS% --no-half-vae --listen\n"
"""A line that brings words when it runs, so that a marked block is needed."""

HARD: tuple[tuple[str, bytes], ...] = (
    ("tabs", normal("set COMMANDLINE_ARGS=--api\t--xformers\t--port 7861\n" + LATE)),
    ("quoted", normal('set COMMANDLINE_ARGS=--api "--xformers" --port 7861\n' + LATE)),
    ("equals", normal("set COMMANDLINE_ARGS=--api --precision=full --port 7861\n" + LATE)),
    ("repeated", normal("set COMMANDLINE_ARGS=--xformers --xformers --xformers --xformers --xformers --api\n" + LATE)),
    ("caret-lines", normal("set COMMANDLINE_ARGS=--api ^\n\t--xformers ^\n --port 7861\n" + LATE)),
    ("number", normal("set COMMANDLINE_ARGS=--api --sub-quad-q-chunk-size 512\n" + LATE)),
    ("other-case", normal("set COMMANDLINE_ARGS=--api --title %TEMP:~0,0%x --xformers\n" + LATE)),
)
"""Spellings that percent substitution alone does not find, in files that need a block."""
