"""Names of speed and memory flags across web UIs: what a marked block may have to take out when the script runs.

Only those that the caller's catalogue calls managed are used; the list itself decides nothing.
"""

from __future__ import annotations

KNOWN: tuple[str, ...] = (
    "--xformers", "--force-enable-xformers", "--xformers-flash-attention",
    "--opt-split-attention", "--opt-split-attention-v1", "--opt-split-attention-invokeai",
    "--opt-sdp-attention", "--opt-sdp-no-mem-attention", "--opt-sub-quad-attention",
    "--disable-opt-split-attention", "--opt-channelslast", "--no-half", "--no-half-vae",
    "--upcast-sampling", "--precision", "--medvram", "--medvram-sdxl", "--lowvram", "--lowram",
    "--sub-quad-q-chunk-size", "--sub-quad-kv-chunk-size", "--sub-quad-chunk-threshold",
    "--attention-split", "--attention-quad", "--attention-pytorch",
    "--always-gpu", "--always-high-vram", "--always-normal-vram", "--always-low-vram", "--always-no-vram",
    "--all-in-fp32", "--all-in-fp16", "--unet-in-bf16", "--unet-in-fp8-e4m3fn", "--unet-in-fp8-e5m2",
    "--vae-in-fp16", "--vae-in-fp32", "--vae-in-bf16", "--cuda-malloc", "--cuda-stream", "--pin-shared-memory",
    "--disable-xformers", "--disable-attention-upcast",
)

PAIRS: tuple[tuple[str, str], ...] = (
    ("--precision", "full"), ("--precision", "autocast"), ("--precision", "half"),
)
"""Valued flags with few values, spelled out for batch files, which cannot match "any value"."""

VALUES: tuple[str, ...] = ("1", *(value for _, value in PAIRS))
"""Values to ask a catalogue with whether a flag takes one: it may know which of them are sound."""
