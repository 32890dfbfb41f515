"""What a change of each part of the fingerprint makes stale, where the configuration does not say otherwise."""

from __future__ import annotations

from typing import Literal

Action = Literal["retune", "drift", "nothing"]

RULES: tuple[tuple[str, Action, str], ...] = (
    ("gpu", "retune", "another GPU has other fast paths"),
    ("gpu_memory", "retune", "memory decides which sets fit"),
    ("driver", "retune", "drivers change kernels and memory handling"),
    ("cuda_driver", "retune", "drivers change kernels and memory handling"),
    ("os", "drift", "an OS update seldom changes which set wins"),
    ("webui_flavour", "retune", "another web UI reads other flags"),
    ("webui_version", "retune", "a new version may read flags differently"),
    ("webui_commit", "retune", "a new version may read flags differently"),
    ("animatediff", "retune", "AnimateDiff's attention has changed between versions"),
    ("extensions", "drift", "an extension may patch the sampling loop"),
    ("python", "drift", "the interpreter itself does little of the work"),
    ("torch", "retune", "torch holds the kernels that the flags choose from"),
    ("xformers", "retune", "xformers adds or takes away an attention"),
    ("checkpoint", "drift", "checkpoints of one family cost the same"),
    ("vae", "drift", "VAEs of one family cost the same"),
    ("motion_module", "retune", "motion modules differ in size and attention"),  # the one in use (added_models)
    ("settings", "drift", "a setting may override a flag"),
    ("kept_flags", "drift", "the owner's own flags may bear on speed"),
    ("profile", "retune", "another workload asks another question"),
)
"""Built-in rules: part of the fingerprint (``*`` at the end: all that begin alike), action, reason.

retune: tune again; drift: a short check whether the result still holds; nothing: the result stays valid.
"""
