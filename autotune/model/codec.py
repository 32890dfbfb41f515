"""Our values as plain JSON and back; what does not fit its type and bounds is refused with its place."""

from __future__ import annotations

from typing import Any, TypeVar

from autotune.language.translate import _

T = TypeVar("T")
MOST_BYTES = 256 << 20
"""Most bytes of a file of ours that are read: the records of a study of days are some MiB."""


class InvalidRecord(ValueError):
    """A stored value that is not valid; the text says where, and what was expected."""


def decode(data: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """The JSON value in ``data`` (UTF-8, with or without a byte order mark). NaN and infinities are no JSON.

    Raises InvalidRecord.
    """
    import msgspec

    if len(data) > MOST_BYTES:
        raise InvalidRecord(
            _("{size} MiB long; {most} are the most").format(size=len(data) >> 20, most=MOST_BYTES >> 20))
    try:
        return msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"))
    except msgspec.MsgspecError as error:
        raise InvalidRecord(_words(error)) from None
    except UnicodeDecodeError as error:
        raise InvalidRecord(_("not UTF-8: {reason}").format(reason=error.reason)) from None
    except RecursionError:
        raise InvalidRecord(_("nested too deep")) from None


def dump(value: Any) -> Any:  # noqa: ANN401 - any of our values
    """A value as plain JSON values: dataclasses become objects, tuples lists, paths texts."""
    import msgspec

    try:
        return msgspec.json.decode(msgspec.json.encode(value, enc_hook=str))
    except UnicodeEncodeError:
        # A file name with bytes that are no UTF-8 (lone surrogates).
        return _lists(msgspec.to_builtins(value, enc_hook=str))


def _lists(value: Any) -> Any:  # noqa: ANN401 - JSON values and tuples
    """The value with its tuples as lists."""
    if isinstance(value, dict):
        return {key: _lists(item) for key, item in value.items()}
    return [_lists(item) for item in value] if isinstance(value, list | tuple) else value


def load(kind: type[T], value: Any) -> T:  # noqa: ANN401 - any JSON value
    """The value of type ``kind`` that ``dump`` wrote; fields that this version does not know are left out.

    Raises InvalidRecord: a field is missing, of another type, or outside its bounds.
    """
    import msgspec

    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise InvalidRecord(_words(error)) from None
    except RecursionError:
        raise InvalidRecord(_("nested too deep")) from None


def _words(error: Exception) -> str:
    """msgspec's sentence with its place first: "samples[3].seconds: expected `float` >= 0.0"."""
    what, _, place = str(error).partition(" - at `")
    if what[1:2].islower():  # a word, and no name such as JSON
        what = what[:1].lower() + what[1:]
    place = place.removesuffix("`").removeprefix("$").removeprefix(".")
    return f"{place}: {what}" if place else what
