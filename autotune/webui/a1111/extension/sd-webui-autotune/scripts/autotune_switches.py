"""Switches of PyTorch among the web UI's settings. Installed by `autotune extension install --switches` alone.

Each stands at "default" until somebody changes it, and PyTorch is then exactly as the web UI left it. What PyTorch
really has is told at /autotune-switches (GET): the levels that fit, for each switch. What acts at once is set at once.
Two things cannot be taken back in a running process, and are set while this file is loaded and not later:

- cudnn.benchmark: cuDNN's plan for the shape of a convolution is kept from its first use on, whatever the switch says.
- cuDNN's kernel of attention first: PyTorch then takes an order, and from there on does without its own preference,
  which is not the order that it tells. The other kernels come first by switching off those before them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch
from modules import script_callbacks, shared

ADDRESS = "/autotune-switches"
WORDS = {
    "section": ("autotune: switches of PyTorch", "autotune: PyTorchの切り替え"),
    "cudnn_benchmark": ("cuDNN tries its convolution kernels out (cudnn.benchmark)",
                        "cuDNNに畳み込みのカーネルを試させる (cudnn.benchmark)"),
    "fp16_accumulation": ("16-bit products are summed in 16 bits (fp16 accumulation)",
                          "16ビットの積を16ビットで累算する (fp16 accumulation)"),
    "sdpa_order": ("First kernel of scaled dot product attention",
                   "scaled dot product attentionで最初に使うカーネル"),
    "next start": ("acts from the next start of the web UI on", "Web UIの次回起動から有効"),
    "images": ("changes images a little", "画像が少し変わります"),
    "cudnn": ("cudnn acts from the next start of the web UI on, and so does leaving it",
              "cudnnにする、またはcudnnから戻す変更は、Web UIの次回起動から有効"),
    "plain": ("math leaves the fused kernel out", "mathは融合カーネルを使いません"),
    "no cuda": ("does nothing here: the web UI does not compute with CUDA",
                "ここでは効果がありません (Web UIがCUDAで計算していません)"),
}
"""What the settings page shows, in English and Japanese."""
DEFAULT, ON = "default", "on"
KERNELS = {"flash": 1, "mem-efficient": 2, "cudnn": 3, "math": 0}
"""Levels of the order of attention kernels, with PyTorch's numbers of the kernels (SDPBackend)."""
OFF = {"flash": ("cudnn",), "mem-efficient": ("cudnn", "flash"), "math": ("cudnn", "flash", "mem_efficient")}
"""Kernels that are switched off (``torch.backends.cuda.enable_…_sdp``) so that one comes first."""


def said(word: str) -> str:
    """One of WORDS in the language that the web UI's own setting chooses."""
    return WORDS[word][str(getattr(shared.opts, "localization", "")).lower().startswith("ja")]


def device() -> torch.device:
    """Where the web UI computes."""
    found = getattr(shared, "device", None)
    return found if isinstance(found, torch.device) else torch.device("cuda" if torch.cuda.is_available() else "cpu")


CUDA = device().type == "cuda"


class Flag:
    """One truth value of PyTorch's: at "default" as it was when the web UI had started."""

    def __init__(self, place: Any, name: str, live: bool) -> None:
        self._place, self._name, self._live = place, name, live
        self.begun = bool(getattr(place, name))

    def levels(self) -> list[str]:
        """The values that the option can have here."""
        return [DEFAULT, ON]

    def live(self, _level: str) -> bool:
        """Whether a level can be had now."""
        return self._live

    def fits(self, level: str) -> bool:
        """Whether PyTorch has a level."""
        return bool(getattr(self._place, self._name)) == (True if level == ON else self.begun)

    def write(self, level: str) -> None:
        """Gives PyTorch a level."""
        setattr(self._place, self._name, True if level == ON else self.begun)


State = tuple[dict[str, bool], "list[int] | None"]


