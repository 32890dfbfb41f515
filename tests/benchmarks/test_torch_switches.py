"""The benchmark of torch's switches: is its model of the size that it claims, and does a run tell what it measured?"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")


def test_the_blocks_are_of_the_real_size() -> None:
    """Parameters of the real U-Net (v1-5-pruned: 859,520,964), motion module (v3: 417.1 million, its position tables
    being weights there) and decoder (49,490,179, with post_quant_conv 49,490,199)."""
    from benchmarks.sd15_blocks import CONTEXT, Decoder, Motion, UNet

    with torch.device("meta"):
        unet, decoder = UNet(), Decoder()
        frames = unet(torch.empty(32, 4, 64, 64), 0.5, torch.empty(32, 77, CONTEXT), 16)
        picture = decoder(torch.empty(1, 4, 64, 64))
    whole = sum(one.numel() for one in unet.parameters())
    motion = sum(one.numel() for block in unet.modules() if isinstance(block, Motion) for one in block.parameters())
    assert whole - motion == 859_520_964
    assert motion == pytest.approx(417.1e6, rel=1e-3)
    assert sum(one.numel() for one in decoder.parameters()) == pytest.approx(49_490_199, rel=1e-4)
    assert (tuple(frames.shape), tuple(picture.shape)) == ((32, 4, 64, 64), (1, 3, 512, 512))


def test_likeness_of_pictures() -> None:
    """A picture is like itself; noise makes it less so, more noise still less."""
    from benchmarks.torch_switches import ssim

    rng = np.random.default_rng(1)
    picture = np.add.outer(np.arange(40.0), np.arange(40.0)) * 3
    little, much = (ssim(picture, picture + rng.normal(0, sd, picture.shape)) for sd in (2, 30))
    assert ssim(picture, picture) == pytest.approx(1.0)
    assert 1.0 > little > 0.9 > much


def test_the_told_table_is_that_of_the_samples() -> None:
    """docs/benchmarks.md tells what follows from the samples of the H200, row by row."""
    from benchmarks.torch_switches import ratios

    root = Path(__file__).parents[2]
    document = json.loads((root / "benchmarks/data/torch-switches-h200.json").read_text(encoding="utf-8"))
    told = (root / "docs/benchmarks.md").read_text(encoding="utf-8")
    clip, step, frame = (ratios(document["samples"], part) for part in ("clip", "step", "frame"))
    for name, one in clip.items():
        last, image = document["samples"][name][-1], document["images"][name]
        row = (f"| {name} | {one['ratio']:.4f} ({one['low']:.4f} to {one['high']:.4f}) | {step[name]['ratio']:.4f} | "
               f"{frame[name]['ratio']:.4f} | {last['memory'] / 1024:.1f} | {last['choice']} | {image['ssim']:.5f} |")
        assert row in told
    assert f"{len(document['samples']['default'])} interleaved repeats" in told


@pytest.mark.slow
def test_a_tiny_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """On any machine: each set is measured as often as the default, and its ratio is that of its samples."""
    from benchmarks.torch_switches import SETS, main

    out = tmp_path / "samples.json"
    main([str(out), "--tiny", "--sample-steps", "1", "--sample-frames", "1"])
    document = json.loads(out.read_text(encoding="utf-8"))
    assert set(document["samples"]) == set(SETS)
    base = [one["step"] for one in document["samples"]["default"][2:]]
    done = [name for name, all_of in document["samples"].items() if "failed" not in all_of[-1]]
    assert {"default", "itself", "cudnn_benchmark"} <= set(done)
    for name in set(done) - {"default"}:
        logs = [np.log(was / one["step"]) for was, one in zip(base, document["samples"][name][2:], strict=True)]
        assert document["ratios"]["step"][name]["ratio"] == pytest.approx(float(np.exp(np.mean(logs))))
    assert document["images"]["itself"] == {"max": 0.0, "mean": 0.0, "ssim": pytest.approx(1.0)}
    assert [len(document["live"][name]) for name in ("before", "same_thread", "new_thread")] == [3, 4, 4]
    assert "sdpa math first" in capfd.readouterr().out
