"""Imports the few classes of diffusers that are used in half a second instead of three.

diffusers' packages import every model it has when one is asked for, and with them scipy and torch's compiler,
none of which is used here. While the few modules needed are imported, the packages' own ``__init__`` files are
passed over, scipy counts as absent and torch's compiler is replaced by one whose decorators do nothing. Should
another release of diffusers not bear that, the plain import is made.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

UNET = "diffusers.models.unets.unet_motion_model"
VAE = "diffusers.models.autoencoders.autoencoder_kl"
PACKAGES = ("diffusers.models.transformers", "diffusers.models.unets", "diffusers.models.autoencoders")
COMPILER = "torch._dynamo"


def models() -> SimpleNamespace:
    """diffusers' classes UNetMotionModel and AutoencoderKL. Raises ImportError without diffusers."""
    import torch  # noqa: F401  (before the stand-ins: it must not see them)

    if UNET not in sys.modules:
        try:
            with _without_heavy_imports():
                _load()
        except (ImportError, RuntimeError, AttributeError):
            for name in [n for n in sys.modules if n == "diffusers" or n.startswith("diffusers.")]:
                del sys.modules[name]
    return _load()


def _load() -> SimpleNamespace:
    unet, vae = importlib.import_module(UNET), importlib.import_module(VAE)
    return SimpleNamespace(UNetMotionModel=unet.UNetMotionModel, AutoencoderKL=vae.AutoencoderKL)


def scheduler(module: str, name: str) -> Any:  # noqa: ANN401  (a class of diffusers)
    """A scheduler class of ``diffusers.schedulers.MODULE``. Raises ImportError when it needs what is not there."""
    return getattr(importlib.import_module(f"diffusers.schedulers.{module}"), name)


@contextmanager
def _without_heavy_imports() -> Iterator[None]:
    import torch

    spec = importlib.util.find_spec("diffusers")
    if spec is None or spec.origin is None:
        raise ImportError("diffusers is not installed")
    root = Path(spec.origin).parent
    added: list[str] = []
    for name in PACKAGES:
        folder = root.joinpath(*name.split(".")[1:])
        if name not in sys.modules and folder.is_dir():
            package = ModuleType(name)
            package.__path__ = [str(folder)]
            sys.modules[name] = package
    compiler = COMPILER not in sys.modules
    if compiler:
        stub = ModuleType(COMPILER)
        vars(stub).update(disable=_unchanged, allow_in_graph=_unchanged)
        sys.modules[COMPILER] = stub
        torch._dynamo = stub
        added.append(COMPILER)
    if "scipy" not in sys.modules:
        sys.modules["scipy"] = None  # type: ignore[assignment]  # None: "not installed" to the import system
        added.append("scipy")
    try:
        yield
    finally:
        for name in added:
            sys.modules.pop(name, None)
        if compiler:
            vars(torch).pop("_dynamo", None)


def _unchanged(function: Callable[..., Any] | None = None, *_args: object, **_options: object) -> object:
    """A decorator, with or without arguments, that returns what it decorates."""
    return function if function is not None else (lambda inner: inner)
