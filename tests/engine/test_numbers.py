"""Types of numbers: what the flags come to, and that layers really compute so."""

from __future__ import annotations

import argparse

import pytest

from autotune.engine import cmd_args, numbers

torch = pytest.importorskip("torch")


def flags(*words: str) -> argparse.Namespace:
    return cmd_args.parser.parse_args(list(words))


@pytest.mark.parametrize(("words", "unet", "vae"), [
    ([], "fp16", "fp16"), (["--no-half-vae"], "fp16", "fp32"), (["--no-half"], "fp32", "fp32"),
    (["--no-half", "--no-half-vae"], "fp32", "fp32"), (["--upcast-sampling"], "fp16", "fp16"),
])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_storage(words: list[str], unet: str, vae: str, device: str) -> None:
    found = numbers.choose(flags(*words), device)
    assert (found.unet, found.vae) == (unet, vae)


@pytest.mark.parametrize("words", [["--no-half"], ["--no-half-vae"]])
def test_precision_half_refuses_no_half(words: list[str]) -> None:
    with pytest.raises(AssertionError, match="conflict with --precision half"):
        numbers.choose(flags("--precision", "half", *words), "cuda")


def test_on_cuda_the_flags_act_as_in_a1111() -> None:
    assert numbers.choose(flags(), "cuda").autocast
    half = numbers.choose(flags("--precision", "half"), "cuda")
    assert not half.autocast and half.compute is None
    full = numbers.choose(flags("--precision", "full"), "cuda")
    assert not full.autocast and full.compute == "fp32"
    upcast = numbers.choose(flags("--upcast-sampling"), "cuda")
    assert upcast.norms32 and not upcast.autocast
    assert not numbers.choose(flags("--no-half"), "cuda").autocast


def test_a_cpu_computes_in_fp32_and_says_so() -> None:
    found = numbers.choose(flags(), "cpu")
    assert found.compute == found.vae_compute == "fp32" and not found.rounded
    assert any("fp16" in remark for remark in found.remarks)
    assert numbers.choose(flags("--precision", "half"), "cpu").rounded
    assert numbers.choose(flags("--no-half"), "cpu").compute is None
    assert numbers.choose(flags("--no-half-vae"), "cpu").vae_compute is None
    assert any("does nothing" in r for r in numbers.choose(flags("--no-half", "--upcast-sampling"), "cpu").remarks)


@pytest.mark.parametrize("rounded", [False, True])
def test_layers_cast_and_round(rounded: bool) -> None:
    from torch import nn

    torch.manual_seed(0)
    layers = nn.ModuleList([nn.Linear(6, 5), nn.Conv2d(4, 3, 3, padding=1), nn.GroupNorm(2, 4), nn.LayerNorm(6)])
    inputs = [torch.randn(2, 6), torch.randn(1, 4, 5, 5), torch.randn(1, 4, 5, 5), torch.randn(2, 6)]
    layers = layers.half()
    exact = [layer.float()(x).detach() for layer, x in zip(layers, inputs, strict=True)]
    layers = layers.half()
    numbers.cast_layers(layers, "fp32", rounded)
    for layer, x, wanted in zip(layers, inputs, exact, strict=True):
        for given in (x, x.half().float()):
            found = layer(given).detach()
            assert found.dtype == (torch.float16 if rounded else torch.float32)
        assert torch.allclose(layer(x).float(), wanted, atol=2e-3 if rounded else 0)
        assert layer.weight.dtype == torch.float16


def test_device_by_flag_and_wish(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert numbers.device_of(flags(), "auto").type == "cuda"
    assert numbers.device_of(flags("--device-id", "1"), "auto").index == 1
    assert numbers.device_of(flags("--use-cpu", "all"), "auto").type == "cpu"
    assert numbers.device_of(flags(), "cpu").type == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert numbers.device_of(flags(), "auto").type == "cpu"
    with pytest.raises(RuntimeError, match="not able to use GPU"):
        numbers.device_of(flags(), "cuda")
