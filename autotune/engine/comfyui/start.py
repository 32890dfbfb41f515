"""What main.py of an install runs: flags, faults, folders, custom nodes, server."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import importlib.util
import json
import logging
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.engine.comfyui import database, folder_paths, inert, log
from autotune.engine.comfyui.choices import ATTENTION_LINES, Choices, choose
from autotune.engine.faults import BadFaults, Faults

if TYPE_CHECKING:
    from autotune.engine.comfyui.runtime import Runtime
    from autotune.engine.comfyui.server import PromptServer

MARKER = "reference-webui.json"
PACKAGES = {"sage": ("sageattention", "sageattention", "--use-sage-attention"),
            "flash": ("flash_attn", "flash-attn", "--use-flash-attention")}
"""Of attention that needs an extra package: its module, its name for pip, its flag."""
CACHE_LINES = {"ram": "Using RAM pressure cache.", "lru": "Using LRU cache", "classic": "",
               "none": "Disabling intermediate node cache."}
MISSING_PACKAGE = 255
WAIT = 1000.0
"""Seconds that the worker waits for a prompt before it looks again."""


def main(root: Path) -> int:
    """Start the install ``root`` with the process's arguments; returns its exit code."""
    try:
        faults = Faults.from_environment(sys.argv[1:])
    except BadFaults as error:
        print(error, file=sys.stderr)
        return 2
    cli = importlib.import_module("comfy.cli_args")
    if faults.unknown_flags():
        cli.parser.error(f"unrecognized arguments: {' '.join(faults.unknown_flags())}")
    default = cli.args
    args = cli.finished(cli.parser.parse_args(sys.argv[1:]))
    setattr(cli, "args", args)  # noqa: B010 - custom nodes read it there
    log.set_up(args.verbose, args.log_stdout)
    logging.info("Reference ComfyUI of autotune, a stand-in for ComfyUI 0.26: it computes for real, but small.")
    for remark in inert.remarks(args, default):
        logging.info("Reference ComfyUI: %s.", remark)
    if faults.has("ignore_sigterm"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    faults.at_start()
    return run(root, args, default, faults)


def run(root: Path, args: argparse.Namespace, default: argparse.Namespace, faults: Faults) -> int:
    """Prepare and serve; see `main`."""
    # OpenMP's threads spin while they wait: on a busy machine a clip then takes ten times its time.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from autotune.engine.comfyui import devices

    devices.before_torch(args)
    set_folders(root, args)
    runtime = runtime_of(root, args, default, faults)
    missing = tell_device(runtime.choices, runtime)
    if missing:
        return missing
    logging.info("Python version: %s", sys.version)
    from autotune.engine.comfyui.runtime import VERSION

    logging.info("ComfyUI version: %s", VERSION)
    if args.temp_directory:
        temp = str(Path(args.temp_directory).absolute() / "temp")
        logging.info("Setting temp directory to: %s", temp)
        folder_paths.set_temp_directory(temp)
    for made in (Path(folder_paths.get_input_directory(), "3d"), Path(folder_paths.get_user_directory())):
        made.mkdir(parents=True, exist_ok=True)
    with emptied(folder_paths.get_temp_directory()):
        return serve(runtime)


def set_folders(root: Path, args: argparse.Namespace) -> None:
    """All folders, by the flags and the files of further folders."""
    folder_paths.begin(root, args)
    own = root / "extra_model_paths.yaml"
    if own.is_file():
        folder_paths.load_extra_path_config(str(own))
    for several in args.extra_model_paths_config or ():
        for path in several:
            folder_paths.load_extra_path_config(path)
    folder_paths.apply(args)


def runtime_of(root: Path, args: argparse.Namespace, default: argparse.Namespace, faults: Faults) -> Runtime:
    """What all parts share; torch is set up as the flags want it."""
    import torch

    from autotune.engine import memory
    from autotune.engine.comfyui import devices
    from autotune.engine.comfyui.runtime import Runtime

    marker = json.loads((root / MARKER).read_text(encoding="utf-8"))
    device = devices.device_of(args, str(marker.get("device", "auto")))
    facts, ram = devices.facts(device), memory.total()
    choices = choose(args, facts, ram)
    acting = choices
    if faults.has("ignore_flags"):
        acting = choose(argparse.Namespace(**{**vars(default), "cpu": args.cpu}), facts, ram)
    Runtime.current = Runtime(root, marker, args, faults, device, choices, acting)
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = acting.cudnn_benchmark
        if acting.fp16_accumulation and hasattr(torch.backends.cuda.matmul, "allow_fp16_accumulation"):
            torch.backends.cuda.matmul.allow_fp16_accumulation = True
    if acting.deterministic:
        torch.use_deterministic_algorithms(True, warn_only=True)
    return Runtime.current


def tell_device(choices: Choices, runtime: Runtime) -> int:
    """Logs device, memory mode and attention; returns the exit code where a package is missing, else 0."""
    import torch

    from autotune.engine import memory
    from autotune.engine.comfyui import devices

    ram = memory.total() / (1 << 20)
    whole = torch.cuda.mem_get_info(runtime.device)[1] / (1 << 20) if runtime.device.type == "cuda" else ram
    logging.info("Total VRAM %.0f MB, total RAM %.0f MB", whole, ram)
    logging.info("pytorch version: %s", torch.__version__)
    if choices.fp16_accumulation:
        logging.info("Enabled fp16 accumulation.")
    if choices.deterministic:
        logging.info("Using deterministic algorithms for pytorch")
    if runtime.args.force_fp32:
        logging.info("Forcing FP32, if this improves things please report it.")
    logging.info("Set vram state to: %s", choices.vram_state)
    if not choices.smart_memory:
        logging.info("Disabling smart memory management")
    logging.info("Device: %s", devices.name_of(runtime.device))
    if choices.streams:
        logging.info("Using async weight offloading with %s streams", choices.streams)
    if choices.attention in PACKAGES:
        module, package, flag = PACKAGES[choices.attention]
        if importlib.util.find_spec(module) is None:
            logging.error("\n\nTo use the `%s` feature, the `%s` package must be installed first.\ncommand:\n\t%s -m "
                          "pip install %s", flag, package, sys.executable, package)
            return MISSING_PACKAGE
    logging.info("%s", ATTENTION_LINES[choices.attention])
    return 0


@contextlib.contextmanager
def emptied(folder: str) -> Iterator[None]:
    """The folder of temporary files, deleted before and after."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def serve(runtime: Runtime) -> int:
    """Import custom nodes, then listen until told to end; returns the exit code."""
    from autotune.engine.comfyui import custom_nodes, file_routes, routes, shown_modules
    from autotune.engine.comfyui.server import PromptServer

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    server = PromptServer(loop, runtime)
    shown_modules.expose()
    custom_nodes.load_all()
    if runtime.device.type == "cuda":  # custom nodes may have set it
        import torch

        torch.backends.cudnn.benchmark = runtime.acting.cudnn_benchmark
    refused = database.begin(runtime.args.database_url, runtime.args.enable_assets)
    if refused:
        return refused
    routes.add(server)
    file_routes.add(server)
    server.add_routes()
    threading.Thread(target=work, args=(server, runtime), daemon=True).start()
    if runtime.args.quick_test_for_ci:
        return 0
    Path(folder_paths.get_temp_directory()).mkdir(parents=True, exist_ok=True)
    try:
        loop.run_until_complete(server.listen())
    except KeyboardInterrupt:
        logging.info("\nStopped server")
    except SystemExit as ended:
        return int(str(ended.code))
    return 0


def work(server: PromptServer, runtime: Runtime) -> None:
    """Executes prompts for ever, one after another."""
    import gc

    from autotune.engine import memory
    from autotune.engine.comfyui.executor import PromptExecutor

    executor = PromptExecutor(server, runtime)
    if CACHE_LINES[runtime.choices.cache]:
        logging.info("%s", CACHE_LINES[runtime.choices.cache])
    while True:
        item = server.prompt_queue.get(WAIT)
        if item is not None:
            began = time.perf_counter()
            outcome = executor.execute(item.graph, item.prompt_id, item.extra, item.outputs)
            server.prompt_queue.done(item, outcome)
            if server.client_id is not None:
                server.send_sync("executing", {"node": None, "prompt_id": item.prompt_id}, server.client_id)
            seconds = time.perf_counter() - began
            told = f"{seconds:.2f} seconds" if seconds <= 600 else time.strftime("%H:%M:%S", time.gmtime(seconds))
            logging.info("Prompt executed in %s", told, extra={"color": "green"})
        flags = server.prompt_queue.take_flags()
        if flags:
            # Models are kept as results of nodes here, so both flags forget all that is kept.
            executor.reset()
            gc.collect()
            memory.give_back()
