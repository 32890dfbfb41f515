"""Finds the one line of a web UI's output that says why it ended: no banner, progress bar or "Press any key".

A start that failed prints much around its reason: the frames of a traceback, pip's output, the box of webui.sh, the
pause of a batch file, lines of threads that end later. The rule is the same for every start and every crash.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from autotune.language.translate import N_, _

LONGEST_REASON = 240
"""Characters of a reason at most."""
LINES_AFTER, LINES_BEFORE = 15, 40
"""How many lines after and before a line such as "Couldn't install torch" are searched for its own reason."""

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_PIPES = re.compile(r"^(?:[\w.-]+ +)?[ \t]*[|+][ \t|+-]*(?=[A-Za-z\"'])")
"""Prefixes that docker compose and exception groups put before a line."""
_STAMP = re.compile(r"^(?:\[?\d[\d\-/:.,T ]*\]?[ -]*)?(?:\[?(?:ERROR|CRITICAL|FATAL)\]?[:\s-]*)?(?:root:)?\s*")

_NOISE = re.compile(
    r"^\W*$"                                                # rules, boxes, carets
    r"|^\s*[│┃║╭╰╔╚├└┌]"                                     # the box of a traceback
    r"|\d+%\|"                                              # a progress bar
    r"|\. \. \.?\s*$"                                       # the pause of a batch file, whatever its language
    r"|(?i:^\s*press any key\b|^appuyez sur une touche|^drücken sie eine)"
    r"|^(?:Launch unsuccessful\. Exiting\.?|Exiting\.*|stdout:|stderr:|Error code: \d+|exit code: \d+)\s*$"
    r"|^(?:\s*)(?:For debugging consider passing|Compile with `TORCH_USE|CUDA kernel errors might be async"
    r"|HIP kernel errors might be async|During handling of the above|The above exception was the direct)"
)
_USUAL = re.compile(
    r"^\W*(?:Model loaded in|Weights loaded in|Startup time:|Applying (?:cross )?attention optimi[sz]ation|Launching "
    r"|Loading weights|Loading VAE|Loaded state_dict|Loading model:|Creating model from"
    r"|Running on (?:local|public|\S+ user)"
    r"|To create a public link|LatentDiffusion:|DiffusionWrapper has|Working with z of shape|making attention of type"
    r"|Python \d|Version: |Commit hash:|venv \"|Installing |Requirement already|Collecting |Downloading |Using cached"
    r"|Successfully |Install script for|Tested on |Repo already cloned|Create and activate python venv|Looking in "
    r"|Textual inversion embeddings|Calculating sha256|Using (?:TCMalloc|xformers|device)|Checking |Uvicorn running"
    r"|Cannot locate TCMalloc|no module 'xformers'|glibc version|Disabled experimental|Interrogate will be fallen back"
    r"|AnimateDiff - |INFO\b|DEBUG\b|Reusing loaded model|Already up to date|usage: |\[-|options:"
    r"|Thread 0x|Current thread 0x)")
"""Lines of a healthy web UI, or of its parser's usage: printed before the reason, and by threads also after it."""
_WARNING = re.compile(
    r"^\W*(?:[\w./\\:<>-]+:? ?\d*:? ?)?(?:\w*Warning|WARN(?:ING)?(?:\[\w+\])?|warn(?:ing)?)\b(?!s)"
    r"|^[\w./\\: ()-]{0,200}\b\w*Warning: |\bMIOpen\(HIP\): (?:Warning|Info)\b| - WARNING - |\[(?:warning|WARNING|W)\]")
_HANDLED = re.compile(
    r"^\W*Error (?:loading script|running|executing callback|calling|completing)|^Exception in thread ")
_ERROR = re.compile(
    r"(?i)\b(?:error|errors|fatal|failed|failure|cannot|can't|could ?n[o']t|could not|unable|not found|denied|refused"
    r"|no such|no module|invalid|missing|abort|aborted|aborting|assert\w*|incompatible|must not|exception|panic|corrupt"
    r"|corrupted|unsupported|not recogni[sz]ed|not installed|is not able|not a valid|no python|killed|in use|misspelled"
    r"|segmentation|access violation|does not exist|undefined symbol|unbound variable)\b")
_NAMED = re.compile(
    r"^(?:[A-Za-z_][\w]*\.)*[A-Za-z_]*[A-Z]\w*(?:Error|Exception|Interrupt|Exit|Failure|Timeout|Exhausted|Group|Fault)"
    r"(?: ?\([^)]*\))?(?::(?: .*)?)?$")
