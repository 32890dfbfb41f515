"""Batch files that start ComfyUI, grown at random from what people write: launchers of the package, and their own."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

FLAGS = {
    "--use-pytorch-cross-attention": 0, "--use-sage-attention": 0, "--fast": 1, "--lowvram": 0, "--cache-none": 0,
    "--force-channels-last": 0, "--async-offload": 0,
}
"""What counts as managed here, and whether a word follows."""
FAST = ("fp16_accumulation", "autotune", "cublas_ops")
KEPT = (
    "--windows-standalone-build", "--listen", "--port 8189", "--listen 0.0.0.0", "--preview-method auto",
    "--disable-auto-launch", "--output-directory D:\\out", '--user-directory "my folder"', "--reserve-vram 0.9",
    "--front-end-version Comfy-Org/ComfyUI_frontend@latest", '"--verbose"', "--tls-keyfile a,b;c=d",
    "--enable-cors-header *", '--comfy-api-base "https://x/?a=1&b=2"', "--database-url sqlite:///:memory:",
    "--extra-model-paths-config=x.yaml",
)


def owns(words: Sequence[str]) -> tuple[bool, ...]:
    """A catalogue in small."""
    found: list[bool] = []
    follows = False
    for word in words:
        mine = word in FLAGS or (follows and word in FAST)
        found.append(mine)
        follows = bool(FLAGS.get(word, 0)) or (follows and word in FAST)
    return tuple(found)


def managed(random: Random) -> str:
    """One managed flag with its words."""
    name = random.choice(tuple(FLAGS))
    return " ".join((name, *random.sample(FAST, random.randint(0, 2)))) if FLAGS[name] else name


def target(random: Random) -> tuple[str, ...]:
    """A set to write."""
    chosen = dict.fromkeys(managed(random) for _ in range(random.randint(0, 3)))
    return tuple(word for one in chosen for word in one.split())


def tail(random: Random, most: int = 5) -> str:
    """Words behind main.py."""
    chosen = [managed(random) if random.random() < 0.4 else random.choice(KEPT) for _ in range(random.randint(0, most))]
    return "".join(random.choice((" ", " ", "  ", "\t")) + one for one in chosen)


def before(random: Random) -> list[str]:
    """A command or some that stand above the start."""
    name, words = random.choice(("ARGS", "EXTRA", "COMMANDLINE_ARGS")), tail(random, 3).strip().replace("\t", " ")
    shapes = (
        [f"set {name}={words}"], [f"set {name}={words}"], [f'set "{name}={words}"'], [f"set {name}=%{name}% {words}"],
        [f'set "{name}=%{name}% {words}"'], [f"if exist ComfyUI set {name}={words}"],
        [f"if not exist ComfyUI set {name}={words}"], ["if exist ComfyUI (", f"  set {name}={words}", ")"],
        [f'if "%{name}%"=="" set {name}={words}'], [f'if not "%OUTSIDE%"=="" set {name}={words} %OUTSIDE%'],
        ["rem python main.py --lowvram"], [":: .\\python main.py --fast"], ["echo python main.py --lowvram"],
        ["@echo off"], ["title ComfyUI & echo starting main.py"], ["call venv\\Scripts\\activate.bat"],
        ["set PYTHONUTF8=1", "set PYTHONPYCACHEPREFIX=%~dp0pycache"], ["setlocal"], ["chcp 65001 >nul"],
        ["setlocal enabledelayedexpansion"], ["goto go", f"set {name}=--never", ":go"], ["cd ."],
        ["if not exist ComfyUI (", "  echo no main.py here", "  exit /b 1", ")"], ["", "   "],
        ["set /a N=1+1"], ["for %%i in (a b) do echo %%i"], ["if errorlevel 5 goto go", ":go"],
    )
    return list(random.choice(shapes))


def start(random: Random, python: str) -> list[str]:
    """The command that starts it. ``python``: how it is called here."""
    words = tail(random)
    more = random.choice(("", "", "", " %ARGS%", " %EXTRA%", " %COMMANDLINE_ARGS%", " %OUTSIDE%", " %ARGS% %EXTRA%"))
    options = random.choice((" -s", "", " -s -B", " -I -W ignore::FutureWarning", " -u"))
    main = random.choice(("ComfyUI\\main.py", "ComfyUI\\main.py", '"%~dp0ComfyUI\\main.py"', "ComfyUI/main.py",
                          ".\\ComfyUI\\main.py"))
    behind = random.choice(("", "", "", "  ", " %*", " >log.txt", " > log.txt 2>&1", ">log.txt", "& echo done",
                            " || echo failed", " && echo main.py was there", " 2>nul & echo x"))
    line = f"{random.choice(('', '', '', '@', '  '))}{python}{options} {main}{words}{more}{behind}"
    plain = tail(random).replace('"', "").replace("&", "").replace("*", "").replace("\t", " ").replace("=", "")
    broken = f"{python} {main}{tail(random)}".replace(" --", " ^\n  --").split("\n")
    shapes = (
        [line], [line], [line], [line], [line, "pause"], ["if exist ComfyUI (", line, ")"],
        ["if exist nothing (", f"  {python} {main} --never", ") else (", f"  {line}", ")"],
        broken, [*broken, "echo over"], [f"call {python} {main}{plain}"],
        [f'cmd /c "{python} ComfyUI\\main.py{plain}"'],
        ["if errorlevel 9 goto over", line, ":over", "echo over"], [":again", line, "if errorlevel 99 goto again"],
        [f'if "%1"=="" {python} {main}{plain}'], ["pushd ComfyUI", f"{python} main.py{words}{more}", "popd"],
        ["cd ComfyUI", f"{python} -s main.py{words}"], [f"set PY={python}", f"%PY% {main}{words}"],
        ["call :go", "goto end", ":go", f"{python} {main}{words}", "exit /b", ":end"],
    )
    return list(random.choice(shapes))


def run_file(random: Random, python: str) -> bytes:
    """A whole file."""
    lines = ["@echo off"] if random.random() < 0.7 else []
    for _ in range(random.choice((0, 0, 1, 1, 2, 3, 4))):
        lines += before(random)
    lines += start(random, python)
    lines += random.choice(([], ["pause"], ["pause"], ["echo ended: main.py", "pause"], ["exit /b %ERRORLEVEL%"]))
    eol = random.choice(("\r\n", "\r\n", "\n"))
    mark = b"\xef\xbb\xbf" if lines[0] == "@echo off" and random.random() < 0.1 else b""
    return mark + (eol.join(lines) + random.choice((eol, eol, ""))).encode()
