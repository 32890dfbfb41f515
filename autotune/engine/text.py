"""Turns prompts into conditioning of CLIP's shapes without CLIP; equal prompts give equal tensors.

A prompt becomes tokens (words and signs, long words in pieces), 75 a chunk; each chunk gets a start and an end
token, 77 rows. Each token has a fixed random vector; a running mean over the chunk mixes them.
"""

from __future__ import annotations

import re
import zlib

from autotune.engine.values import Device, Tensor

CHUNK = 75
PIECE = 7
START, END = "<start>", "<end>"


def tokens(prompt: str) -> list[str]:
    """Tokens of a prompt: words cut into pieces of at most seven letters, each other sign by itself."""
    found: list[str] = []
    for word in re.findall(r"\w+|[^\w\s]", prompt.lower()):
        found.extend(word[i : i + PIECE] for i in range(0, len(word), PIECE))
    return found


def chunks(prompt: str) -> int:
    """How many 75-token chunks a prompt takes, at least one."""
    return max(1, -(-len(tokens(prompt)) // CHUNK))


def condition(prompt: str, width: int, device: Device, at_least: int = 1) -> Tensor:
    """(1, 77 * chunks, width) in fp32; padded with empty chunks up to ``at_least`` chunks."""
    import torch

    words = tokens(prompt)
    parts = []
    for number in range(max(chunks(prompt), at_least)):
        own = words[number * CHUNK : (number + 1) * CHUNK]
        rows = [START, *own, *([END] * (CHUNK + 1 - len(own)))]
        table = torch.stack([_vector(word, width) for word in rows])
        mean = table.cumsum(0) / torch.arange(1, len(rows) + 1).sqrt().unsqueeze(1)
        parts.append((table + mean) * 0.7)
    return torch.cat(parts).unsqueeze(0).to(device)


def _vector(word: str, width: int) -> Tensor:
    import torch

    return torch.randn(width, generator=torch.Generator().manual_seed(zlib.crc32(word.encode())))
