"""Speed and memory flags of A1111 and the Forges that a marked block takes out of COMMANDLINE_ARGS when a script runs.

Of these only the ones that the catalogue calls managed are taken out; the list itself decides nothing.
"""

from __future__ import annotations

from autotune.launchfile.blocks import BlockFlags

_PRECISIONS = ("full", "autocast", "half")
BLOCK_FLAGS = BlockFlags(
    names=(
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
    ),
    pairs=tuple(("--precision", value) for value in _PRECISIONS),
    values=("1", *_PRECISIONS),
)
