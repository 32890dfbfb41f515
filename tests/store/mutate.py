"""Damages a JSON file in every way that a disk, an editor or another program could: the values, and the bytes."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

Path = tuple[str | int, ...]
NUMBERS = ("-1", "0", "-0.0", "NaN", "Infinity", "-Infinity", "1e999", "1e300", "-1e-300", "1e-320", "9" * 30,
           "1" * 5000, "2147483648", "1.5")
OTHERS = ("null", "true", "false", '""', '"x"', '"\\ud800"', '"\\u0000"', '"../../x"', "[]", "[null]", "{}",
          '{"a": {"b": []}}', "[[[[[]]]]]")
LISTS: dict[str, Callable[[list[Any], random.Random], object]] = {
    "first twice": lambda rows, _: rows.insert(0, rows[0]),
    "last twice": lambda rows, _: rows.append(rows[-1]),
    "first gone": lambda rows, _: rows.pop(0),
    "last gone": lambda rows, _: rows.pop(),
    "middle gone": lambda rows, _: rows.pop(len(rows) // 2),
    "turned round": lambda rows, _: rows.reverse(),
    "shuffled": lambda rows, rng: rng.shuffle(rows),
}


def places(value: object, at: Path = ()) -> Iterator[Path]:
    """Every place in a JSON value."""
    yield at
    if isinstance(value, dict):
        for key, item in value.items():
            yield from places(item, (*at, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from places(item, (*at, number))


def shape(at: Path) -> Path:
    """A place without its list positions: places of one shape are alike."""
    return tuple("*" if isinstance(step, int) else step for step in at)


def some_places(value: object, rng: random.Random) -> list[Path]:
    """A random one of the places of each shape."""
    groups: dict[Path, list[Path]] = {}
    for at in places(value):
        groups.setdefault(shape(at), []).append(at)
    return [rng.choice(found) for found in groups.values()]


def damage(value: Any, at: Path, rng: random.Random) -> tuple[str, bytes]:
    """(what was done, the file) with one random damage at a place."""
    value = copy.deepcopy(value)
    hole = "\x01hole\x01"
    kinds = ["number", "other"] + (["gone", "key twice"] if at and isinstance(at[-1], str) else [])
    found = _get(value, at)
    if isinstance(found, list) and found:
        kinds += ["list"] * 2
    kind = rng.choice(kinds)
    if kind == "list":
        kind = rng.choice(sorted(LISTS))
        LISTS[kind](found, rng)
        return f"{at}: {kind}", _bytes(value)
    if kind == "gone":
        del _get(value, at[:-1])[at[-1]]
        return f"{at}: gone", _bytes(value)
    text = rng.choice(NUMBERS if kind == "number" else OTHERS)
    if kind == "number" and isinstance(found, int | float) and not isinstance(found, bool) and rng.random() < 0.4:
        text = json.dumps(rng.choice([-found, found * 1e9, found + 1, str(found), [found]]))
    if not at:
        return f"all of it: {text[:20]}", text.encode()
    _get(value, at[:-1])[at[-1]] = hole
    before, after = _bytes(value).split(json.dumps(hole).encode())
    if kind == "key twice":
        name = json.dumps(at[-1])
        return f"{at}: twice", before + json.dumps(found).encode() + f",{name}:{text}".encode() + after
    return f"{at}: {text[:20]}", before + text.encode() + after


def damage_bytes(data: bytes, rng: random.Random) -> tuple[str, bytes]:
    """(what was done, the file) with its bytes damaged anywhere."""
    at = rng.randrange(len(data) + 1)
    kind = rng.choice(["cut", "bit", "zeros", "garbage", "gap", "deep", "empty", "twice"])
    if kind == "cut":
        return f"cut at {at}", data[:at]
    if kind == "bit":
        at = min(at, len(data) - 1)
        return f"bit at {at}", data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1:]
    if kind == "zeros":
        return f"zeros at {at}", data[:at] + bytes(min(512, len(data) - at)) + data[at + 512:]
    if kind == "garbage":
        return f"garbage at {at}", data[:at] + rng.randbytes(20) + data[at:]
    if kind == "gap":
        return f"gap at {at}", data[:at] + data[at + rng.randrange(1, 2000):]
    if kind == "deep":
        return f"deep at {at}", data[:at] + b"[" * 200_000 + data[at:]
    return kind, b"" if kind == "empty" else data + data


def damage_lines(data: bytes, rng: random.Random) -> tuple[str, bytes]:
    """(what was done, the file) with one line of a journal damaged, or its lines out of order."""
    rows = data.split(b"\n")[:-1]
    at, other = rng.randrange(len(rows)), rng.randrange(len(rows))
    kind = rng.choice(["value", "value", "value", "value", "gone", "twice", "swapped", "foreign"])
    if kind == "value":
        row = json.loads(rows[at])
        kind, rows[at] = damage(row, rng.choice(some_places(row, rng)), rng)
    elif kind == "gone":
        del rows[at]
    elif kind == "twice":
        rows.insert(other, rows[at])
    elif kind == "swapped":
        rows[at], rows[other] = rows[other], rows[at]
    else:
        foreign = [b"", b"7", b"[]", b"null", bytes(40), b"\xff\xfe", b"garbage", b"x" * 10**6]
        rows.insert(at, rng.choice(foreign))
    return f"line {at + 1}: {kind}", b"".join(row + b"\n" for row in rows)


def _get(value: Any, at: Path) -> Any:
    for step in at:
        value = value[step]
    return value


def _bytes(value: object) -> bytes:
    return json.dumps(value).encode()
