"""No credential leaves through a report: values of flags and variables that hold one are masked.

A diff shows lines of the owner's launch file and an error message may quote a command line; both can carry
``--api-auth user:password``, tokens or ``user:password@host`` addresses.
"""

from __future__ import annotations

import re

MASK = "•••"

# argparse takes unambiguous abbreviations, so --api-au and --gradio-a are the same flags
_FLAG = (
    r"--(?:api-au|gradio-a|ngrok(?![\w-]*region)|"
    r"[\w-]*(?:auth|token|passw|secret|credential|api-?key))[\w-]*"
)
_VALUE = r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|[^\s"'|&;<>]+)"""
_FLAG_VALUE = re.compile(rf"({_FLAG})(\s*=\s*|\s+)(?!--){_VALUE}", re.IGNORECASE)
_VARIABLE = re.compile(
    rf"(\b\w*(?:TOKEN|PASSW|SECRET|API_?KEY|CREDENTIAL|AUTH)\w*)(\s*=\s*){_VALUE}", re.IGNORECASE
)
_ADDRESS = re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^\s/@]+@", re.IGNORECASE)


def masked(text: str) -> str:
    """The text with every value that may be a credential replaced by a mask."""
    text = _FLAG_VALUE.sub(rf"\1\2{MASK}", text)
    text = _VARIABLE.sub(rf"\1\2{MASK}", text)
    return _ADDRESS.sub(rf"\1{MASK}@", text)
