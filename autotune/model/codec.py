"""Our frozen dataclasses as plain JSON values and back, driven by their annotations."""

from __future__ import annotations

import types
import typing
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


def dump(value: Any) -> Any:  # noqa: ANN401 - any of our values
    """Dataclasses become objects, tuples lists, paths texts."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: dump(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {str(key): dump(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [dump(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def load(kind: type[T], value: Any) -> T:  # noqa: ANN401 - any JSON value
    """The value of type ``kind`` that ``dump`` wrote; unknown fields are left out. Raises KeyError."""
    result: T = _load(kind, value)
    return result


def _load(kind: Any, value: Any) -> Any:  # noqa: ANN401
    if is_dataclass(kind) and isinstance(kind, type):
        hints = typing.get_type_hints(kind)
        names = [field.name for field in fields(kind) if field.name in value]
        return kind(**{name: _load(hints[name], value[name]) for name in names})
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if value is None:
            return None
        rest = [one for one in arguments if one is not type(None)]
        return _load(rest[0], value) if len(rest) == 1 else value
    if origin is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(_load(arguments[0], item) for item in value)
        return tuple(_load(one, item) for one, item in zip(arguments, value, strict=True))
    return Path(value) if kind is Path else value
