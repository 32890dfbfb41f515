"""Attention kernels, one for each class of A1111: all compute softmax(q k' * scale) v, each in its own way.

Shapes: q is (batch * heads, queries, dim), k and v are (batch * heads, keys, dim). What differs is how much
of the score matrix exists at a time, and so time and memory. Each kernel works in the type it is given.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from autotune.engine import memory
from autotune.engine.values import Tensor

Kernel = Callable[[Tensor, Tensor, Tensor, float], Tensor]

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class SubQuad:
    """The values of --sub-quad-q-chunk-size, --sub-quad-kv-chunk-size, --sub-quad-chunk-threshold (percent)."""

    q_chunk: int = 1024
    kv_chunk: int | None = None
    threshold: int | None = None


def plain(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    """The whole score matrix at once, as einsum (class None)."""
    import torch

    scores = torch.einsum("bid,bjd->bij", q, k) * scale
    return torch.einsum("bij,bjd->bid", scores.softmax(dim=-1), v)


def doggettx(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    """baddbmm, softmax, bmm over slices of the queries; as few slices as free memory allows (class Doggettx)."""
    import torch

    needed = q.shape[0] * q.shape[1] * k.shape[1] * q.element_size() * (3 if q.element_size() == 2 else 2.5)
    free = memory.free_bytes(q.device)
    steps = 2 ** math.ceil(math.log2(needed / free)) if needed > free else 1
    size = max(1, q.shape[1] // steps)
    out = torch.empty((q.shape[0], q.shape[1], v.shape[2]), dtype=q.dtype, device=q.device)
    keys = k.transpose(1, 2)
    for start in range(0, q.shape[1], size):
        part = q[:, start : start + size]
        empty = torch.empty((q.shape[0], part.shape[1], k.shape[1]), dtype=q.dtype, device=q.device)
        scores = torch.baddbmm(empty, part, keys, beta=0, alpha=scale)
        out[:, start : start + size] = torch.bmm(scores.softmax(dim=-1, dtype=q.dtype), v)
    return out


def v1(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    """Two heads at a time in a loop (class V1)."""
    import torch

    out = torch.empty((q.shape[0], q.shape[1], v.shape[2]), dtype=q.dtype, device=q.device)
    for start in range(0, q.shape[0], 2):
        end = start + 2
        scores = torch.einsum("bid,bjd->bij", q[start:end], k[start:end]) * scale
        out[start:end] = torch.einsum("bij,bjd->bid", scores.softmax(dim=-1), v[start:end])
    return out


def invokeai(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    """einsum over slices of at most 32 MiB of scores on a CPU, of a third of free memory on a GPU (class InvokeAI)."""
    import torch

    limit = 32.0 if q.device.type == "cpu" else memory.free_bytes(q.device) / 3.3 / MIB
    size = q.shape[0] * q.shape[1] * k.shape[1] * q.element_size() / MIB
    q = q * scale
    if size <= limit:
        return _einsum_slice(q, k, v)
    parts = 1 << math.ceil(math.log2(size / limit))
    out = torch.empty((q.shape[0], q.shape[1], v.shape[2]), dtype=q.dtype, device=q.device)
    if parts <= q.shape[0]:
        step = max(1, q.shape[0] // parts)
        for start in range(0, q.shape[0], step):
            end = start + step
            out[start:end] = _einsum_slice(q[start:end], k[start:end], v[start:end])
        return out
    step = max(1, q.shape[1] // parts)
    for start in range(0, q.shape[1], step):
        out[:, start : start + step] = _einsum_slice(q[:, start : start + step], k, v)
    return out


def _einsum_slice(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    import torch

    scores = torch.einsum("bid,bjd->bij", q, k).softmax(dim=-1, dtype=q.dtype)
    return torch.einsum("bij,bjd->bid", scores, v)


def sub_quadratic(settings: SubQuad) -> Kernel:
    """Chunks of queries and, when the scores exceed the memory threshold, of keys, joined by running maxima.

    The threshold is a share of free memory (default 70 %, 0 = always chunk), as --sub-quad-chunk-threshold says.
    """

    def kernel(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
        import torch

        kv_chunk = _kv_chunk(q, k, settings)
        out = torch.empty((q.shape[0], q.shape[1], v.shape[2]), dtype=q.dtype, device=q.device)
        for start in range(0, q.shape[1], settings.q_chunk):
            part = q[:, start : start + settings.q_chunk]
            out[:, start : start + settings.q_chunk] = _chunked(part, k, v, scale, kv_chunk)
        return out

    return kernel


def _kv_chunk(q: Tensor, k: Tensor, settings: SubQuad) -> int:
    """How many keys a chunk holds: all of them when the score matrix fits the threshold."""
    keys = int(k.shape[1])
    chunk = settings.kv_chunk or max(1, math.isqrt(keys))
    share = 70 if settings.threshold is None else settings.threshold
    if share == 0:
        return chunk
    budget = int(memory.free_bytes(q.device) * share / 100)
    if q.shape[0] * q.shape[1] * keys * q.element_size() <= budget:
        return keys
    fits = int(budget // (q.shape[0] * q.element_size() * 2 * k.shape[2]))
    return max(1, min(keys, max(chunk, fits)))


def _chunked(q: Tensor, k: Tensor, v: Tensor, scale: float, kv_chunk: int) -> Tensor:
    """One chunk of queries against all keys, kv_chunk at a time: sums kept relative to the highest score so far."""
    import torch

    if kv_chunk >= k.shape[1]:
        empty = torch.empty((q.shape[0], q.shape[1], k.shape[1]), dtype=q.dtype, device=q.device)
        scores = torch.baddbmm(empty, q, k.transpose(1, 2), beta=0, alpha=scale)
        return torch.bmm(scores.softmax(dim=-1).to(v.dtype), v)
    top: Tensor = None
    total: Tensor = None
    acc: Tensor = None
    for start in range(0, k.shape[1], kv_chunk):
        end = start + kv_chunk
        scores = torch.bmm(q, k[:, start:end].transpose(1, 2)).float() * scale
        high = scores.max(dim=-1, keepdim=True).values
        if top is not None:
            high = torch.maximum(high, top)
        weights = torch.exp(scores - high)
        part_acc = torch.bmm(weights.to(v.dtype), v[:, start:end]).float()
        part_total = weights.sum(dim=-1, keepdim=True)
        if top is None:
            acc, total = part_acc, part_total
        else:
            keep = torch.exp(top - high)
            acc, total = acc * keep + part_acc, total * keep + part_total
        top = high
    return (acc / total).to(q.dtype)


def sdp(efficient: bool = True) -> Kernel:
    """torch's scaled_dot_product_attention; ``efficient`` False leaves the memory-efficient kernel out.

    The fused kernels want four dimensions: batch * heads counts as heads of a batch of one.
    """

    def kernel(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
        from torch.nn.functional import scaled_dot_product_attention as attend

        q, k, v = q.unsqueeze(0), k.unsqueeze(0), v.unsqueeze(0)
        if efficient:
            return attend(q, k, v, scale=scale).squeeze(0)
        with _without_efficient():
            return attend(q, k, v, scale=scale).squeeze(0)

    return kernel


def _without_efficient() -> AbstractContextManager[object]:
    """All kernels of torch but the memory-efficient one."""
    try:
        from torch.nn.attention import SDPBackend, sdpa_kernel
    except ImportError:  # torch before 2.3
        from torch.backends.cuda import sdp_kernel

        both = {"enable_flash": True, "enable_math": True}
        old: AbstractContextManager[object] = sdp_kernel(enable_mem_efficient=False, **both)
        return old
    names = ("FLASH_ATTENTION", "MATH", "CUDNN_ATTENTION")
    kernels: AbstractContextManager[object] = sdpa_kernel(
        [getattr(SDPBackend, name) for name in names if hasattr(SDPBackend, name)])
    return kernels


def xformers(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    """xformers.ops.memory_efficient_attention; only chosen where xformers can be imported."""
    import importlib

    ops = importlib.import_module("xformers.ops")
    return ops.memory_efficient_attention(q.contiguous(), k.contiguous(), v.contiguous(), scale=scale)
