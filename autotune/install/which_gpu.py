"""Which of the machine's GPUs the web UI computes on."""

from __future__ import annotations

from collections.abc import Sequence

from autotune.model.machine import Gpu, Machine
from autotune.webui.recognise import face_of

VISIBLE = "CUDA_VISIBLE_DEVICES"


def of_machine(machine: Machine) -> int:
    """NVML's index of the GPU that the web UI computes on: its choice among those that its start leaves visible.

    NVML counts GPUs by bus, CUDA the fastest first unless CUDA_DEVICE_ORDER says otherwise. So with unequal GPUs only
    a UUID in CUDA_VISIBLE_DEVICES is certain.
    """
    webui = face_of(machine.webui.root)
    chosen = webui.device_of(machine.webui.kept_flags)
    if len(machine.gpus) < 2:
        return index(chosen)
    found = webui.variables(machine.webui.root, machine.webui.launch_file)
    return index(chosen, found.get(VISIBLE), machine.gpus)


def memory_untold(machine: Machine) -> str | None:
    """Why GPU memory by process is not known for the web UI's GPU; None where it is known."""
    own = of_machine(machine) if machine.gpus else None
    return next((gpu.memory_untold for gpu in machine.gpus if gpu.index == own), None)


def index(chosen: int, visible: str | None = None, gpus: Sequence[Gpu] = ()) -> int:
    """The index (see ``of_machine``) by the number that the flags choose, CUDA_VISIBLE_DEVICES, and all GPUs."""
    if visible is None:
        return chosen
    left: list[int] = []
    for name in map(str.strip, visible.split(",")):
        uuid = name.startswith("GPU-")  # its beginning is enough
        found = [gpu.index for gpu in gpus if name == str(gpu.index) or (uuid and (gpu.uuid or "").startswith(name))]
        if not found:
            break  # CUDA ignores everything behind a name that it does not know
        left.append(found[0])
    return left[chosen] if chosen < len(left) else chosen
