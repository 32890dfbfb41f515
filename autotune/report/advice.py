"""What each failure class means and what its reader may do about it (classes: model.study.Failure)."""

from __future__ import annotations

MEANING = {
    "oom": (
        "Out of memory",
        "This set needs more GPU memory than is free. A smaller clip, or a memory flag, "
        "may let it run; autotune leaves it out.",
    ),
    "spilled": (
        "Memory over-full",
        "The driver moved GPU memory to system memory, which is many times slower. "
        "Render smaller clips, close other GPU programs, or keep away from this set.",
    ),
    "invalid_output": (
        "Invalid clip",
        "Frames came out black, constant, of the wrong size or cut short. "
        "Keeping the VAE in fp32 (--no-half-vae) cures most black frames.",
    ),
    "not_animated": (
        "Not animated",
        "The answer was stills, not a clip: AnimateDiff did not act. Check that the "
        "extension is enabled and its motion module fits the model.",
    ),
    "nan": (
        "NaN in the numbers",
        "Half precision overflowed. --no-half-vae cures it when the VAE is named; "
        "otherwise stay with a set that keeps fp32.",
    ),
    "cuda_error": (
        "CUDA error",
        "The GPU context died. If it happens with one set only, avoid that set; with all "
        "of them, look at the driver and at the card's temperature.",
    ),
    "crash": (
        "Process ended",
        "The web UI stopped while it rendered. Its log says why; with one set only, avoid that set.",
    ),
    "machine_down": (
        "Machine went down",
        "The whole machine went down while this set ran. It is not tried again unless you ask with --fresh.",
    ),
    "hang": ("No answer in time", "The clip took far longer than the others and was stopped."),
    "startup": ("Did not start", "The web UI did not come up with this set. Its own log names the cause."),
    "bad_flag": ("Flag refused", "This version of the web UI does not know a flag of the set."),
    "port": ("Port in use", "Another program took the port; trying again is enough."),
    "interrupted": ("Interrupted", "The clip was stopped from outside; run tune again to go on."),
}


def title(failure: str | None) -> str:
    """The failure class in words."""
    return MEANING.get(failure or "", (failure or "Failed", ""))[0]


def advice(failure: str | None) -> str:
    """What the reader may do; empty for a class that is not known here."""
    return MEANING.get(failure or "", ("", ""))[1]
