"""The failure classes of a launch or clip: the words that betray them, and what the user can do.

Patterns are anchored to whole words of messages that torch, the drivers, argparse, uvicorn, the operating
systems and the web UI print. ``measure.failures`` decides with them over all evidence of a clip; the server
room uses ``from_log`` for a start that failed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from autotune.model.study import Failure

ADVICE: dict[Failure, str] = {
    "oom": "memory ran out: close other programs on the GPU, or try a smaller clip or --medvram",
    "spilled": "GPU memory is over-full and spills over: make room, try a smaller clip or --medvram",
    "invalid_output": "no sound clip came back: see the web UI's log; if it is black, try --no-half-vae",
    "not_animated": "stills came back, not a clip: check AnimateDiff and whether its motion module fits",
    "nan": "the numbers overflowed: try --no-half-vae, or --upcast-sampling, or --no-half",
    "cuda_error": "the GPU driver reported an error: check the driver, torch and xformers versions",
    "crash": "the web UI's process died: look at the end of its log, and at memory and driver messages",
    "hang": "it did not answer in time: look at its log; a first start may need a longer time limit",
    "startup": "the web UI does not start: start it by hand once and mend what its log says",
    "bad_flag": "the web UI refuses a flag: check its version, or remove the flag from the launch file",
    "port": "the port was taken by another program: close it, or try again",
    "interrupted": "it was interrupted: run the command again, it goes on where it stopped",
}


def hint(failure: Failure) -> str:
    """One sentence on what the user can do."""
    return ADVICE[failure]


def _words(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))


BAD_FLAG = _words(
    r"\berror: unrecognized arguments?:", r"\berror: ambiguous option:", r"\berror: argument -{1,2}[\w-]+",
    r"\berror: no such option:", r"\berror: the following arguments are required:",
    r"AssertionError: .*--[\w-]+.*\b(?:conflict|incompatible|cannot be used|not allowed)",
)
PORT = _words(
    r"(?i:\baddress already in use\b)", r"(?i:only one usage of each socket address)",
    r"\bCannot find empty port in range\b", r"\b[Pp]orts? (?:from )?\d+(?: to \d+)? (?:is|are) in use\b",
    r"\[(?:Errno|WinError) (?:98|48|10048|10013)\][^\n]*\bbind\b",
    r"(?i:\berror while attempting to bind on address\b)",
)
OOM = _words(
    r"\b(?:CUDA|HIP|XPU|MPS backend) out of memory\b", r"\b(?:OutOfMemoryError|ArrayMemoryError)\b",
    r"\bMemoryError\b",
    r"CUDA error: out of memory\b", r"\bDefaultCPUAllocator: (?:can't allocate|not enough) memory\b",
    r"\bCU(?:BLAS|DNN)_STATUS_ALLOC_FAILED\b", r"\[WinError 1455\]", r"\bpaging file is too small\b",
    r"\bUnable to allocate \d[\d.]* [KMGT]iB\b", r"\bCUDA_ERROR_OUT_OF_MEMORY\b",
    r"\bcudaErrorMemoryAllocation\b",
    r"\bnot enough GPU video memory available\b", r"\bInvalid buffer size: \d[\d.]* [KMGT]i?B\b",
    r"\bCannot allocate memory\b", r"\bstd::bad_alloc\b", r"(?i:\bout of memory: killed process\b)",
    r"\bCould not allocate tensor with \d+ bytes\b", r"\bAllocation on device\b(?: \d+ would exceed\b|\W*$)",
    r"\(out of memory\)",
)
NAN = _words(
    r"\bNansException\b", r"\btensor with (?:all )?NaNs was produced in\b",
    r"\bmodules\.devices\.NansException\b",
)
CUDA = _words(
    r"\b(?:CUDA|HIP) error: \w", r"\bdevice-side assert triggered\b",
    r"\bCU(?:BLAS|DNN|SOLVER|FFT)_STATUS_[A-Z_]+\b",
    r"\bcuDNN error: \w", r"\bAcceleratorError\b", r"\billegal memory access was encountered\b",
    r"\bno kernel image is available for execution\b",
    r"\bCUDA driver (?:version is insufficient|initialization failed)\b",
    r"\bNVRTC_ERROR\w*\b", r"\bnvrtc: error:", r"\b[Nn]o operator found for `?memory_efficient_attention_\w+",
    r"\bFlashAttention only supports\b", r"\bCould not run '[\w:.]+' with arguments from the '(?:CUDA|HIP)' backend",
    r"\bUnexpected error from cudaGetDeviceCount\b",
    r"\bhipErrorNoBinaryForGpu\b", r"\bUnable to find an engine to execute this computation\b",
    r"\bGET was unable to find an engine\b", r"\bCUDA launch failure\b", r"\bNo available kernel\b",
    r"\bFATAL: kernel `\w+` is for sm\d+", r"\bNVML_SUCCESS == \w+ INTERNAL ASSERT FAILED\b",
    r"(?i:\bunspecified launch failure\b)",
)
CRASH = _words(
    r"\bSegmentation fault\b", r"\bFatal Python error: \w", r"\(core dumped\)",
    r"\bterminate called after throwing\b",
    r"\bWindows fatal exception: \w", r"\bAborted\b(?: \(|$)", r"^Killed\b|\bKilled(?: {2,}|$)",
    r"\bdied with <Signals\.SIG[A-Z]+", r"\bsegmentation fault\b", r"\bIllegal instruction\b",
    r"\bBus error\b", r"\bdouble free or corruption\b",
    r"\bINTERNAL ASSERT FAILED at\b",
)
STARTUP = _words(
    r"\b(?:ModuleNotFoundError|ImportError): ", r"\bDLL load failed while importing\b",
    r"\bRuntimeError: Couldn't \w+",
    r"\bStable diffusion model failed to load\b", r"\bNo checkpoints found\b",
    r"\bTorch is not able to use GPU\b", r"\bThis script must not be launched as root\b",
    r"\bCannot activate python venv\b", r"\bCould not find a version that satisfies the requirement\b",
    r"\bNo Python at\b", r"\bSafetensorError\b", r"\bHeaderTooLarge\b",
    r"\b(?:SyntaxError|NameError|AttributeError): ",
    r"\bis not installed, aborting\b", r"\bTorch not compiled with CUDA enabled\b",
    r"\bFound no NVIDIA driver on your system\b", r"\bPytorchStreamReader failed\b",
    r"\bINCOMPATIBLE PYTHON VERSION\b",
    r"\bCouldn't launch python\b", r"\bCannot locate Python\b",
)

PROMPTS = re.compile(r"^\W*Arguments: ")
"""Log lines that repeat a request, prompt included: whatever words stand there say nothing about a failure."""

SIGNS: tuple[tuple[Failure, re.Pattern[str]], ...] = (
    ("oom", OOM), ("nan", NAN), ("cuda_error", CUDA), ("port", PORT), ("crash", CRASH), ("startup", STARTUP),
)
"""In order of what explains the others: memory that ran out is the cause of the model that failed to load."""


def without_prompts(lines: Sequence[str]) -> tuple[str, ...]:
    """The lines of a log without those that repeat a request."""
    return tuple(line for line in lines if not PROMPTS.search(line))


def named_in(text: str) -> Failure | None:
    """The class that the words of one message name; None when they name none."""
    return next((failure for failure, pattern in SIGNS if pattern.search(text)), None)


def died_of(exit_code: int | None) -> Failure | None:
    """What an exit status alone tells: a signal or a Windows exception is a crash, 2 is argparse's refusal."""
    if exit_code is None or exit_code in (0, 1):
        return None
    if exit_code == 2:
        return "bad_flag"
    # 128 + n is how a shell reports a signal; from 0xC0000000 on it is a Windows exception.
    if exit_code < 0 or 128 < exit_code < 160 or exit_code >= 0xC0000000:
        return "crash"
    return None


def from_log(lines: Sequence[str], exit_code: int | None) -> Failure:
    """Why a start failed, from the last lines of output (oldest first) and the exit code."""
    lines = without_prompts(lines)
    # A flag that argparse refuses ends the program at once, so the words stand near the end.
    if any(BAD_FLAG.search(line) for line in lines[-12:]) and exit_code not in (None, 0):
        return "bad_flag"
    for failure, pattern in SIGNS:
        if any(pattern.search(line) for line in lines):
            return failure
    return died_of(exit_code) or "startup"