_TRACEBACK = re.compile(r"Traceback \(most recent call last\)")
_DIRECT = "The above exception was the direct cause"
_WEAK = re.compile(r"^(?:subprocess\.)?CalledProcessError|^(?:SystemExit|KeyboardInterrupt)\b")
_HEAD = re.compile(r"\bCouldn't \w+|\bterminate called after throwing|:\s*$|\bfailed building wheel", re.IGNORECASE)
_EXIT_CODE = re.compile(r"\s*exit code: \d+\s*$")
_SIGNALS = {4: N_("illegal instruction"), 6: N_("aborted"), 7: N_("bus error"), 9: N_("killed"),
            11: N_("segmentation fault"), 15: N_("told to end")}
_WINDOWS = {0xC0000005: N_("access violation"), 0xC0000409: N_("stack buffer overrun"),
            0xC00000FD: N_("stack overflow"), 0xC000001D: N_("illegal instruction"), 0xC0000135: N_("a DLL is missing"),
            0xC0000142: N_("a DLL failed to start"), 0xC0000374: N_("heap corruption"),
            0xC000013A: N_("interrupted"), 0x40010004: N_("ended by the debugger")}


@dataclass(frozen=True, slots=True)
class RaisedError:
    """An exception's own line: its place in the log and its text. ``handled``: the program printed it and went on."""

    at: int
    text: str
    handled: bool


def tidy_line(line: str) -> str:
    """A line without colours, earlier states of a progress bar and the prefix of a container."""
    plain = _ESCAPES.sub("", line)
    states = [part for part in plain.split("\r") if part.strip()]
    plain = (states[-1] if states else "").rstrip()
    plain = re.sub(r"^\*\*\*( ?)", "    ", plain)
    return _PIPES.sub("", plain)


def telling_lines(lines: Sequence[str]) -> list[str]:
    """The lines that may say something about a failure, tidied: without warnings, bars, rules and pauses."""
    return [line for line in map(tidy_line, lines) if not _NOISE.search(line) and not _WARNING.search(line)]


def find_cause(lines: Sequence[str], signs: re.Pattern[str] | None = None) -> str | None:
    """The line that names the cause of a failure, with its detail; None where no line says anything of one.

    ``signs``: words of the failure's class; a line with them comes before any other.
    """
    tidied = [tidy_line(line) for line in lines]
    speaks = [not _NOISE.search(line) and not _WARNING.search(line) for line in tidied]
    if signs is not None:
        hits = [at for at, line in enumerate(tidied) if speaks[at] and signs.search(line)]
        if hits:
            return _with_detail(tidied, _first_of_last_group(hits, tidied))
    raised = raised_errors(tidied)
    strong = [one for one in raised if not _WEAK.search(one.text)]
    fatal = [one for one in strong if not one.handled]
    spoken = [at for at, line in enumerate(tidied) if speaks[at] and _says_error(line)]
    if fatal:
        return _with_detail(tidied, fatal[-1].at, fatal[-1].text)
    if (of_batch_file := _of_batch_file(tidied)) is not None:
        return of_batch_file
    if spoken and not (strong and strong[-1].at >= spoken[-1]):
        return _with_detail(tidied, _last_group(spoken)[0])
    if strong or raised:
        last = (strong or raised)[-1]
        return _with_detail(tidied, last.at, last.text)
    return None


def last_words(lines: Sequence[str]) -> str | None:
    """The last line that is more than decoration; None where there is none."""
    spoken_lines = [line.strip() for line in telling_lines(lines) if not _USUAL.search(line)]
    return spoken_lines[-1][:LONGEST_REASON] if spoken_lines else None


def exit_in_words(code: int | None) -> str:
    """An exit code with its meaning: ``exit code -11 (segmentation fault)``."""
    if code is None:
        return _("the process ended")
    windows = code & 0xFFFFFFFF
    if code < -64 or (windows in _WINDOWS and code > 255):
        number, name = f"{windows:#x}", _WINDOWS.get(windows)
    else:
        number, name = str(code), _SIGNALS.get(-code if code < 0 else code - 128 if 128 < code < 160 else 0)
    if name is None:
        return _("exit code {code}").format(code=number)
    return _("exit code {code} ({meaning})").format(code=number, meaning=_(name))


