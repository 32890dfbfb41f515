"""The failure classes of a start or clip: the words in a log that identify each, what the user can do, and the rule
that decides.

Patterns are anchored to whole words of messages that torch, the drivers, argparse, uvicorn, the operating systems and
the web UI print. ``judge`` decides with them over all evidence there is; what is shown as the reason is the line that
names the cause (``model.cause``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from autotune.language.translate import N_, _
from autotune.model.cause import exit_in_words, find_cause, last_words, telling_lines, tidy_line
from autotune.model.study import Failure


@dataclass(frozen=True, slots=True)
class Meaning:
    """The name of a failure class, what it says about the set that failed, and what the user can do."""

    title: str
    of_a_set: str
    advice: str


MEANINGS: dict[Failure, Meaning] = {
    "oom": Meaning(
        N_("Out of memory"),
        N_("This set needs more GPU memory than is free. A smaller clip, or a memory flag, may let it run; "
           "autotune leaves it out."),
        N_("memory ran out: close other programs on the GPU, or try a smaller clip or --medvram (ComfyUI: --lowvram)"),
    ),
    "spilled": Meaning(
        N_("Memory over-full"),
        N_("The driver moved GPU memory to system memory, which is many times slower. Render smaller clips, "
           "close other GPU programs, or keep away from this set."),
        N_("GPU memory is over-full and spills over: make room, try a smaller clip or --medvram (ComfyUI: --lowvram)"),
    ),
    "invalid_output": Meaning(
        N_("Invalid clip"),
        N_("Frames came out black, constant, of the wrong size or cut short. Keeping the VAE in fp32 "
           "(--no-half-vae, ComfyUI: --fp32-vae) cures most black frames."),
        N_("no sound clip came back: see the web UI's log; if it is black, try --no-half-vae (ComfyUI: --fp32-vae)"),
    ),
    "not_animated": Meaning(
        N_("Not animated"),
        N_("The answer was stills, not a clip: AnimateDiff did not act. Check that it is enabled "
           "and its motion module fits the model."),
        N_("stills came back, not a clip: check AnimateDiff and whether its motion module fits"),
    ),
    "nan": Meaning(
        N_("NaN in the numbers"),
        N_("Half precision overflowed. --no-half-vae (ComfyUI: --fp32-vae) cures it when the VAE is named; otherwise "
           "stay with a set that keeps fp32."),
        N_("the numbers overflowed: try --no-half-vae, or --upcast-sampling, or --no-half (ComfyUI: --fp32-vae)"),
    ),
    "cuda_error": Meaning(
        N_("GPU error"),
        N_("The GPU, its driver or one of its libraries failed. If it happens with one set only, avoid that "
           "set; with all of them, look at the driver and at the card's temperature."),
        N_("the GPU driver reported an error: check the driver, torch and xformers versions"),
    ),
    "crash": Meaning(
        N_("Process ended"),
        N_("The web UI stopped while it rendered. Its log says why; with one set only, avoid that set."),
        N_("the web UI's process died: look at the end of its log, and at memory and driver messages"),
    ),
    "machine_down": Meaning(
        N_("Machine went down"),
        N_("The whole machine went down while this set ran. It is not tried again unless you ask with "
           "--fresh."),
        N_("the whole machine went down: look at its power supply, heat and driver; --fresh tries it again"),
    ),
    "hang": Meaning(
        N_("No answer in time"),
        N_("The clip took far longer than the others and was stopped."),
        N_("it did not answer in time: look at its log; a first start may need a longer time limit"),
    ),
    "startup": Meaning(
        N_("Did not start"),
        N_("The web UI did not come up with this set. Its own log names the cause."),
        N_("the web UI does not start: start it by hand once and mend what its log says"),
    ),
    "bad_flag": Meaning(
        N_("Flag refused"),
        N_("This version of the web UI does not know a flag of the set."),
        N_("the web UI refuses a flag: check its version, or remove the flag from the launch file"),
    ),
    "port": Meaning(
        N_("Port in use"),
        N_("Another program took the port; trying again is enough."),
        N_("the port was taken by another program: close it, or try again"),
    ),
    "interrupted": Meaning(
        N_("Interrupted"),
        N_("The clip was stopped from outside; run tune again to go on."),
        N_("it was interrupted: run the command again, it goes on where it stopped"),
    ),
}


def meaning(failure: str | None) -> Meaning:
    """What a failure class means, in the language in use; one of another version of autotune is called by its name."""
    known = next((one for name, one in MEANINGS.items() if name == failure), None)
    if known is None:
        return Meaning(failure or _("Failed"), "", "")
    return Meaning(_(known.title), _(known.of_a_set), _(known.advice))


def _any_of(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))


BAD_FLAG = _any_of(
    r"\berror: unrecognized arguments?:", r"\berror: ambiguous option:", r"\berror: argument -{1,2}[\w-]+",
    r"\berror: no such option:", r"\berror: the following arguments are required:",
    r"AssertionError: .*--[\w-]+.*\b(?:conflict|incompatible|cannot be used|not allowed)",
)
PORT = _any_of(
    r"(?i:\baddress already in use\b)", r"(?i:only one usage of each socket address)",
    r"\bCannot find empty port in range\b", r"\b[Pp]orts? (?:from )?\d+(?: to \d+)? (?:is|are) in use\b",
    r"\[(?:Errno|WinError) (?:98|48|10048|10013)\][^\n]*\bbind\b", r"\[WinError 10048\]",  # in words of any language
    r"(?i:\berror while attempting to bind on address\b)",
)
OOM = _any_of(
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
    # ROCm, Level Zero and OpenCL under torch's XPU backend, Metal, DirectML, CUDA's driver API.
    r"\bhipErrorOutOfMemory\b", r"\bHIP error: out of memory\b", r"\bHSA_STATUS_ERROR_OUT_OF_RESOURCES\b",
    r"\b(?:PI|UR|UR_RESULT|ZE_RESULT|CL)_(?:ERROR_)?OUT_OF_(?:HOST_MEMORY|DEVICE_MEMORY|RESOURCES)\b",
    r"\b(?:PI|UR|UR_RESULT|CL)_(?:ERROR_)?MEM_OBJECT_ALLOCATION_FAILURE\b",
    r"\bAllocation is out of device memory\b", r"\bcan NOT allocate memory block with size larger than\b",
    r"\bkIOGPUCommandBufferCallbackErrorOutOfMemory\b", r"\bCUDA driver error: out of memory\b",
    r"\bInsufficient Memory \(", r"\bUnknown error -2147024882\b", r"\bE_OUTOFMEMORY\b",
    r"\b(?:0x)?8007000[Ee]\b", r"\bNot enough memory resources are available\b",
    r"\b(?:miopen|rocblas|hipblas|hipsparse)_?[Ss]tatus_?(?:[Aa]lloc_?[Ff]ailed|memory_error)\b",
    r"\b(?:HIPBLAS|MIOPEN|ROCBLAS)_STATUS_ALLOC_FAILED\b", r"\bOOM when allocating tensor\b",
    r"\bFailed to allocate \d[\d.]* ?[KMGT]?i?B?(?:ytes)? (?:of|on) (?:GPU|device|VRAM)",
)
NAN = _any_of(
    r"\bNansException\b", r"\btensor with (?:all )?NaNs was produced in\b",
    r"\bmodules\.devices\.NansException\b",
)
GPU = _any_of(
    # CUDA and what stands on it
    r"\b(?:CUDA|HIP|ROCm|XPU) error: \w", r"\bdevice-side assert triggered\b", r"\bCUDA driver error: \w",
    r"\bCU(?:BLAS|DNN|SOLVER|FFT|SPARSE|RAND)(?:LT)?_STATUS_(?!SUCCESS)[A-Z_]+\b", r"\bCUDA_ERROR_(?!OUT_OF)[A-Z_]+\b",
    r"\bcuDNN error: \w", r"\bAcceleratorError\b", r"\billegal memory access was encountered\b",
    r"\bno kernel image is available for execution\b",
    r"\bCUDA driver (?:version is insufficient|initialization failed)\b",
    r"\bNVRTC_ERROR\w*\b", r"\bnvrtc: error:", r"\b[Nn]o operator found for `?memory_efficient_attention_\w+",
    r"\bFlashAttention only supports\b", r"\bUnexpected error from cudaGetDeviceCount\b",
    r"\bUnable to find an engine to execute this computation\b",
    r"\bGET was unable to find an engine\b", r"\bCUDA launch failure\b", r"\bNo available kernel\b",
    r"\bFATAL: kernel `\w+` is for sm\d+", r"\bNVML_SUCCESS == \w+ INTERNAL ASSERT FAILED\b",
    r"\bcudaError(?!MemoryAllocation|Success)[A-Z]\w+", r"\bGPU is lost\b", r"\bfallen off the bus\b",
    r"(?i:\bunspecified launch failure\b)", r"\btriton\.runtime\.errors\.OutOfResources\b",
    r"\bRuntimeError: No (?:CUDA|HIP|XPU) (?:GPUs|devices) are available\b",
    # cuDNN's frontend, and a cuDNN that does not fit torch
    r"\bcuDNN (?:Frontend|Backend) error\b", r"\[cudnn_frontend\] (?:Error|ERROR)\b",
    r"\bcudnn_frontend::\w*[Ee]rror\b",
    r"\bNo (?:valid )?(?:execution plans|engine configs) (?:support|for|built)\b",
    r"\bcuDNN (?:library )?version (?:incompatib|mismatch)\w*",
    r"\bCUDNN_BACKEND_\w+: cudnn\w+ [Ff]ailed\b", r"\bcudnn(?:Create|Finalize|Get|Set)?\w* ?[Ff]ailed\b",
    r"\b(?:Could not|Unable to|Cannot) load (?:library |any of |symbol |dynamic library )[^\n]*cudnn",
    r"\bmha_graph(?:->|\.)\w+", r"\bcudnn_status: CUDNN_STATUS_(?!SUCCESS)",
    # AMD: HIP, rocBLAS, MIOpen, the HSA runtime, ZLUDA
    r"\bhipError(?!OutOfMemory|Success)[A-Z]\w+", r"\brocBLAS error\b", r"\brocblas_status_(?!success)\w+",
    r"\b(?:HIPBLAS|HIPSPARSE|HIPFFT|HIPSOLVER|MIOPEN|ROCBLAS)_STATUS_(?!SUCCESS)[A-Z_]+\b", r"\bHIPRTC_ERROR\w*\b",
    r"\bmiopenStatus(?!Success)[A-Z]\w+", r"\bMIOpen Error\b", r"\bMIOpen\(HIP\): Error\b", r"\bhipBLASLt error\b",
    r"\bAMD_COMGR_STATUS_ERROR\w*\b", r"\bHSA_STATUS_ERROR(?!_OUT_OF_RESOURCES)\w*\b", r"\bhsa_init Failed\b",
    r"\bMemory access fault by GPU\b", r"\bHW Exception by GPU\b", r"(?i:\breason ?: ?GPU hang\b)",
    r"\bUnable to find code object for all current devices\b", r"\bCannot find Symbol\b.*\bhip",
    r"\bpanicked at\b[^\n]*(?i:zluda)", r"\bZLUDA device failed to pass\b",
    r"\bCannot (?:read|find|load) \S*TensileLibrary",
    # Intel: SYCL, Level Zero, oneDNN, its compute runtime
    r"\bNative API failed\b", r"\b(?:PI|UR|UR_RESULT|ZE_RESULT)_ERROR_(?!OUT_OF)[A-Z_]+\b",
    r"\bsycl::(?:_V1::)?\w*(?:exception|error)\b", r"\bNo device of requested type available\b",
    r"\bcould not (?:create|execute|initialize) (?:a |an )?(?:primitive|engine|stream|memory|reorder)\b",
    r"\boneDNN error\b", r"\bLevel[- ]Zero error\b", r"\bAbort was called at \d+ line in file\b",
    r"\bThe program was built for \d+ devices\b", r"\b[Rr]equired aspect fp64 is not supported\b",
    r"\bXPU device count is zero\b", r"\bCL_(?:INVALID|BUILD|DEVICE|COMPILER|OUT_OF_GPU)_[A-Z_]+\b",
    # DirectML
    r"\bGPU device instance has been (?:suspended|removed|reset)\b",
    r"\bGetDeviceRemovedReason\b", r"\bDXGI_ERROR_[A-Z_]+\b",
    r"\bDML_\w*ERROR\w*\b", r"\b(?:0x)?887[Aa]00\d\d\b", r"\bGPU will not respond to more commands\b",
    r"\bRuntimeError: (?:The parameter is incorrect|Unspecified error)\b", r"\bUnknown error -2\d{9}\b",
    r"\b(?:0x)?(?:80070057|80004005)\b",
    # Metal
    r"\bfailed assertion\b[^\n]*(?:MPS|MTL|Metal|IOGPU|ommand (?:buffer|encoder)|commit|encod)",
    r"(?:MPS|MTL|IOGPU|AGX)\w*[^\n]{0,200}\bfailed assertion\b",
    r"\bINTERNAL ASSERT FAILED at \"\S*MPS", r"\bMPS\w+\.mm\"?:\d+[^\n]*(?i:error|failed|assert)",
    r"\bkIOGPUCommandBufferCallbackError(?!OutOfMemory)\w+", r"\bcommand buffer exited with error status\b",
    r"\bXPC_ERROR_CONNECTION_\w+", r"\bCaused GPU (?:Hang|Timeout|Address Fault) Error\b",
    r"\bFailed to create (?:function state|compute pipeline|metal) \w+", r"\bMPS framework doesn't support\b",
    r"\bMPS backend error\b|\bMPSGraph\w* failed\b", r"loc\(\"mps_\w+\"",
    r"\bPlaceholder storage has not been allocated on MPS device\b",
    # any of them: an operator that this device does not have
    r"\bCould not run '[\w:.]+' with arguments from the '(?:CUDA|HIP|XPU|MPS|DML|PrivateUse1)' backend",
    r"\bis not (?:currently )?(?:implemented|supported) (?:for|on) the (?:MPS|XPU|DML|HIP|CUDA) (?:device|backend)\b",
)
CRASH = _any_of(
    r"\bSegmentation fault\b", r"\bFatal Python error: \w", r"\(core dumped\)",
    r"\bterminate called after throwing\b",
    r"\bWindows fatal exception: \w", r"\bAborted\b(?: \(|$)", r"^Killed\b|\bKilled(?: {2,}|$)",
    r"\bdied with <Signals\.SIG[A-Z]+", r"\bsegmentation fault\b", r"\bIllegal instruction\b",
    r"\bBus error\b", r"\bdouble free or corruption\b",
    r"\bINTERNAL ASSERT FAILED at\b", r"\bAbort trap\b", r"\bLLVM ERROR: \w", r"\boom-kill(?:er)?\b",
    r"\bTrace/breakpoint trap\b", r"\bstack smashing detected\b", r"\bmalloc\(\): \w",
    r"\bfree\(\): invalid\b", r"\bmunmap_chunk\(\): ", r"\bcorrupted double-linked list\b", r"\bcorrupted size vs\b",
    r"\bThe remote compute process|\bcrashed with exit code\b",
)
STARTUP = _any_of(
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
    r"\bCouldn't launch python\b", r"\bCannot locate Python\b", r"\bcan't open file '",
    r"\bis not recognized as an internal or external command\b", r"\bPython was not found\b",
    r"\bsyntax error near unexpected token\b", r"\bunexpected EOF while looking for matching\b",
    r"\bunbound variable\b", r"\bUnable to create venv\b", r"\bFailed to activate virtual environment\b",
    r"\bpython3-venv is not installed\b", r"\bNo matching distribution found for\b",
    r"\berror: externally-managed-environment\b", r"\bbad interpreter: ",
    r"\b(?:command not found|not a valid Win32)\b",
    r"\bTorch not compiled with (?:XPU|HIP|MPS) enabled\b", r"\[WinError (?:126|127|193|1114)\]",
)

PROMPTS = re.compile(r"^\W*Arguments: ")
"""Log lines that repeat a request, prompt included: whatever words stand there say nothing about a failure."""

SIGNS: tuple[tuple[Failure, re.Pattern[str]], ...] = (
    ("oom", OOM), ("nan", NAN), ("cuda_error", GPU), ("port", PORT), ("crash", CRASH), ("startup", STARTUP),
)
"""Classes by precedence: memory that ran out is the cause of a model that failed to load."""
WORDS = {**dict(SIGNS), "bad_flag": BAD_FLAG}
JOB_CLASSES = ("oom", "cuda_error", "nan")
"""Classes that a log can name for a job whose own answer says nothing."""

LOG_LINES = 80
"""Lines from the end of the log that count for a clip: what was printed before is about earlier clips."""
LINES_OF_END, LINES_OF_JOB = 25, 12
"""Lines at the end of the log that are about the end of a process, and about the job that was answered last."""

NOT_ANIMATED = frozenset({"not_a_gif", "wrong_count", "all_alike", "not_animated"})
"""Refusals of ``workload.clip.check_clip`` that show ordinary stills."""


@dataclass(frozen=True, slots=True)
class Classified:
    """A failure class, and the line that was taken as the evidence."""

    failure: Failure
    why: str

    @property
    def advice(self) -> str:
        """One sentence on what the user can do."""
        return meaning(self.failure).advice


def without_prompts(lines: Sequence[str]) -> tuple[str, ...]:
    """The lines of a log without those that repeat a request."""
    return tuple(line for line in lines if not PROMPTS.search(line))


def class_named_in(text: str) -> Failure | None:
    """The failure class that the words of one message name; None when they name none."""
    return next((failure for failure, pattern in SIGNS if pattern.search(text)), None)


def class_of_exit(exit_code: int | None) -> Failure | None:
    """The failure class that an exit status alone implies: a signal or a Windows exception is a crash, 2 is argparse's
    refusal."""
    if exit_code is None or exit_code in (0, 1):
        return None
    if exit_code == 2:
        return "bad_flag"
    # 128 + n is how a shell reports a signal; from 0xC0000000 on it is a Windows exception.
    if exit_code < 0 or 128 < exit_code < 160 or exit_code >= 0xC0000000:
        return "crash"
    return None


def from_log(lines: Sequence[str], exit_code: int | None) -> Failure:
    """The failure class of a start, from the last lines of its output (oldest first) and the exit code."""
    lines = telling_lines(without_prompts(lines))
    # A flag that argparse refuses ends the program at once, so the words stand near the end.
    if any(BAD_FLAG.search(line) for line in lines[-LINES_OF_JOB:]) and exit_code not in (None, 0):
        return "bad_flag"
    return class_named_in("\n".join(lines)) or class_of_exit(exit_code) or "startup"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of one start or clip when it is asked whether it failed, and why.

    ``exit_code``: of the web UI's process, None while it lives or when unknown (``died`` says that it ended).
    ``http_status`` and ``body``: the answer (the web UI's error class and message), 200 and "" if it was a
    clip. ``log_tail``: its last lines, oldest first. ``clip_check``: the kind of refusal of
    ``workload.clip.check_clip``, None for a valid clip. ``broke``: the answer broke off, and the process lives on.
    ``starting``: the process was not ready yet.
    """

    exit_code: int | None = None
    http_status: int | None = None
    body: str = ""
    log_tail: Sequence[str] = ()
    clip_check: str | None = None
    died: bool = False
    broke: bool = False
    timed_out: bool = False
    interrupted: bool = False
    spilled: bool = False
    starting: bool = False


