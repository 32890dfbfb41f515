"""Starts the reference ComfyUI of this folder, on ComfyUI's command line."""

import json
import sys
from pathlib import Path

root = Path(__file__).resolve().parent
if str(root) not in sys.path:
    sys.path.insert(0, str(root))

try:
    from autotune.engine.comfyui import start
except ImportError:
    # An interpreter that does not know the package: it lies where this install was made from.
    marker = json.loads((root / "reference-webui.json").read_text(encoding="utf-8"))
    sys.path.append(marker["package"])
    from autotune.engine.comfyui import start

if __name__ == "__main__":
    sys.exit(start.main(root))
