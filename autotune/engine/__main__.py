"""`python -m autotune.engine create DIR`: lay out an install of the reference web UI; `update DIR`: another release."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code (2: the folder is refused)."""
    parser = argparse.ArgumentParser(prog="python -m autotune.engine", description="The reference web UI.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    made = verbs.add_parser("create", help="lay out an install")
    made.add_argument("folder", type=Path, metavar="DIR")
    made.add_argument("--size", choices=["tiny", "sd15"], default="tiny",
                      help="tiny: for CPUs; sd15: the shapes of Stable Diffusion 1.5, for CUDA")
    made.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    made.add_argument("--flavour", choices=["a1111", "comfyui"], default="a1111", help="which web UI it stands for")
    made.add_argument("--force", action="store_true", help="replace an older reference web UI")
    new = verbs.add_parser("update", help="make an install one of another release, for tests")
    new.add_argument("folder", type=Path, metavar="DIR")
    new.add_argument("--release", default="1.10.2")
    new.add_argument("--slower", nargs="*", default=[], metavar="ATTENTION:FACTOR",
                     help="attention classes that take so many times as long in it")
    options = parser.parse_args(words)

    from autotune.engine.create import create, update
    from autotune.engine.install_files import CannotCreate

    try:
        if options.verb == "update":
            slower = {name: float(factor) for name, _, factor in (word.partition(":") for word in options.slower)}
            root = update(options.folder, options.release, slower)
        else:
            root = create(options.folder, options.size, options.device, options.force,
                          flavour=options.flavour)
    except CannotCreate as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(root)
    return 0


if __name__ == "__main__":
    sys.exit(main())
