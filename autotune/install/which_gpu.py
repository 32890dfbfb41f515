"""Which of the machine's cards the web UI computes on."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from autotune.model.machine import Gpu, Machine

VISIBLE = "CUDA_VISIBLE_DEVICES"


def of_machine(machine: Machine) -> int:
    """NVML's index of the web UI's card: its --device-id among the cards that its start script leaves visible.

    CUDA counts the fastest card first unless CUDA_DEVICE_ORDER says otherwise, NVML counts by bus; with unequal cards
    only a UUID in CUDA_VISIBLE_DEVICES is certain.
    """
    from autotune.webui.a1111 import environment

    if len(machine.gpus) < 2:
        return index(machine.webui.kept_flags)
    found = environment.of_start_script(machine.webui.root, machine.webui.launch_file)
    return index(machine.webui.kept_flags, found.variables.get(VISIBLE), machine.gpus)


def memory_untold(machine: Machine) -> str | None:
    """Why the memory of single processes on the web UI's card is not known; None where it is."""
    own = of_machine(machine) if machine.gpus else None
    return next((gpu.memory_untold for gpu in machine.gpus if gpu.index == own), None)


def index(kept: Sequence[str], visible: str | None = None, gpus: Sequence[Gpu] = ()) -> int:
    """As ``of_machine``, from the flags that are kept and the value of CUDA_VISIBLE_DEVICES."""
    chosen = 0
    for word, value in zip_longest(kept, kept[1:], fillvalue=""):
        name, _, given = word.partition("=")
        if name == "--device-id" and (given or value).isdigit():
            chosen = int(given or value)
    if visible is None:
        return chosen
    left: list[int] = []
    for name in (part.strip() for part in visible.split(",")):
        one = next((gpu.index for gpu in gpus if name and (name == str(gpu.index) or _is(gpu, name))), None)
        if one is None:
            break  # CUDA ignores what follows a name that it does not know
        left.append(one)
    return left[chosen] if chosen < len(left) else chosen


def _is(gpu: Gpu, name: str) -> bool:
    return name.startswith("GPU-") and (gpu.uuid or "").startswith(name)
