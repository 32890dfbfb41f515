"""Is a weights file whole, and is it what its name says? Read from its head, its end and its size, never loaded."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

from autotune.disk import windows_attributes
from autotune.language.translate import _

LONGEST_HEAD = 100 * 1024 * 1024
"""Bytes that the format allows for a safetensors head."""
ZIP, PICKLE = b"PK\x03\x04", b"\x80"
"""A torch checkpoint is a ZIP archive, or a plain pickle before torch 1.6."""
ZIP_END = b"PK\x05\x06"
"""Begins the record at the end of every ZIP archive: without it no entry can be found."""
ZIP_TAIL = 65536 + 22
"""The record with its longest comment."""
UNFINISHED = ".aria2"
"""Lies beside a file of full size until its download has filled it."""


def damage(path: Path) -> str | None:
    """Why the web UI could not load this file, in words; None when nothing speaks against it."""
    try:
        info = path.stat()
        if windows_attributes.in_cloud(info):  # a look must not download gigabytes
            return _("it lies in the cloud alone. {advice}").format(advice=windows_attributes.how_to_download())
        size = info.st_size
        with path.open("rb") as file:
            start = file.read(512)
            other = _something_else(start, size)
            if other is not None:
                return other
            if path.with_name(path.name + UNFINISHED).exists():
                return _("a download that is not finished: {name} lies beside it").format(
                    name=path.name + UNFINISHED)
            if path.suffix.lower() == ".safetensors":
                if start.startswith((ZIP, PICKLE + b"\x02", PICKLE + b"\x04")):
                    return _("it is a torch checkpoint under the name of a safetensors file")
                file.seek(0)
                return _damage_of_safetensors(file.read(8), size, file.read)
            if start[8:9] == b"{" and start[:8] != bytes(8) and struct.unpack("<Q", start[:8])[0] <= LONGEST_HEAD:
                return _("it is a safetensors file under another name: let its name end in .safetensors")
            if start.startswith(b"PK"):
                file.seek(max(0, size - ZIP_TAIL))
                return None if ZIP_END in file.read() else _("it has no end: a download that broke off")
            return None if start.startswith(PICKLE) else _("it is no torch checkpoint")
    except OSError as error:
        if windows_attributes.is_cloud_error(error):
            return _("it cannot be read: {reason}. {advice}").format(
                reason=error.strerror, advice=windows_attributes.how_to_download())
        return _("it cannot be read: {reason}").format(reason=error.strerror)


def _something_else(start: bytes, size: int) -> str | None:
    """What is often saved in place of weights: nothing, a pointer, a page that says why there is no file."""
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not start.strip(b"\0"):
        few = _("it has {size} bytes only").format(size=size)
        return few if size < 8 else _("it begins with zeros only: a download that broke off")
    if text.startswith(b"version https://git-lfs") or text.startswith(b"version "):
        return _("it is a Git LFS pointer, not the file itself: `git lfs pull` fetches it")
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<script")):
        return _("it is a web page, not the file itself: a download that was refused or needs a login")
    refusals = (b'{"', b"entry not found", b"invalid username", b"not found", b"access denied", b"unauthorized")
    if text.startswith(refusals) and b"\0" not in start[:16]:  # a head's length may be any number
        return _("it is a site's answer in words, not the file itself: a download that was refused or needs a login")
    return _("it has {size} bytes only").format(size=size) if size < 8 else None


def _damage_of_safetensors(start: bytes, size: int, read: Callable[[int], bytes]) -> str | None:
    (length,) = struct.unpack("<Q", start)
    if length > min(size - 8, LONGEST_HEAD):
        return _("it is no safetensors file, or a download that broke off")
    try:
        head = json.loads(read(length))
        ends = [entry["data_offsets"][1] for name, entry in head.items() if name != "__metadata__"]
        told = 8 + length + max(ends, default=0)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        return _("its head is no safetensors head")
    if size >= told:
        return None
    return _("it has {size} bytes, its head tells of {told}: a download that broke off").format(size=size, told=told)


def tensor_shapes(path: Path) -> dict[str, tuple[int, ...]] | None:
    """The shape of each tensor of a safetensors file, by its head alone; None for other files and where it cannot be
    read, or lies in the cloud alone."""
    head = _head(path)
    try:
        entries = json.loads(head) if head is not None else None
        return None if entries is None else {
            name: tuple(map(int, entry["shape"])) for name, entry in entries.items() if name != "__metadata__"}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def metadata(path: Path) -> dict[str, str]:
    """What the head of a safetensors file says of it beside its tensors; {} for other files."""
    head = _head(path)
    try:
        said = json.loads(head)["__metadata__"] if head is not None else {}
        return {str(key): str(value) for key, value in said.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def has_tensor(path: Path, name: str) -> bool | None:
    """Whether a safetensors file has a tensor of this name; None for other files and where that cannot be told.

    Much faster than ``tensor_shapes`` where many files are asked for one that few of them have.
    """
    head = _head(path)
    return None if head is None else json.dumps(name).encode() in head


def _head(path: Path) -> bytes | None:
    try:
        if path.suffix.lower() not in (".safetensors", ".sft") or windows_attributes.in_cloud(path.stat()):
            return None
        with path.open("rb") as file:
            start = file.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else LONGEST_HEAD + 1
            head = file.read(length) if length <= LONGEST_HEAD else b""
    except OSError:
        return None
    return head if head[:1] == b"{" and len(head) == length else None
