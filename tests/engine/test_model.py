"""The model in this process: weights, motion module, attention, guidance, windows, offloading."""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from autotune.engine import cmd_args, sampling, sizes, text, weights  # noqa: E402
from autotune.engine.attention import CLASSES  # noqa: E402
from autotune.engine.model import Model, NansException  # noqa: E402

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.slow]  # diffusers' own, about numpy
torch.set_num_threads(1)  # small pictures: on a busy machine a second thread is waited for more than it helps
CHECKPOINT = Path("models", "Stable-diffusion", "reference-tiny.safetensors")
MOTION = Path("extensions", "sd-webui-animatediff", "model", "mm_sd15_v2.safetensors")


def flags(*words: str) -> argparse.Namespace:
    return cmd_args.parser.parse_args(list(words))


def loaded(install: Path, *words: str) -> Model:
    model = Model(sizes.TINY, flags(*words), torch.device("cpu"))
    model.load(install / CHECKPOINT)
    model.set_attention("Automatic")
    return model


@pytest.fixture(scope="module")
def model(install: Path) -> Model:
    found = loaded(install)
    found.inject(install / MOTION)
    return found


def request(**changes: Any) -> sampling.Request:
    device = torch.device("cpu")
    values: dict[str, Any] = {
        "prompt": text.condition("a cat", 32, device), "negative": text.condition("bad", 32, device), "width": 64,
        "height": 64, "steps": 2, "cfg_scale": 7.0, "sampler": "Euler a", "scheduler": "Automatic",
        "seeds": (1, 2, 3, 4), "animated": True, "context": 16, "stride": 1, "overlap": 4, "batched": True}
    return sampling.Request(**{**values, **changes})


def render(model: Model, wanted: sampling.Request) -> Any:
    with torch.inference_mode():
        return model.decode(sampling.sample(model, wanted, lambda _step, _latents: None))


def test_the_shapes_shipped_are_diffusers_own() -> None:
    assert json.loads(weights.SHAPES.read_text(encoding="utf-8")) == weights.tiny_shapes()


def test_sd15_has_the_true_shapes() -> None:
    """Parameter counts of Stable Diffusion 1.5's UNet and VAE (860 and 84 million)."""
    from autotune.engine import diffusers_import

    classes = diffusers_import.models()
    with torch.device("meta"):
        unet = classes.UNetMotionModel(**sizes.SD15.unet)
        vae = classes.AutoencoderKL(**sizes.SD15.vae)
    spatial = sum(p.numel() for n, p in unet.named_parameters() if not sizes.is_motion(n))
    assert spatial == 859_520_964
    assert sum(p.numel() for p in vae.parameters()) == 83_653_863
    assert any("mid_block.motion_modules" in n for n, _p in unet.named_parameters())  # a version 2 motion module


def test_frames_are_a_clip_and_repeat_exactly(model: Model) -> None:
    frames = render(model, request())
    assert frames.shape == (4, 3, 64, 64)
    assert 0.2 < float(frames.mean()) < 0.8
    assert float(frames.std()) > 0.1
    for first, second in itertools.pairwise(frames):
        assert float((first - second).abs().mean()) > 0.01
    assert torch.equal(frames, render(model, request()))
    assert not torch.equal(frames, render(model, request(seeds=(5, 6, 7, 8))))


def test_attention_classes_agree(model: Model) -> None:
    wanted = render(model, request())
    for option in [*(k.title for k in CLASSES if k.key != "xformers"), "None"]:
        model.set_attention(option)
        assert float((render(model, request()) - wanted).abs().max()) < 1e-3, option
    model.set_attention("Automatic")


def test_guidance_in_one_batch_or_two(model: Model) -> None:
    one, two = render(model, request()), render(model, request(batched=False))
    assert float((one - two).abs().max()) < 1e-3


def test_prompts_matter(model: Model) -> None:
    other = text.condition("a dog on a hill", 32, torch.device("cpu"))
    assert float((render(model, request()) - render(model, request(prompt=other))).abs().max()) > 0.01


def test_unequal_chunks_go_out_of_range(model: Model) -> None:
    long = text.condition("word " * 100, 32, torch.device("cpu"))
    with pytest.raises(IndexError, match="index 4 is out of bounds for dimension 0 with size 4"):
        render(model, request(prompt=long))
    padded = text.condition("bad", 32, torch.device("cpu"), at_least=2)
    assert render(model, request(prompt=long, negative=padded)).shape[0] == 4


