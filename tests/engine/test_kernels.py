"""Each attention kernel against softmax(q k' * scale) v in float64, on every way it can slice."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from autotune.engine import kernels, memory  # noqa: E402

KERNELS = {
    "plain": kernels.plain, "doggettx": kernels.doggettx, "v1": kernels.v1, "invokeai": kernels.invokeai,
    "sdp": kernels.sdp(), "sdp-no-mem": kernels.sdp(efficient=False),
    "sub-quad": kernels.sub_quadratic(kernels.SubQuad()),
    "sub-quad, chunks of 7 and 5": kernels.sub_quadratic(kernels.SubQuad(7, 5, 0)),
    "sub-quad, root of the keys": kernels.sub_quadratic(kernels.SubQuad(64, None, 0)),
}


def inputs(heads: int, queries: int, keys: int, dim: int, seed: int = 0) -> list[Any]:
    generator = torch.Generator().manual_seed(seed)
    shapes = [(heads, queries, dim), (heads, keys, dim), (heads, keys, dim)]
    return [torch.randn(shape, generator=generator) for shape in shapes]


def reference(q: Any, k: Any, v: Any, scale: float) -> Any:
    q, k, v = q.double(), k.double(), v.double()
    return torch.softmax(q @ k.transpose(1, 2) * scale, dim=-1) @ v


@pytest.mark.parametrize("name", KERNELS)
@settings(max_examples=25, deadline=None)
@given(heads=st.integers(1, 9), queries=st.integers(1, 40), keys=st.integers(1, 40), dim=st.integers(1, 16),
       scale=st.floats(0.01, 3.0))
def test_equals_the_definition(name: str, heads: int, queries: int, keys: int, dim: int, scale: float) -> None:
    q, k, v = inputs(heads, queries, keys, dim)
    found = KERNELS[name](q, k, v, scale)
    assert found.shape == (heads, queries, dim)
    assert torch.allclose(found.double(), reference(q, k, v, scale), atol=2e-5)


@pytest.mark.parametrize("free", [1 << 12, 1 << 16, 1 << 40])
@pytest.mark.parametrize("name", ["doggettx", "sub-quad"])
def test_little_memory_means_slices_not_other_results(name: str, free: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda _device: free)
    q, k, v = inputs(4, 100, 90, 8)
    assert torch.allclose(KERNELS[name](q, k, v, 0.3).double(), reference(q, k, v, 0.3), atol=2e-5)


@pytest.mark.parametrize(("heads", "queries", "keys"), [(40, 512, 512), (2, 4096, 2100), (3, 2000, 2000)])
def test_invokeai_slices_above_32_mib(heads: int, queries: int, keys: int) -> None:
    q, k, v = inputs(heads, queries, keys, 4)
    assert heads * queries * keys * 4 > 32 << 20
    assert torch.allclose(kernels.invokeai(q, k, v, 0.5).double(), reference(q, k, v, 0.5), atol=2e-5)


def test_sub_quad_threshold_decides_on_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda _device: 1_000_000)
    q, k, _v = inputs(2, 100, 400, 8)  # scores: 320 000 bytes
    assert kernels._kv_chunk(q, k, kernels.SubQuad()) == 400
    assert kernels._kv_chunk(q, k, kernels.SubQuad(threshold=1)) == 78  # 10 000 bytes of keys and values
    assert kernels._kv_chunk(q, k, kernels.SubQuad(threshold=0)) == 20
    assert kernels._kv_chunk(q, k, kernels.SubQuad(kv_chunk=33, threshold=0)) == 33