def judge(found: Evidence) -> Classified | None:
    """The class of a failure, None when nothing failed.

    Order of evidence: our own interruption; the answer's own words; the process's death, with what its log
    says of it; time-out; the clip itself; memory over-full and slow.
    """
    if found.interrupted:
        return Classified("interrupted", _("interrupted"))
    log = without_prompts(found.log_tail)
    log = log if found.starting else log[-LOG_LINES:]
    if found.body and (found.http_status is None or found.http_status >= 400):
        named = class_named_in(found.body)
        if named and named not in ("startup", "port"):
            # A library that could not do its work for want of memory says so in the log only.
            said = _of_job(log, 4) if named == "cuda_error" else None
            return said if said and said.failure == "oom" else Classified(named, _line(found.body))
    ended = found.died or found.exit_code is not None
    if found.starting and (ended or log) and not found.timed_out:
        return _of_start(found.exit_code, log)
    if ended:
        return _of_death(found.exit_code, log)
    if found.broke:
        return _of_job(log) or Classified("invalid_output", _("the answer broke off, and the web UI lives on"))
    if found.timed_out:
        # A dead CUDA context can leave the request hanging after its message.
        said = _of_job(log)
        return said if said and said.failure != "nan" else Classified("hang", _("no answer in time"))
    if found.http_status is not None and found.http_status >= 400:
        return _of_status(found.http_status, found.body, log)
    if found.clip_check is not None:
        failure: Failure = "not_animated" if found.clip_check in NOT_ANIMATED else "invalid_output"
        return Classified(failure, found.clip_check)
    return Classified("spilled", _("memory full and far slower than its kind")) if found.spilled else None


