"""As launch.py: A1111 may be started through either."""

import runpy
from pathlib import Path

if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).resolve().parent / "launch.py"), run_name="__main__")
