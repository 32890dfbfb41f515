"""What the lines of A1111's output mean (docs/webuis.md, "What the log tells")."""

from __future__ import annotations

import re

from autotune.language.translate import N_
from autotune.webui.face import LogLines

LINES = LogLines(
    ready=re.compile(r"^Model loaded in \d"),
    failed=re.compile(r"^(?:Stable diffusion model failed to load|Failed to load checkpoint|No checkpoints found)"),
    installs=re.compile(
        r"^\s*(?:Installing |Collecting |Downloading\b|Cloning |Fetching updates for |Looking in indexes|"
        r"Building wheel|Preparing metadata|Successfully installed|Create and activate python venv)"),
    installed=re.compile(r"^(?:Launching |Loading weights |Model loaded in |Running on |Startup time)"),
    attention=re.compile(r"Applying attention optimization: (?P<name>.+?)\.\.\. ?done"),
    spoiled=re.compile(r"^Web UI will now convert VAE into "),  # after a NaN, and for good
    why_spoiled=N_("the VAE made NaNs and the web UI changed it to fp32: no clip of this set any more"),
)
