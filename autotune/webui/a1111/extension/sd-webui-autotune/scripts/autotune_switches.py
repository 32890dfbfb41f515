"""Switches of PyTorch among the web UI's settings. Installed by `autotune extension install --switches` alone.

Each stands at "default" until somebody changes it, and PyTorch is then exactly as the web UI left it. What PyTorch
really has is told at /autotune-switches (GET): the levels that fit, for each switch. Two act at once. The third,
cudnn.benchmark, is set while this file is loaded and not later: cuDNN's plan for the shape of a convolution is kept
from its first use on, whatever the switch says afterwards, so that changing it in a running process says little.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch
from modules import script_callbacks, shared

ADDRESS = "/autotune-switches"
SECTION = ("autotune", "autotune: switches of PyTorch")
DEFAULT, ON = "default", "on"
CUDA = torch.cuda.is_available()
FIRST = {"flash": "FLASH_ATTENTION", "mem-efficient": "EFFICIENT_ATTENTION", "cudnn": "CUDNN_ATTENTION", "math": "MATH"}
"""Levels of the order of attention kernels, with PyTorch's names of the kernels."""
SKIPPED = {"mem-efficient": ("flash",), "math": ("flash", "mem_efficient", "cudnn")}
"""Kernels that are switched off so that one comes first where PyTorch takes no order (before 2.6, and on a CPU):
its own is flash, memory-efficient, math. "math" always switches them off, so that it is first on a CPU as well."""
KERNELS = ("flash", "mem_efficient", "math", "cudnn")
"""Kernels that PyTorch can switch off: ``torch.backends.cuda.enable_…_sdp``. The last one is new in 2.4."""


class Flag:
    """One truth value of PyTorch's: at "default" as it was when the web UI had started."""

    def __init__(self, place: Any, name: str) -> None:
        self.place, self.name = place, name
        self.begun = self.read()

    def levels(self) -> list[str]:
        """The values that the option can have here."""
        return [DEFAULT, ON]

    def wanted(self, level: str) -> Any:
        """What PyTorch has at a level."""
        return True if level == ON else self.begun

    def read(self) -> Any:
        """What PyTorch has now."""
        return getattr(self.place, self.name)

    def write(self, state: Any) -> None:
        """Gives PyTorch a state."""
        setattr(self.place, self.name, state)


class Order:
    """Which kernel of scaled dot product attention comes first. A state: (kernels that are on, PyTorch's order)."""

    def __init__(self) -> None:
        self.ordered = CUDA and hasattr(torch._C, "_set_sdp_priority_order")
        self.kernels = [name for name in KERNELS if hasattr(torch.backends.cuda, f"enable_{name}_sdp")]
        self.begun = self.read()

    def levels(self) -> list[str]:
        """The values that the option can have here."""
        if self.ordered:
            return [DEFAULT, *(level for level in FIRST if level != "cudnn" or "cudnn" in self.kernels)]
        return [DEFAULT, *(("mem-efficient",) if CUDA else ()), "math"]

    def wanted(self, level: str) -> tuple[dict[str, bool], list[int] | None]:
        """What PyTorch has at a level."""
        on, order = self.begun
        if level == DEFAULT:
            return self.begun
        if order is not None:
            first = int(getattr(torch._C._SDPBackend, FIRST[level]))
            order = [first, *(one for one in order if one != first)]
        if order is None or level == "math":
            on = {name: name not in SKIPPED[level] and was for name, was in on.items()}
        return on, order

    def read(self) -> tuple[dict[str, bool], list[int] | None]:
        """What PyTorch has now."""
        on = {name: bool(getattr(torch.backends.cuda, f"{name}_sdp_enabled")()) for name in self.kernels}
        return on, [int(one) for one in torch._C._get_sdp_priority_order()] if self.ordered else None

    def write(self, state: tuple[dict[str, bool], list[int] | None]) -> None:
        """Gives PyTorch a state."""
        on, order = state
        for name, value in on.items():
            getattr(torch.backends.cuda, f"enable_{name}_sdp")(value)
        if order is not None:
            torch._C._set_sdp_priority_order(order)


