"""A U-Net with AnimateDiff's temporal attention and a VAE decoder, in the shapes of Stable Diffusion 1.5.

Plain torch blocks with random weights: they cost what the real ones cost, and what they paint means nothing. Widths,
heads and block counts are those of the v1 inference configuration of Stable Diffusion and of AnimateDiff's motion
module (two temporal self-attentions of eight heads in each block, none in the middle). ``size`` divides all widths,
for a test on a CPU.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

Tensor = Any
"""A torch tensor."""

HEADS = 8
CONTEXT = 768
"""Width of the text encoder's output; it is 77 tokens long."""


def _norm(width: int) -> nn.GroupNorm:
    return nn.GroupNorm(32 if width % 32 == 0 else 4, width)


class Attention(nn.Module):  # type: ignore[misc, unused-ignore]
    """Attention through ``scaled_dot_product_attention``, of ``x`` on itself or on ``context``."""

    def __init__(self, width: int, context: int | None = None, heads: int = HEADS) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(width, width, bias=False)
        self.k = nn.Linear(context or width, width, bias=False)
        self.v = nn.Linear(context or width, width, bias=False)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        source = x if context is None else context
        q, k, v = (self._split(layer(at)) for layer, at in ((self.q, x), (self.k, source), (self.v, source)))
        found = F.scaled_dot_product_attention(q, k, v)
        return self.out(found.transpose(1, 2).reshape(x.shape))

    def _split(self, x: Tensor) -> Tensor:
        return x.view(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)