class Order:
    """Which kernel of scaled dot product attention comes first. A state: (kernels that are on, PyTorch's order)."""

    def __init__(self) -> None:
        self.ordered = CUDA and hasattr(torch._C, "_set_sdp_priority_order")
        names = ("flash", "mem_efficient", "math", "cudnn")
        self.kernels = [name for name in names if hasattr(torch.backends.cuda, f"enable_{name}_sdp")]
        # The web UI may load its scripts anew in a process whose PyTorch has taken an order: that is not its beginning.
        self.begun: State = vars(torch).setdefault("_autotune_order_at_start", self.read())
        self.usual: int | None = None

    def levels(self) -> list[str]:
        """The values that the option can have here."""
        if not CUDA:
            return [DEFAULT, "math"]
        has_cudnn = "cudnn" in self.kernels
        return [DEFAULT, *(["flash"] if has_cudnn else []), "mem-efficient",
                *(["cudnn"] if has_cudnn and self.ordered else []), "math"]

    def live(self, level: str) -> bool:
        """Whether a level can be had now: not where PyTorch was, or would be, given an order."""
        return level != "cudnn" and self.read()[1] == self.begun[1]

    def taken(self) -> int:
        """The number of the kernel that PyTorch takes now for attention over 64 x 64 positions; computes nothing."""
        kind = torch.float16 if CUDA else torch.float32
        one = torch.empty((1, 8, 4096, 40), dtype=kind, device=device())
        return int(torch._fused_sdp_choice(one, one, one))

    def wanted(self, level: str) -> State:
        """What PyTorch has at a level."""
        on, order = self.begun
        if level == "cudnn" and order is not None:
            first = KERNELS[level]
            return on, [first, *(one for one in order if one != first)]
        return {name: was and name not in OFF.get(level, ()) for name, was in on.items()}, order

    def fits(self, level: str) -> bool:
        """Whether PyTorch has a level, and takes the kernel that this means."""
        taken = self.taken()
        if self.usual is None and self.read() == self.begun:
            self.usual = taken
        kernel = self.usual if level == DEFAULT else KERNELS[level]
        return self.wanted(level) == self.read() and kernel == taken

    def read(self) -> State:
        """What PyTorch has now."""
        on = {name: bool(getattr(torch.backends.cuda, f"{name}_sdp_enabled")()) for name in self.kernels}
        return on, [int(one) for one in torch._C._get_sdp_priority_order()] if self.ordered else None

    def write(self, level: str) -> None:
        """Gives PyTorch a level. An order that it has taken stays."""
        self.fits(DEFAULT)  # what it takes by itself is to be known before anything is changed
        on, order = self.wanted(level)
        for name, value in on.items():
            getattr(torch.backends.cuda, f"enable_{name}_sdp")(value)
        if order is not None and order != self.begun[1]:
            torch._C._set_sdp_priority_order(order)


class Switch:
    """One option. ``note``: what the settings page says beside it, of WORDS; ``cuda``: it acts with CUDA only."""

    def __init__(self, name: str, state: Flag | Order, cuda: bool, note: str) -> None:
        self.name, self.key, self.state, self.cuda, self.note = name, f"autotune_{name}", state, cuda, note

    def option(self) -> Any:
        """The option's value."""
        return getattr(shared.opts, self.key, DEFAULT)

    def put(self) -> None:
        """Gives PyTorch what the option says. Raises ValueError, RuntimeError; the web UI then takes a change back."""
        level = self._level()
        self.state.write(level)
        if not self.state.fits(level):
            self.state.write(DEFAULT)
            raise RuntimeError(f"{self.key}: PyTorch did not take {level!r}")

    def changed(self) -> None:
        """The option was changed while the web UI runs; what cannot act now acts from the next start on."""
        if self.state.live(self._level()):
            self.put()

    def _level(self) -> str:
        level = self.option()
        if level not in self.state.levels():
            raise ValueError(f"{self.key}: {level!r} is not one of {', '.join(self.state.levels())}")
        return str(level)

    def fitting(self) -> list[str]:
        """The levels that come to what PyTorch has now: two where "default" is the same as another one."""
        return [level for level in self.state.levels() if self.state.fits(level)]

    def info(self) -> Any:
        """The option as the web UI wants it."""
        gradio = sys.modules.get("gradio")  # without the web UI's page nobody has loaded it
        found = shared.OptionInfo(
            DEFAULT, said(self.name), getattr(gradio, "Radio", None), {"choices": self.state.levels()},
            onchange=self.changed, section=("autotune", said("section")))
        return found.info(said("no cuda" if self.cuda and not CUDA else self.note))


def switches() -> list[Switch]:
    """Those that this PyTorch has."""
    found = [Switch("cudnn_benchmark", Flag(torch.backends.cudnn, "benchmark", live=False), True, "next start")]
    products = torch.backends.cuda.matmul
    if hasattr(products, "allow_fp16_accumulation"):
        found.append(Switch("fp16_accumulation", Flag(products, "allow_fp16_accumulation", live=True), True, "images"))
    if hasattr(torch.backends.cuda, "enable_flash_sdp") and hasattr(torch, "_fused_sdp_choice"):
        found.append(Switch("sdpa_order", Order(), False, "cudnn" if CUDA else "plain"))
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
            print(f"autotune: {switch.key} does nothing here: the web UI does not compute with CUDA", flush=True)


def put_back() -> None:
    """The web UI loads its scripts anew: the next ones shall find PyTorch as this one did."""
    for switch in SWITCHES:
        switch.state.write(DEFAULT)


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
