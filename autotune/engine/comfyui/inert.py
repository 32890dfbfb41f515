"""Flags of ComfyUI that are parsed and do nothing in the reference ComfyUI, which says so in its log."""

from __future__ import annotations

import argparse

ACTS = frozenset({
    "listen", "port", "enable_cors_header", "max_upload_size", "base_directory", "extra_model_paths_config",
    "output_directory", "temp_directory", "input_directory", "cuda_device", "default_device", "cuda_malloc",
    "disable_cuda_malloc", "force_fp32", "force_fp16", "fp32_unet", "fp64_unet", "bf16_unet", "fp16_unet",
    "fp8_e4m3fn_unet", "fp8_e5m2_unet", "fp8_e8m0fnu_unet", "fp16_vae", "fp32_vae", "bf16_vae",
    "force_channels_last", "cache_ram", "cache_classic", "cache_lru", "cache_none",
    "use_split_cross_attention", "use_quad_cross_attention", "use_pytorch_cross_attention", "use_sage_attention",
    "use_flash_attention", "disable_xformers", "lowvram", "novram", "cpu", "disable_smart_memory", "deterministic",
    "dont_print_server", "quick_test_for_ci", "disable_metadata", "disable_all_custom_nodes",
    "whitelist_custom_nodes", "disable_api_nodes", "verbose", "log_stdout", "user_directory", "database_url",
    "front_end_root",
})
"""Destinations of the flags that act."""

SILENT = frozenset({"disable_auto_launch", "windows_standalone_build", "highvram", "gpu_only", "dont_upcast_attention",
                    "disable_async_offload", "disable_pinned_memory", "disable_dynamic_vram", "disable_manager_ui"})
"""Flags that ask for what is the case anyway."""
WORDS_OF_FAST = frozenset({"fp16_accumulation", "autotune"})
"""Words of --fast that act, on CUDA."""


def remarks(args: argparse.Namespace, default: argparse.Namespace) -> list[str]:
    """One line for each given flag, or word of --fast, that does nothing here."""
    said = [f"--{name.replace('_', '-')} does nothing here" for name, value in vars(args).items()
            if name not in ACTS | SILENT | {"fast"} and value != getattr(default, name)]
    idle = sorted(member.value for member in args.fast if member.value not in WORDS_OF_FAST)
    return said + [f"--fast {word} does nothing here" for word in idle]