class FeedForward(nn.Module):  # type: ignore[misc, unused-ignore]
    """The gated feed-forward layer (GEGLU), four times as wide inside."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate, self.out = nn.Linear(width, width * 8), nn.Linear(width * 4, width)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.gate(x).chunk(2, dim=-1)
        return self.out(value * F.gelu(gate))


class Spatial(nn.Module):  # type: ignore[misc, unused-ignore]
    """The transformer of one U-Net level: pixels of a frame look at each other, then at the text."""

    def __init__(self, width: int, context: int) -> None:
        super().__init__()
        self.norm = _norm(width)
        self.enter, self.leave = nn.Conv2d(width, width, 1), nn.Conv2d(width, width, 1)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.own, self.text = Attention(width), Attention(width, context)
        self.feed = FeedForward(width)

    def forward(self, x: Tensor, context: Tensor, frames: int) -> Tensor:
        del frames
        n, c, h, w = x.shape
        inner = self.enter(self.norm(x)).permute(0, 2, 3, 1).reshape(n, h * w, c)
        inner = inner + self.own(self.norms[0](inner))
        inner = inner + self.text(self.norms[1](inner), context)
        inner = inner + self.feed(self.norms[2](inner))
        return x + self.leave(inner.reshape(n, h, w, c).permute(0, 3, 1, 2))


class Motion(nn.Module):  # type: ignore[misc, unused-ignore]
    """A motion module: each pixel looks at itself in the other frames, twice."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = _norm(width)
        self.enter, self.leave = nn.Linear(width, width), nn.Linear(width, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.first, self.second, self.feed = Attention(width), Attention(width), FeedForward(width)
        self.register_buffer("where", _positions(32, width), persistent=False)

    def forward(self, x: Tensor, context: Tensor, frames: int) -> Tensor:
        del context
        n, c, h, w = x.shape
        inner = self.norm(x).view(n // frames, frames, c, h * w).permute(0, 3, 1, 2).reshape(-1, frames, c)
        inner = self.enter(inner)
        for layer, norm in ((self.first, self.norms[0]), (self.second, self.norms[1])):
            inner = inner + layer(norm(inner) + self.where[:frames])
        inner = self.leave(inner + self.feed(self.norms[2](inner)))
        return x + inner.view(n // frames, h * w, frames, c).permute(0, 2, 3, 1).reshape(n, c, h, w)


def _positions(length: int, width: int) -> Tensor:
    at = torch.arange(length).unsqueeze(1) * torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
    return torch.stack((at.sin(), at.cos()), dim=-1).reshape(length, width)


class Residual(nn.Module):  # type: ignore[misc, unused-ignore]
    """Two 3x3 convolutions beside a shortcut; ``steps`` is the width of the time embedding, 0 for none."""

    def __init__(self, before: int, after: int, steps: int = 0) -> None:
        super().__init__()
        self.norms = nn.ModuleList((_norm(before), _norm(after)))
        self.first, self.second = nn.Conv2d(before, after, 3, padding=1), nn.Conv2d(after, after, 3, padding=1)
        self.step = nn.Linear(steps, after) if steps else None
        self.short = nn.Conv2d(before, after, 1) if before != after else nn.Identity()

    def forward(self, x: Tensor, step: Tensor | None = None) -> Tensor:
        inner = self.first(F.silu(self.norms[0](x)))
        if self.step is not None:
            inner = inner + self.step(F.silu(step))[:, :, None, None]
        return self.short(x) + self.second(F.silu(self.norms[1](inner)))


class Level(nn.Module):  # type: ignore[misc, unused-ignore]
    """One residual block of a level with its transformer (not on the smallest level) and its motion module."""

    def __init__(self, before: int, after: int, steps: int, context: int, attends: bool, moves: bool = True) -> None:
        super().__init__()
        self.residual = Residual(before, after, steps)
        rest = ([Spatial(after, context)] if attends else []) + ([Motion(after)] if moves else [])
        self.rest = nn.ModuleList(rest)

    def forward(self, x: Tensor, step: Tensor, context: Tensor, frames: int) -> Tensor:
        x = self.residual(x, step)
        for layer in self.rest:
            x = layer(x, context, frames)
        return x


class UNet(nn.Module):  # type: ignore[misc, unused-ignore]
    """The U-Net: latents (frames x 4 x height/8 x width/8), a step and a text in, noise of the same shape out."""

    def __init__(self, size: int = 1) -> None:
        super().__init__()
        widths = [width // size for width in (320, 640, 1280, 1280)]
        context, steps = CONTEXT // size, widths[0] * 4
        self.width = widths[0]
        self.embed = nn.Sequential(nn.Linear(widths[0], steps), nn.SiLU(), nn.Linear(steps, steps))
        self.enter = nn.Conv2d(4, widths[0], 3, padding=1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        self.smaller, self.larger = nn.ModuleList(), nn.ModuleList()
        skips, now = [widths[0]], widths[0]
        for at, width in enumerate(widths):
            for _ in range(2):
                self.down.append(Level(now, width, steps, context, at < 3))
                now = width
                skips.append(now)
            if at < 3:
                self.smaller.append(nn.Conv2d(now, now, 3, stride=2, padding=1))
                skips.append(now)
        last = Level(now, now, steps, context, attends=False, moves=False)
        self.middle = nn.ModuleList((Level(now, now, steps, context, attends=True, moves=False), last))
        for at, width in reversed(list(enumerate(widths))):
            for _ in range(3):
                self.up.append(Level(now + skips.pop(), width, steps, context, at < 3))
                now = width
            if at > 0:
                self.larger.append(nn.Conv2d(now, now, 3, padding=1))
        self.leave = nn.Sequential(_norm(now), nn.SiLU(), nn.Conv2d(now, 4, 3, padding=1))

    def forward(self, x: Tensor, sigma: float, context: Tensor, frames: int) -> Tensor:
        at = torch.exp(torch.arange(self.width // 2, device=x.device) * (-math.log(10000.0) * 2 / self.width)) * sigma
        step = self.embed(torch.cat((at.cos(), at.sin())).to(x.dtype).expand(x.shape[0], -1))
        x = self.enter(x)
        skips = [x]
        for at_block, block in enumerate(self.down):
            x = block(x, step, context, frames)
            skips.append(x)
            if at_block % 2 and at_block < 6:
                x = self.smaller[at_block // 2](x)
                skips.append(x)
        for block in self.middle:
            x = block(x, step, context, frames)
        for at_block, block in enumerate(self.up):
            x = block(torch.cat((x, skips.pop()), dim=1), step, context, frames)
            if at_block % 3 == 2 and at_block < 11:
                x = self.larger[at_block // 3](F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return self.leave(x)


class Decoder(nn.Module):  # type: ignore[misc, unused-ignore]
    """The VAE's decoder: one latent frame (1 x 4 x height/8 x width/8) in, one frame (1 x 3 x height x width) out."""

    def __init__(self, size: int = 1) -> None:
        super().__init__()
        widths = [width // size for width in (512, 512, 256, 128)]
        now = widths[0]
        self.enter = nn.Sequential(nn.Conv2d(4, 4, 1), nn.Conv2d(4, now, 3, padding=1))
        self.before, self.after = Residual(now, now), Residual(now, now)
        self.norm, self.attention = _norm(now), Attention(now, heads=1)
        self.blocks, self.larger = nn.ModuleList(), nn.ModuleList()
        for at, width in enumerate(widths):
            for _ in range(3):
                self.blocks.append(Residual(now, width))
                now = width
            if at < 3:
                self.larger.append(nn.Conv2d(now, now, 3, padding=1))
        self.leave = nn.Sequential(_norm(now), nn.SiLU(), nn.Conv2d(now, 3, 3, padding=1))

    def forward(self, latent: Tensor) -> Tensor:
        x = self.before(self.enter(latent))
        n, c, h, w = x.shape
        x = x + self.attention(self.norm(x).view(n, c, h * w).transpose(1, 2)).transpose(1, 2).reshape(n, c, h, w)
        x = self.after(x)
        for at, block in enumerate(self.blocks):
            x = block(x)
            if at % 3 == 2 and at < 11:
                x = self.larger[at // 3](F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return self.leave(x)
