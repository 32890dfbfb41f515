"""How much memory there is: of the process, of the machine, of the GPU. Bytes throughout."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from autotune.engine.values import Device


def resident() -> int:
    """Resident bytes of this process; 0 where nothing can tell."""
    try:
        import psutil
    except ImportError:
        with contextlib.suppress(OSError, ValueError, IndexError):
            return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return 0
    return int(psutil.Process().memory_info().rss)


def total() -> int:
    """Bytes of RAM of the machine; 0 where nothing can tell."""
    return _ram("total", "SC_PHYS_PAGES", 0)


def _ram(figure: str, pages: str, unknown: int) -> int:
    """One of psutil's figures of the machine; without psutil from the system's count of pages."""
    try:
        import psutil
    except ImportError:
        return unknown if sys.platform == "win32" else os.sysconf("SC_PAGE_SIZE") * os.sysconf(pages)
    return int(getattr(psutil.virtual_memory(), figure))


def give_back() -> None:
    """Hands the blocks that torch keeps for later back to the driver, as A1111's torch_gc does after each job.

    Without this the memory of a set would be that of the largest set that the process served before.
    """
    import torch

    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
        torch.cuda.ipc_collect()


def free_bytes(device: Device) -> int:
    """Bytes that a kernel may still take on this device: on CUDA the driver's free bytes and torch's own cache."""
    if getattr(device, "type", str(device)) != "cuda":
        return max(_ram("available", "SC_AVPHYS_PAGES", 1 << 32), 1 << 20)
    import torch

    stats = torch.cuda.memory_stats(device)
    free, _total = torch.cuda.mem_get_info(device)
    return int(free) + int(stats["reserved_bytes.all.current"]) - int(stats["active_bytes.all.current"])


def cuda(device: Device) -> dict[str, dict[str, int]]:
    """A1111's figures of a GPU; peaks are never reset."""
    import torch

    stats = torch.cuda.memory_stats(device)
    free, whole = torch.cuda.mem_get_info(device)
    kinds = {"active": "active_bytes", "allocated": "allocated_bytes", "reserved": "reserved_bytes",
             "inactive": "inactive_split_bytes"}
    answer = {"system": {"free": free, "used": whole - free, "total": whole}}
    for name, key in kinds.items():
        answer[name] = {"current": stats.get(f"{key}.all.current", 0), "peak": stats.get(f"{key}.all.peak", 0)}
    answer["events"] = {"retries": stats.get("num_alloc_retries", 0), "oom": stats.get("num_ooms", 0)}
    return answer
