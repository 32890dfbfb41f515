"""What a user is shown of a change: a unified diff without passwords and tokens."""

from __future__ import annotations

from autotune.secrets.mask import masked_script


def diff(before: bytes, after: bytes, name: str) -> str:
    """A unified diff for a user: UTF-8, secrets shown as ``***``; '' when nothing changes."""
    import difflib

    old, new = (masked_script(data.decode("utf-8", "replace").replace("\r\n", "\n")) for data in (before, after))
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), f"{name} (before)", f"{name} (after)", lineterm="")
    return "".join(line + "\n" for line in lines)

