"""A file's extended attributes and access list on macOS, copied to another file by the system's own copyfile(3).

Python has no call for either there. What takes a file's place would have none of them.
https://developer.apple.com/library/archive/documentation/System/Conceptual/ManPages_iPhoneOS/man3/copyfile.3.html
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Any

from autotune.language.translate import _

ACL, XATTR = 1 << 0, 1 << 2
"""COPYFILE_ACL and COPYFILE_XATTR; the bytes are not copied."""


def copy(source: Path, target: Path, library: Any = None) -> None:  # noqa: ANN401 - ctypes
    """Copies the extended attributes and access list of ``source`` to ``target``. Raises OSError.

    ``library``: the C library, None for the system's.
    """
    call = getattr(library or ctypes.CDLL(None, use_errno=True), "copyfile", None)
    if call is None:
        raise OSError(None, _("this system has no copyfile"))
    if call(os.fsencode(source), os.fsencode(target), None, ctypes.c_uint32(ACL | XATTR)) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(target))
