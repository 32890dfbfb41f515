"""Switches of PyTorch among the web UI's settings. Installed by `autotune extension install --switches` alone.

Each stands at "default" until somebody changes it, and PyTorch is then exactly as the web UI left it. What PyTorch
really has is told at /autotune-switches (GET): the levels that fit, for each switch. Two act at once. The third,
cudnn.benchmark, is set while this file is loaded and not later: cuDNN's plan for the shape of a convolution is kept
from its first use on, whatever the switch says afterwards.
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
    "first": ("where it cannot do a job, the next one does", "使えない場合は次のカーネルが使われます"),
    "plain": ("math leaves the fused kernel out", "mathは融合カーネルを使いません"),
    "no cuda": ("does nothing here: the web UI does not compute with CUDA",
                "ここでは効果がありません (Web UIがCUDAで計算していません)"),
}
"""What the settings page shows, in English and Japanese."""
DEFAULT, ON = "default", "on"
KERNELS = {"flash": 1, "mem-efficient": 2, "cudnn": 3, "math": 0}
"""Levels of the order of attention kernels, with PyTorch's numbers of the kernels (SDPBackend)."""
OFF = {"flash": ("cudnn",), "mem-efficient": ("cudnn", "flash"), "math": ("cudnn", "flash", "mem_efficient")}
"""Kernels that are switched off (``torch.backends.cuda.enable_…_sdp``) so that one comes first where PyTorch takes no
order: before 2.6, and on a CPU."""


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
        self._ordered = CUDA and hasattr(torch._C, "_set_sdp_priority_order")
        names = ("flash", "mem_efficient", "math", "cudnn")
        self._kernels = [name for name in names if hasattr(torch.backends.cuda, f"enable_{name}_sdp")]

    def levels(self) -> list[str]:
        """The values that the option can have here."""
        if not CUDA:
            return [DEFAULT, "math"]
        cudnn = "cudnn" in self._kernels
        return [DEFAULT, *(["flash"] if cudnn or self._ordered else []), "mem-efficient",
                *(["cudnn"] if cudnn and self._ordered else []), "math"]

    def live(self, _level: str) -> bool:
        """Whether a level can be had now."""
        return True

    def taken(self) -> int:
        """The number of the kernel that PyTorch takes now for attention over 64 x 64 positions; computes nothing."""
        kind = torch.float16 if CUDA else torch.float32
        one = torch.empty((1, 8, 4096, 40), dtype=kind, device=device())
        return int(torch._fused_sdp_choice(one, one, one))

    def begun(self) -> tuple[State, int]:
        """PyTorch's own state, and the kernel that it takes by itself: to be asked before anything is changed.

        Only after it was asked for a kernel once is its order the one that counts: where it prefers cuDNN's, it puts
        that first then (seen on an H200 with 2.11). Kept beside PyTorch, as the web UI may load its scripts anew.
        """
        kept = vars(torch)
        if "_autotune_sdpa_at_start" not in kept:
            taken = self.taken()
            kept["_autotune_sdpa_at_start"] = (self.read(), taken)
        found: tuple[State, int] = kept["_autotune_sdpa_at_start"]
        return found

    def wanted(self, level: str) -> State:
        """What PyTorch has at a level."""
        on, order = self.begun()[0]
        if level == DEFAULT:
            return on, order
        if order is not None:
            first = KERNELS[level]
            return on, [first, *(one for one in order if one != first)]
        return {name: was and name not in OFF[level] for name, was in on.items()}, None

    def fits(self, level: str) -> bool:
        """Whether PyTorch has a level, and takes the kernel that this means."""
        kernel = self.begun()[1] if level == DEFAULT else KERNELS[level]
        return self.wanted(level) == self.read() and kernel == self.taken()

    def read(self) -> State:
        """What PyTorch has now."""
        on = {name: bool(getattr(torch.backends.cuda, f"{name}_sdp_enabled")()) for name in self._kernels}
        return on, [int(one) for one in torch._C._get_sdp_priority_order()] if self._ordered else None

    def write(self, level: str) -> None:
        """Gives PyTorch a level."""
        on, order = self.wanted(level)
        for name, value in on.items():
            getattr(torch.backends.cuda, f"enable_{name}_sdp")(value)
        if order is not None:
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
    # PyTorch 2.1 raises AssertionError where the place itself is asked for a name that it does not know.
    if hasattr(torch._C, "_get_cublas_allow_fp16_accumulation"):
        found.append(Switch("fp16_accumulation", Flag(products, "allow_fp16_accumulation", live=True), True, "images"))
    if hasattr(torch.backends.cuda, "enable_flash_sdp") and hasattr(torch, "_fused_sdp_choice"):
        found.append(Switch("sdpa_order", Order(), False, "first" if CUDA else "plain"))
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
        if switch.option() != DEFAULT:
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
