"""Weight files: written by `create`, read when the server loads its model.

`tiny` keeps real weights in real safetensors files. `sd15` would take gigabytes: its files hold a seed, and the
weights are drawn from it on the device at load. Both follow `sizes.spread`.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from pathlib import Path

from autotune.engine.numbers import dtype
from autotune.engine.sizes import SEED_KEY, constant, is_motion, spread
from autotune.engine.values import Device, Module, Tensor

SHAPES = Path(__file__).parent / "tiny_shapes.json"


class BrokenWeights(RuntimeError):
    """A weight file that cannot be read or does not fit the model."""


def write(path: Path, size: str, part: str, seed: int) -> None:
    """Write the file of one ``part`` (checkpoint or motion). Needs numpy and safetensors, not torch."""
    import numpy as np
    from safetensors.numpy import save_file

    tensors: dict[str, np.ndarray] = {}
    if size == "tiny":
        for name, shape in json.loads(SHAPES.read_text(encoding="utf-8")).items():
            if is_motion(name) != (part == "motion") or name.endswith(".pe"):
                continue
            std = spread(name.split(".", 1)[1], tuple(shape))
            rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
            drawn = rng.standard_normal(shape, dtype=np.float32) * std if std is not None \
                else np.full(shape, constant(name), dtype=np.float32)
            tensors[name] = drawn.astype(np.float16)
    else:
        tensors[SEED_KEY] = np.array([seed], dtype=np.int64)
    path.parent.mkdir(parents=True, exist_ok=True)
    # One key: safetensors writes several in a random order, and equal seeds are to give equal files.
    save_file(tensors, path, metadata={"reference": json.dumps({"size": size, "part": part, "seed": seed})})
    path.chmod(0o644)


def sha256(path: Path) -> str:
    """Hash of a file, as hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def load(path: Path, models: dict[str, Module], device: Device, types: dict[str, str], motion: bool) -> bool:
    """Give the modules in ``models`` (by prefix: unet, vae) the weights of a file, in the types named.

    ``motion`` chooses the tensors of the motion module or the others. Returns whether the weights were drawn from
    a seed rather than read. Raises BrokenWeights when the file is unreadable or lacks tensors or shapes.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise BrokenWeights(f"cannot read {path.name}: {error}") from error
    drawn = SEED_KEY in tensors
    for prefix, module in models.items():
        wanted = {n: t for n, t in module.state_dict().items() if is_motion(n) == motion}
        if drawn:
            state = {n: _draw(n, t.shape, int(tensors[SEED_KEY][0]), device) for n, t in wanted.items()}
        else:
            state = {n: _pick(tensors, f"{prefix}.{n}", t.shape, path) for n, t in wanted.items()}
        kind = dtype(types[prefix])
        module.load_state_dict({n: t.to(device=device, dtype=kind) for n, t in state.items()},
                               strict=False, assign=True)
    return drawn


def _pick(tensors: dict[str, Tensor], name: str, shape: tuple[int, ...], path: Path) -> Tensor:
    if name.endswith(".pe"):
        return _positions(shape)
    if name not in tensors:
        raise BrokenWeights(f"{path.name} has no tensor {name}")
    if tuple(tensors[name].shape) != tuple(shape):
        raise BrokenWeights(f"size mismatch for {name} in {path.name}: {tuple(tensors[name].shape)} instead of "
                            f"{tuple(shape)}")
    return tensors[name]


def _draw(name: str, shape: tuple[int, ...], seed: int, device: Device) -> Tensor:
    """One tensor of size sd15, drawn on the device from the seed and its name."""
    import torch

    if name.endswith(".pe"):
        return _positions(shape)
    std = spread(name, tuple(shape))
    if std is None:
        return torch.full(tuple(shape), constant(name), device=device)
    generator = torch.Generator(device=device).manual_seed((seed << 32) ^ zlib.crc32(name.encode()))
    return torch.randn(tuple(shape), generator=generator, device=device) * std


def _positions(shape: tuple[int, ...]) -> Tensor:
    """Sinusoidal positions of frames, (1, frames, width), as the motion module adds them."""
    import torch

    _one, frames, width = shape
    rates = torch.exp(torch.arange(0, width, 2) * (-torch.log(torch.tensor(10000.0)) / width))
    angles = torch.arange(frames).unsqueeze(1) * rates
    table = torch.zeros(1, frames, width)
    table[0, :, 0::2], table[0, :, 1::2] = angles.sin(), angles.cos()
    return table


def tiny_shapes() -> dict[str, list[int]]:
    """Names and shapes of the tiny model as diffusers builds it: what `tiny_shapes.json` must hold."""
    import torch

    from autotune.engine import diffusers_import
    from autotune.engine.sizes import TINY

    classes = diffusers_import.models()
    with torch.device("meta"):
        unet, vae = classes.UNetMotionModel(**TINY.unet), classes.AutoencoderKL(**TINY.vae)
    found = {f"unet.{n}": list(t.shape) for n, t in unet.state_dict().items()}
    found.update({f"vae.{n}": list(t.shape) for n, t in vae.state_dict().items()})
    return found
