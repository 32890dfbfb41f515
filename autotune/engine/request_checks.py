"""Checks the body of a txt2img request; what is wrong becomes A1111's 422 answers."""

from __future__ import annotations

from starlette.exceptions import HTTPException

from autotune.engine.jobs import LISTS
from autotune.engine.values import Json


class InvalidField(Exception):
    """A field of the wrong type: where it is, what is wrong, pydantic's name for it."""

    def __init__(self, where: list[str], message: str, kind: str) -> None:
        super().__init__(message)
        self.where, self.message, self.kind = where, message, kind


def txt2img(body: dict[str, Json]) -> dict[str, Json]:
    """The known fields of a body, numbers converted; unknown fields are dropped. Raises Invalid."""
    known: dict[str, Json] = LISTS["txt2img"]
    return {name: _typed(name, value, known[name]) for name, value in body.items() if name in known}


def _typed(name: str, value: Json, default: Json) -> Json:
    where = ["body", name]
    if value is None and (default is None or name == "sampler_name"):
        return None
    if isinstance(default, bool):
        if isinstance(value, bool):
            return value
        raise InvalidField(where, "value could not be parsed to a boolean", "type_error.bool")
    if isinstance(default, int):
        return _number(where, value, int, "integer")
    if isinstance(default, float):
        return _number(where, value, float, "float")
    if isinstance(default, dict) and not isinstance(value, dict):
        raise InvalidField(where, "value is not a valid dict", "type_error.dict")
    if isinstance(default, str) and not isinstance(value, (str, int, float)):
        raise InvalidField(where, "str type expected", "type_error.str")
    return str(value) if isinstance(default, str) else value


def _number(where: list[str], value: Json, kind: type[int] | type[float], name: str) -> Json:
    try:
        return kind(value)
    except (TypeError, ValueError) as error:
        raise InvalidField(where, f"value is not a valid {name}", f"type_error.{name}") from error


def scripts(body: dict[str, Json], animatediff: bool) -> None:
    """Raises HTTPException 422 for an always-on script that is not there."""
    there = {str(s).lower() for s in LISTS["scripts"]["txt2img"]} - (set() if animatediff else {"animatediff"})
    for name in body.get("alwayson_scripts") or {}:
        if str(name).lower() not in there:
            raise HTTPException(422, f"Script '{name}' not found")
