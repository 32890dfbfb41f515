"""A/A: the reference web UI is told to ignore its flags, so every set is the same program; tunes must adopt nothing.

Run: python -m benchmarks.aa --tunes 20 [--budget 4m] [--json FILE]. Each tune is a run of the program as a user
would start it, on one install, with a study of its own (another seed). The samples stay in the JSON file.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any


def tune(root: Path, state: Path, seed: int, budget: str) -> dict[str, Any]:
    """One tune of the reference web UI with `ignore_flags`; its document. Raises CalledProcessError."""
    words = ["--webui", str(root), "--state-dir", str(state), "tune", "--profile", "tiny", "--budget", budget]
    done = subprocess.run(
        [sys.executable, "-m", "autotune", *words, "--seed", str(seed), "--json", "-q"],
        env={**os.environ, "AUTOTUNE_ENGINE_FAULTS": "ignore_flags"}, stdin=subprocess.DEVNULL,
        capture_output=True, encoding="utf-8", check=True,
    )
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def main() -> int:
    """Runs the tunes and prints a line for each; exit 1 when one of them adopted a set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tunes", type=int, default=20)
    parser.add_argument("--budget", default="4m")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="autotune-aa-") as folder:
        root, state = Path(folder) / "webui", Path(folder) / "state"
        subprocess.run([sys.executable, "-m", "autotune.engine", "create", str(root)], check=True, capture_output=True)
        for seed in range(asked.tunes):
            document = tune(root, state, seed, asked.budget)
            rows.append(document)
            rival = (document["challenger"] or {}).get("speedup") or {}
            said = f"{rival['estimate']:.3f} ({rival['low']:.3f} to {rival['high']:.3f})" if rival else "none confirmed"
            print(
                f"{seed:3d} {document['decision']}  best rival {said}; {document['launches']} launches, "
                f"{document['clips']} clips, {document['cost']['wall']:.0f} s", flush=True,
            )
    adopted = sum(row["decision"] == "apply" for row in rows)
    print(f"{adopted} of {len(rows)} adopted a set")
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 1 if adopted else 0


if __name__ == "__main__":
    sys.exit(main())