def test_the_motion_module_matters(install: Path, tmp_path: Path, model: Model) -> None:
    wanted = render(model, request())
    other = tmp_path / "other.safetensors"
    weights.write(other, "tiny", "motion", 99)
    model.inject(other)
    assert float((render(model, request()) - wanted).abs().max()) > 0.01
    model.inject(install / MOTION)
    assert torch.equal(render(model, request()), wanted)
    model.eject()
    assert float((render(model, request()) - wanted).abs().max()) > 0.01
    model.inject(install / MOTION)
    assert torch.equal(render(model, request()), wanted)


def test_broken_files_are_named(install: Path, tmp_path: Path, model: Model) -> None:
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"not safetensors")
    with pytest.raises(weights.BrokenWeights, match="cannot read broken"):
        model.inject(broken)
    shutil.copy(install / CHECKPOINT, tmp_path / "wrong.safetensors")
    with pytest.raises(weights.BrokenWeights, match="has no tensor"):
        model.inject(tmp_path / "wrong.safetensors")
    model.inject(install / MOTION)


@pytest.mark.parametrize("words", [["--medvram"], ["--lowvram"], ["--opt-channelslast"], ["--no-half-vae"]])
def test_memory_and_layout_change_no_pixels(install: Path, model: Model, words: list[str]) -> None:
    other = loaded(install, *words)
    other.inject(install / MOTION)
    assert float((render(other, request()) - render(model, request())).abs().max()) < 1e-3
    if words == ["--opt-channelslast"]:
        assert other.unet.conv_in.weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("words", [["--precision", "half"], ["--upcast-sampling"]])
def test_rounding_changes_little_but_something(install: Path, model: Model, words: list[str]) -> None:
    other = loaded(install, *words)
    other.inject(install / MOTION)
    difference = (render(other, request()) - render(model, request())).abs()
    assert 0 < float(difference.mean()) < 0.02


def test_nan_is_named_and_the_check_can_be_off(install: Path, model: Model) -> None:
    with pytest.raises(NansException, match="produced in Unet"):
        render(model, request(cfg_scale=1e38))
    off = loaded(install, "--disable-nan-check")
    off.inject(install / MOTION)
    assert bool(torch.isnan(render(off, request(cfg_scale=1e38))).any())


@pytest.mark.parametrize("name", sampling.SAMPLER_NAMES)
def test_every_sampler_gives_a_clip(model: Model, name: str) -> None:
    frames = render(model, request(sampler=name, width=32, height=32, seeds=(1, 2), steps=3))
    assert bool(torch.isfinite(frames).all())
    assert float(frames.std()) > 0.05


def test_nought_steps_and_too_long_contexts(model: Model) -> None:
    with pytest.raises(ZeroDivisionError):
        render(model, request(steps=0))
    with pytest.raises(RuntimeError, match="size of tensor"):
        render(model, request(seeds=tuple(range(40)), context=40, width=16, height=16, steps=1))


def test_longer_than_the_context(model: Model) -> None:
    frames = render(model, request(seeds=tuple(range(9)), context=4, overlap=1, width=32, height=32, steps=1))
    assert frames.shape[0] == 9


@pytest.mark.parametrize(("context", "through"), [(16, 32), (24, 24), (8, 32)])
def test_windows_are_work_that_is_done(model: Model, monkeypatch: pytest.MonkeyPatch, context: int,
                                       through: int) -> None:
    seen: list[int] = []
    predict = model.predict

    def counted(clip: Any, step: Any, prompt: Any) -> Any:
        seen.append(int(clip.shape[0] * clip.shape[2]) // 2)  # each frame with and without guidance
        return predict(clip, step, prompt)

    monkeypatch.setattr(model, "predict", counted)
    render(model, request(seeds=tuple(range(24)), context=context, overlap=context // 4, width=16, height=16, steps=2))
    assert sum(seen) == 2 * through


def test_interrupting_keeps_what_there_is(model: Model) -> None:
    seen: list[int] = []

    def stop(step: int, _latents: object) -> None:
        seen.append(step)
        raise sampling.SamplingInterrupted

    with torch.inference_mode():
        latents = sampling.sample(model, request(steps=20), stop)
    assert seen == [1]
    assert latents.shape == (4, 4, 16, 16)
