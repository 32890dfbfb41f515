"""The page of every known flag, made of the catalogue's data: ``python -m tests.flag_list > docs/flag-list.md``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

WEBUIS = Path(__file__).parents[1] / "autotune" / "webui"
DATA, COMFYUI = WEBUIS / "a1111" / "flags" / "data", WEBUIS / "comfyui" / "flags" / "data"
HEAD = """# Every known flag

What autotune does with each flag, and why; classes are those of [Flags](flags.md#all-other-flags). A flag that
stands in no list is kept as it is.
"""


def _versions(flag: dict[str, Any]) -> str:
    since, until = flag.get("since"), flag.get("until")
    return " to ".join(filter(None, (f"from {since}" if since else "", str(until or "")))).strip()


def page() -> str:
    """The whole page."""
    flavours = json.loads((DATA / "flavours.json").read_text(encoding="utf-8"))["flavours"]
    parts = [HEAD]
    for path in sorted((*DATA.glob("*.json"), *COMFYUI.glob("*.json"))):
        data = json.loads(path.read_text(encoding="utf-8"))
        if "groups" not in data:
            continue
        used = [one["title"] for one in flavours.values()
                if any(path.stem in files for files in (one["files"], *one.get("variants", {}).values()))]
        used += data.get("used_for", [])
        parts += [f"\n## `{path.stem}`\n", f"Used for: {', '.join(dict.fromkeys(used))}.\n",
                  "| flag | class | why | versions |", "|---|---|---|---|"]
        for group in data["groups"]:
            for flag in group["flags"]:
                why = group["why"] + (f": `{flag['to']}`" if flag.get("to") else "")
                parts.append(f"| `{flag['name']}` | {group['class']} | {why} | {_versions(flag)} |")
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    print(page(), end="")