def classify(
    exit_code: int | None = None,
    http_status: int | None = None,
    body: str = "",
    log_tail: Sequence[str] = (),
    clip_check: str | None = None,
    *,
    died: bool = False,
    broke: bool = False,
    timed_out: bool = False,
    interrupted: bool = False,
    spilled: bool = False,
    starting: bool = False,
) -> Classified | None:
    """``judge`` for callers outside this package, each piece of evidence an argument of its own (see Evidence)."""
    return judge(Evidence(exit_code, http_status, body, log_tail, clip_check, died, broke, timed_out, interrupted,
                          spilled, starting))


def _of_start(exit_code: int | None, log: tuple[str, ...]) -> Classified:
    """The class and reason of a start that failed."""
    failure = from_log(log, exit_code)
    if failure == "crash" and class_of_exit(exit_code) == "crash":
        # What the system ended may have printed an error long before that it got over.
        return Classified(failure, find_cause(log[-LINES_OF_JOB:], CRASH) or exit_in_words(exit_code))
    # Words of this class stand also in what the web UI reports of extensions and goes on from.
    why = find_cause(log, WORDS.get(failure) if failure != "startup" else None)
    why = why or (find_cause(log, STARTUP) if failure == "startup" else None)
    if why is None and exit_code in (None, 0, 1):
        why = last_words(log)
    return Classified(failure, why or (exit_in_words(exit_code) if exit_code is not None else _("no output")))


