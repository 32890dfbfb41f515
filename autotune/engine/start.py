"""What launch.py of an install runs: flags, faults, model, server."""

from __future__ import annotations

import argparse
import importlib.util
import os
import shlex
import signal
import sys
import time
import warnings
from concurrent.futures import Future
from io import TextIOWrapper
from pathlib import Path

from autotune.engine import inert
from autotune.engine.faults import BadFaults, Faults

SECRETS = ("--api-auth", "--gradio-auth", "--ngrok")


def main(root: Path) -> int:
    """Start the web UI whose install is ``root`` with the process's arguments; returns its exit code."""
    started = time.perf_counter()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(line_buffering=True)
    warnings.filterwarnings("ignore")
    sys.argv = [sys.argv[0], *sys.argv[1:], *shlex.split(os.environ.get("COMMANDLINE_ARGS", ""))]
    try:
        faults = Faults.from_environment(sys.argv[1:])
    except BadFaults as error:
        print(error, file=sys.stderr)
        return 2
    parser = load_parser(root)
    if faults.unknown_flags():
        parser.error(f"unrecognized arguments: {' '.join(faults.unknown_flags())}")
    flags = parse(parser, sys.argv[1:])
    what = "API server" if flags.nowebui else "Web UI"
    print(f"Python {sys.version.split()[0]}\nVersion: v1.10.1 (reference web UI of autotune)\nLaunching {what} with "
          f"arguments: {shlex.join(hidden(sys.argv[1:]))}")
    if faults.has("ignore_sigterm"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    faults.at_start()
    return run(root, flags, parser.parse_args([]), faults, started)


def run(root: Path, flags: argparse.Namespace, default: argparse.Namespace, faults: Faults, started: float) -> int:
    """Load and serve; see `main`."""
    # OpenMP's threads spin while they wait. When another program takes one of two cores, a clip then takes 35 s
    # instead of 3.5 s (measured); waiting asleep costs nothing on idle cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from autotune.engine.model import Model  # noqa: F401  (torch: the slow part of the start)
    from autotune.engine.webui import ReferenceWebUI

    for remark in inert.remarks(flags):
        print(f"Reference web UI: {remark}.")
    if not flags.styles_file:
        flags.styles_file = [str(Path(flags.data_dir) / "styles.csv")]
    ui = ReferenceWebUI(root, flags, default, faults)
    from autotune.engine import api, extensions, page, server

    extensions.load(ui)
    app = api.build(ui)
    if ui.extension is not None and not flags.skip_load_model_at_start:
        ui.submit(ui.load).result()
    elif not flags.skip_load_model_at_start:
        ui.submit(ui.load).add_done_callback(_tell)
    if not flags.nowebui and not Path(flags.ui_config_file).exists():
        Path(flags.ui_config_file).write_text("{}\n", encoding="utf-8")
    page.add(ui, app)
    print(f"Startup time: {time.perf_counter() - started:.1f}s.", flush=True)
    return server.serve(ui, app)


def _tell(loading: Future[None]) -> None:
    """Log why the model could not be loaded; jobs will try again."""
    error = loading.exception()
    if error is not None:
        print(f"{type(error).__name__}: {error}\nStable diffusion model failed to load", file=sys.stderr, flush=True)


def load_parser(root: Path) -> argparse.ArgumentParser:
    """The parser that modules/cmd_args.py of the install defines."""
    spec = importlib.util.spec_from_file_location("modules.cmd_args", root / "modules" / "cmd_args.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError(root / "modules" / "cmd_args.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    parser: argparse.ArgumentParser = module.parser
    return parser


def parse(parser: argparse.ArgumentParser, words: list[str]) -> argparse.Namespace:
    """Parsed flags; unknown ones end the process with 2 unless IGNORE_CMD_ARGS_ERRORS is set."""
    if os.environ.get("IGNORE_CMD_ARGS_ERRORS") is not None:
        return parser.parse_known_args(words)[0]
    return parser.parse_args(words)


def hidden(words: list[str]) -> list[str]:
    """The words with credentials replaced: A1111 prints them, this log does not."""
    shown: list[str] = []
    for word in words:
        flag, equals, _value = word.partition("=")
        if shown and shown[-1] in SECRETS:
            shown.append("***")
        else:
            shown.append(f"{flag}=***" if equals and flag in SECRETS else word)
    return shown
