"""What a change of each part of the fingerprint makes stale, where the configuration does not say otherwise."""

from __future__ import annotations

from typing import Literal

from autotune.language.translate import N_

Action = Literal["retune", "drift", "nothing"]

RULES: tuple[tuple[str, Action, str], ...] = (
    ("gpu", "retune", N_("another GPU has other fast paths")),
    ("gpu_memory", "retune", N_("memory decides which sets fit")),
    ("driver", "retune", N_("drivers change kernels and memory handling")),
    ("cuda_driver", "retune", N_("drivers change kernels and memory handling")),
    ("os", "drift", N_("an OS update seldom changes which set wins")),
    ("webui_flavour", "retune", N_("another web UI reads other flags")),
    ("webui_version", "retune", N_("a new version may read flags differently")),
    ("webui_commit", "retune", N_("a new version may read flags differently")),
    ("animatediff", "retune", N_("AnimateDiff's attention has changed between versions")),
    ("extensions", "drift", N_("an extension or custom node may patch the sampling loop")),
    ("python", "drift", N_("the interpreter itself does little of the work")),
    ("torch", "retune", N_("torch holds the kernels that the flags choose from")),
    ("xformers", "retune", N_("xformers adds or takes away an attention")),
    ("sageattention", "retune", N_("sageattention adds or takes away an attention")),
    ("flash_attn", "retune", N_("flash_attn adds or takes away an attention")),
    ("checkpoint", "drift", N_("checkpoints of one family cost the same")),
    ("vae", "drift", N_("VAEs of one family cost the same")),
    ("motion_module", "retune", N_("motion modules differ in size and attention")),  # the one in use (added_models)
    ("settings", "drift", N_("a setting may override a flag")),
    ("kept_flags", "drift", N_("the owner's own flags may bear on speed")),
    ("profile", "retune", N_("another workload asks another question")),
)
"""Built-in rules: part of the fingerprint (``*`` at the end: all that begin alike), action, reason.

retune: tune again; drift: a short check whether the result still holds; nothing: the result stays valid.
"""
