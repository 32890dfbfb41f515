"""Flags of A1111 that are parsed and do nothing in the reference web UI, which says so in its log."""

from __future__ import annotations

import argparse

ACTS = frozenset({
    "f", "data_dir", "models_dir", "ckpt_dir", "no_half", "no_half_vae", "medvram", "lowvram", "precision",
    "upcast_sampling", "xformers", "force_enable_xformers", "opt_split_attention", "opt_sub_quad_attention",
    "sub_quad_q_chunk_size", "sub_quad_kv_chunk_size", "sub_quad_chunk_threshold", "opt_split_attention_invokeai",
    "opt_split_attention_v1", "opt_sdp_attention", "opt_sdp_no_mem_attention", "disable_opt_split_attention",
    "disable_nan_check", "use_cpu", "listen", "port", "ui_config_file", "freeze_settings",
    "freeze_specific_settings", "ui_settings_file", "opt_channelslast", "api", "api_auth", "api_log", "nowebui",
    "device_id", "server_name", "api_server_stop", "timeout_keep_alive", "disable_all_extensions",
    "disable_extra_extensions", "skip_load_model_at_start", "no_prompt_history",
})
"""Destinations of the flags that act."""

SILENT = frozenset({"skip_torch_cuda_test", "skip_install", "skip_prepare_environment", "skip_version_check",
                    "skip_python_version_check", "no_download_sd_model", "gradio_allowed_path", "gradio_queue"})
"""Flags that ask for what is the case anyway."""


def remarks(flags: argparse.Namespace) -> list[str]:
    """One line for each given flag that does nothing here."""
    return [f"--{name.replace('_', '-')} does nothing here" for name, value in vars(flags).items()
            if name not in ACTS and name not in SILENT and given(name, value)]


def given(name: str, value: object) -> bool:
    """Whether a value that is neither a path nor a default was asked for."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return bool(value) and not name.endswith(("_path", "_dir", "_file")) and name not in (
            "config", "ckpt", "lyco_dir_backcompat")
    return isinstance(value, int) and name not in ("max_batch_count", "filenames_max_length")