def raised_errors(tidied: Sequence[str]) -> list[RaisedError]:
    """The exceptions that a log shows, in order: of a chain its direct cause, else what was raised last."""
    found: list[RaisedError] = []
    base: int | None = None
    headed, chain, direct = False, False, False
    for at, line in enumerate(tidied):
        indent = len(line) - len(line.lstrip())
        if _HANDLED.search(line):
            headed = True
            continue
        start = _TRACEBACK.search(line)
        if start:
            # A progress bar may stand before it on its line.
            base = start.start() if not line[: start.start()].strip() else 0
            continue
        if _DIRECT in line or line.strip().startswith("During handling of the above"):
            chain, direct = True, _DIRECT in line
            continue
        if not line.strip() or (base is not None and indent > base) or re.match(r"\s*[│╭╰]", line):
            continue
        text = line.strip() if base is not None else _STAMP.sub("", line.strip())
        if base is None and not (_NAMED.match(text) and indent <= 4):
            headed = False
            continue
        handled = headed or indent > 0
        if chain and found:
            found[-1] = found[-1] if direct else RaisedError(at, text, handled)
        else:
            found.append(RaisedError(at, text, handled))
        base, headed, chain, direct = None, False, False, False
    return found


def _of_batch_file(tidied: Sequence[str]) -> str | None:
    """What webui.bat prints about a program that it could not run: its heading, the exit code, the program's words."""
    at = next((at for at, line in enumerate(tidied) if _EXIT_CODE.match(line)), None)
    head = next((one for one in range((at or 0) - 1, -1, -1) if tidied[one].strip()), None)
    return None if at is None or head is None else _with_detail(tidied, head)


def _says_error(line: str) -> bool:
    harmless = _USUAL.search(line) or _HANDLED.search(line) or _is_source_line(line)
    return bool(_ERROR.search(line)) and not harmless


def _is_source_line(line: str) -> bool:
    return bool(re.match(r"\s*File \"|\s{4,}(?:return|raise|from|import|with|assert|if|self)\b", line))


def _first_of_last_group(hits: Sequence[int], tidied: Sequence[str]) -> int:
    """Of the lines with a class's words: in the last group of them, the first that is not source code."""
    group = _last_group(hits)
    return next((at for at in group if not _is_source_line(tidied[at])), group[0])


def _last_group(hits: Sequence[int]) -> list[int]:
    """The last group of positions without a gap of more than three lines."""
    group = [hits[-1]]
    for at in reversed(hits[:-1]):
        if group[0] - at > 3:
            break
        group.insert(0, at)
    return group


def _with_detail(tidied: Sequence[str], at: int, text: str | None = None) -> str:
    """The line and, where it only says that something else failed, the line that it refers to."""
    head = _short(text or tidied[at])
    code = next((line for line in tidied[at + 1 : at + 4] if _EXIT_CODE.match(line)), "")
    if not code and not _HEAD.search(head):
        return head
    detail = _detail(tidied, at, head)
    said = f"{head} ({code.strip().replace(': ', ' ')})" if code else head
    return _short(f"{said.rstrip(' :.')}: {detail}") if detail else said


def _detail(tidied: Sequence[str], at: int, head: str) -> str | None:
    after = [line for line in tidied[at + 1 : at + 1 + LINES_AFTER] if line.strip()]
    after = [re.sub(r"^\s*stderr:\s*(?=\S)", "", line) for line in after]
    if re.search(r":\s*$|terminate called", head):
        lines = [line for line in after if not _NOISE.search(line)]
        return _short(lines[0]) if lines else None
    before = [line for line in tidied[max(0, at - LINES_BEFORE) : at] if line.strip()]
    for lines in (after, before):
        for line in lines:
            if re.match(r"\s*(?:ERROR|error|fatal): ", line) and not _WARNING.search(line):
                return _short(line)
    for number, line in enumerate(tidied[at + 1 : at + 1 + LINES_AFTER], at + 1):
        if line.strip() == "stderr:":
            lines = [one for one in tidied[number + 1 : number + 4] if one.strip() and not _NOISE.search(one)]
            return _short(lines[0]) if lines else None
    spoken = [line for line in after if not _NOISE.search(line) and _says_error(line)]
    return _short(spoken[-1]) if spoken else None


def _short(text: str) -> str:
    return " ".join(text.split())[:LONGEST_REASON]