def _of_death(exit_code: int | None, log: tuple[str, ...]) -> Classified:
    """The class and reason of a process that ended while it should have rendered."""
    near = log[-LINES_OF_END:]
    found = _of_job(near, LINES_OF_END)
    if found:
        return found
    if exit_code == 2 and any(BAD_FLAG.search(line) for line in log[-LINES_OF_JOB:]):
        return Classified("bad_flag", find_cause(log, BAD_FLAG) or exit_in_words(exit_code))
    why = find_cause(near if class_of_exit(exit_code) is None else near[-LINES_OF_JOB:], CRASH)
    return Classified("crash", why or exit_in_words(exit_code))


def _of_job(log: tuple[str, ...], lines: int = LINES_OF_JOB) -> Classified | None:
    """The class and reason that the end of the log gives for the job that failed last; None where it gives none."""
    end = telling_lines(log[-lines:])
    named = class_named_in("\n".join(end))
    if named not in JOB_CLASSES:
        return None
    return Classified(named, find_cause(log[-lines:], WORDS[named]) or _line(end[-1]))


def _of_status(status: int, body: str, log: tuple[str, ...]) -> Classified:
    """The class and reason of an HTTP error whose own words name no class."""
    if "motion module" in body or (status == 422 and "AnimateDiff" in body):
        return Classified("not_animated", _line(body))
    # The library that failed may have printed its reason, and torch have raised another: the end of the log tells.
    found = _of_job(log, 4 if body else LINES_OF_JOB)
    return found or Classified("invalid_output", f"HTTP {status} {_line(body)}".strip())


def _line(text: str) -> str:
    return " ".join(tidy_line(text.replace("\r", "\n")).split())[:200]
