"""`spill` on a CPU: torch tells of a GPU whose memory is nearly full. A fault on demand, for tests."""

from __future__ import annotations

from autotune.engine import memory

LEFT = 500
"""One part in so many is free."""


def pretend() -> None:
    """Makes torch tell so to whoever asks in this process, custom nodes too; what computes does not ask."""
    import torch

    total = memory.total()
    torch.cuda.is_available = torch.cuda.is_initialized = lambda: True
    torch.cuda.mem_get_info = lambda *_device: (total // LEFT, total)
    torch.cuda.ipc_collect = lambda: None
