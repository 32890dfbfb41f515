"""How much memory there is: of the process, of the machine, of the GPU. Bytes throughout."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from autotune.engine.values import Device


def resident() -> int:
    """Resident bytes of this process; 0 where nothing can tell."""
    try:
        import psutil
    except ImportError:
        return _proc_resident()
    return int(psutil.Process().memory_info().rss)


def _proc_resident() -> int:
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def total() -> int:
    """Bytes of RAM of the machine; 0 where nothing can tell."""
    try:
        import psutil
    except ImportError:
        if sys.platform == "win32":
            return 0
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return int(psutil.virtual_memory().total)


def _ram_available() -> int:
    try:
        import psutil
    except ImportError:
        if sys.platform == "win32":
            return 1 << 32
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    return int(psutil.virtual_memory().available)


def give_back() -> None:
    """Hands the blocks that torch keeps for later back to the driver, as A1111's torch_gc does after each job.

    Without this a set's memory would be the largest of all sets that the process served before.
    """
    import torch

    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
        torch.cuda.ipc_collect()


def free_bytes(device: Device) -> int:
    """Bytes that a kernel may still take on this device: on CUDA the driver's free bytes and torch's own cache."""
    if getattr(device, "type", str(device)) != "cuda":
        return max(_ram_available(), 1 << 20)
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