class Switch:
    """One option. ``live``: it acts in a running process; ``cuda``: it acts with CUDA only."""

    def __init__(self, key: str, label: str, state: Flag | Order, live: bool, cuda: bool) -> None:
        self.key, self.label, self.state, self.live, self.cuda = key, label, state, live, cuda

    def option(self) -> Any:
        """The option's value."""
        return getattr(shared.opts, self.key, DEFAULT)

    def put(self) -> None:
        """Gives PyTorch what the option says. Raises ValueError, RuntimeError; the web UI then takes a change back."""
        level = self.option()
        if level not in self.state.levels():
            raise ValueError(f"{self.key}: {level!r} is not one of {', '.join(self.state.levels())}")
        self.state.write(self.state.wanted(level))
        if level not in self.fitting():
            raise RuntimeError(f"{self.key}: PyTorch did not take {level!r}")

    def changed(self) -> None:
        """The option was changed while the web UI runs."""
        if self.live:
            self.put()
        elif self.option() not in self.state.levels():
            raise ValueError(f"{self.key}: {self.option()!r} is not one of {', '.join(self.state.levels())}")

    def fitting(self) -> list[str]:
        """The levels that come to what PyTorch has now: two where "default" is the same as another one."""
        now = self.state.read()
        return [level for level in self.state.levels() if self.state.wanted(level) == now]

    def info(self) -> Any:
        """The option as the web UI wants it."""
        gradio = sys.modules.get("gradio")  # without the web UI's page nobody has loaded it
        found = shared.OptionInfo(
            DEFAULT, self.label, getattr(gradio, "Radio", None), {"choices": self.state.levels()},
            onchange=self.changed, section=SECTION)
        told = [] if self.live else ["acts from the next start of the web UI on"]
        told += ["does nothing here: this PyTorch has no CUDA device"] if self.cuda and not CUDA else []
        return found.info("; ".join(told)) if told else found


def switches() -> list[Switch]:
    """Those that this PyTorch has."""
    found = [Switch("autotune_cudnn_benchmark", "cuDNN tries its convolution kernels out (cudnn.benchmark)",
                    Flag(torch.backends.cudnn, "benchmark"), live=False, cuda=True)]
    if hasattr(torch.backends.cuda.matmul, "allow_fp16_accumulation"):
        found.append(Switch("autotune_fp16_accumulation", "16-bit products are summed in 16 bits (changes images)",
                            Flag(torch.backends.cuda.matmul, "allow_fp16_accumulation"), live=True, cuda=True))
    if hasattr(torch.backends.cuda, "enable_flash_sdp"):
        found.append(Switch("autotune_sdpa_order", "First kernel of scaled dot product attention",
                            Order(), live=True, cuda=False))
    return found


SWITCHES = switches()


def register() -> None:
    """Adds the options. Again and again: a web UI without its page never asks for settings."""
    for switch in SWITCHES:
        shared.opts.add_option(switch.key, switch.info())


def at_start() -> None:
    """Gives PyTorch what config.json says, before anything is computed."""
    for switch in SWITCHES:
        if switch.option() == DEFAULT:
            continue
        try:
            switch.put()
        except (ValueError, RuntimeError) as problem:
            print(f"autotune: {problem}; it stays as it was", file=sys.stderr, flush=True)
        if switch.cuda and not CUDA:
            print(f"autotune: {switch.key} does nothing here: this PyTorch has no CUDA device", flush=True)


def put_back() -> None:
    """The web UI loads its scripts anew: the next ones shall find PyTorch as this one did."""
    for switch in SWITCHES:
        switch.state.write(switch.state.begun)


def told() -> dict[str, list[str]]:
    """For each option the levels that come to what PyTorch has now."""
    return {switch.key: switch.fitting() for switch in SWITCHES}


def on_app_started(_demo: Any, app: Any) -> None:
    """Adds the options where there is no page, and the address at which PyTorch's state is told."""
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    register()

    async def answer(_request: Any) -> JSONResponse:
        return JSONResponse(told(), headers={"Cache-Control": "no-store"})

    endpoint: Callable[[Any], Any] = answer
    app.router.routes.insert(0, Route(ADDRESS, endpoint, methods=["GET"]))


at_start()
script_callbacks.on_ui_settings(register)
script_callbacks.on_app_started(on_app_started)
script_callbacks.on_script_unloaded(put_back)
