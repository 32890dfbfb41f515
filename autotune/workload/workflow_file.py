"""Files with a workflow of the user's: a graph of nodes as JSON, which a web UI renders as it is.

What the nodes are, only the web UI knows. Here the file is read, and told from others, so that a study of it can be
resumed, and a change of it be seen. Its content goes nowhere: prompts are in it.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from autotune.language.translate import N_, _
from autotune.model import codec
from autotune.model.errors import UsageProblem
from autotune.model.workload import Workload

MOST_MIB = 16
"""Size of a file above which it is not read. A graph of a thousand nodes takes less than one."""
HINT = N_("Export it from the web UI in its API format (docs/workflows.md).")
SEED = re.compile(r"(?:.*_)?seed")
"""Names of values that are set anew for each clip."""
TITLES = "_meta"
"""Where a node's title is kept, which changes nothing in what is rendered."""


def read(path: Path) -> dict[str, Any]:
    """The JSON object in a workflow's file. Raises UsageProblem."""
    try:
        # Opening a pipe would block, and a folder has no content.
        if not path.is_file():
            raise UsageProblem(_("{path}: no such file").format(path=path), _("Check the path."))
        size = path.stat().st_size
        if size > MOST_MIB << 20:
            raise UsageProblem(_("{path}: {size} MiB long; a workflow has {most} MiB at most").format(
                path=path, size=size >> 20, most=MOST_MIB), _(HINT))
        data = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: no path holds a NUL
        why = error.strerror if isinstance(error, OSError) else error
        raise UsageProblem(_("{path}: cannot be read: {reason}").format(path=path, reason=why),
                           _("Check the path.")) from None
    try:
        found = codec.decode(data)
    except codec.InvalidRecord as misfit:
        raise UsageProblem(_("{path}: not JSON: {misfit}").format(path=path, misfit=misfit), _(HINT)) from None
    if not isinstance(found, dict):
        raise UsageProblem(_("{path}: not a workflow: no object of JSON").format(path=path), _(HINT))
    return found


def digest(graph: Any) -> str:  # noqa: ANN401 - a value of JSON
    """Tells a workflow from others, in 16 hexadecimal digits. Seeds, titles and the order of keys do not count: what
    was exported twice is one workflow."""
    text = json.dumps(_plain(graph), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def workload_of(path: Path, weight: float = 1.0) -> Workload:
    """The workload that renders this file; what is in it is read by the web UI. Raises UsageProblem."""
    whole = path.absolute()
    return Workload(0, 0, 0, 0, weight=weight, workflow=str(whole), workflow_digest=digest(read(whole)))


def is_seed(name: str, value: object) -> bool:
    """Whether a value of a node is a seed: a whole number that is called so."""
    return SEED.fullmatch(name) is not None and isinstance(value, int) and not isinstance(value, bool)


def _plain(value: Any) -> Any:  # noqa: ANN401 - a value of JSON
    if isinstance(value, dict):
        return {key: 0 if is_seed(key, one) else _plain(one) for key, one in value.items() if key != TITLES}
    return [_plain(one) for one in value] if isinstance(value, list) else value
