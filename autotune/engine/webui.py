"""One running web UI: its flags, options, model and state, and the one thread that does its jobs."""

from __future__ import annotations

import argparse
import json
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from autotune.engine import numbers, weights
from autotune.engine.clip import EXTENSION
from autotune.engine.faults import Faults, without_effect
from autotune.engine.model import Model
from autotune.engine.options import Options
from autotune.engine.sizes import SIZES
from autotune.engine.state import JobState
from autotune.engine.values import Json

T = TypeVar("T")
MARKER = "reference-webui.json"
NO_MODEL = "Stable diffusion model failed to load"


@dataclass(frozen=True, slots=True)
class CheckpointFile:
    """A file under models/Stable-diffusion. ``title`` as the options name it."""

    path: Path
    sha256: str

    @property
    def title(self) -> str:
        """NAME [HASH]."""
        return f"{self.path.name} [{self.sha256[:10]}]"

    def describe(self) -> dict[str, Json]:
        """An entry of GET /sd-models."""
        return {"title": self.title, "model_name": self.path.stem, "hash": self.sha256[:10],
                "sha256": self.sha256, "filename": str(self.path), "config": None}


class ReferenceWebUI:
    """What all requests of one process share. Jobs and option changes run one after another on `worker`."""

    def __init__(self, root: Path, flags: argparse.Namespace, default: argparse.Namespace, faults: Faults) -> None:
        self.root, self.flags, self.faults = root, flags, faults
        self.marker: dict[str, Json] = json.loads((root / MARKER).read_text(encoding="utf-8"))
        self.acting = without_effect(flags, default) if faults.has("ignore_flags") else flags
        self.data = Path(flags.data_dir)
        self.options = Options(Path(flags.ui_settings_file), frozen(flags))
        self.state = JobState()
        self.jobs = 0
        self.slower_kernels: dict[str, float] = dict(self.marker.get("slower_kernels", {}))
        self.dead = False
        self.attention = ""
        self.model: Model | None = None
        self.device = numbers.device_of(flags, str(self.marker.get("device", "auto")))
        self.worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="job")
        self.loading = threading.Lock()
        self.stop_asked = threading.Event()
        self.checkpoints = [CheckpointFile(p, weights.sha256(p)) for p in self._checkpoint_files()]
        self.options.callbacks["cross_attention_optimization"] = self.apply_attention

    def _checkpoint_files(self) -> list[Path]:
        folders = [self.models_folder / "Stable-diffusion"]
        if self.flags.ckpt_dir:
            folders.append(Path(self.flags.ckpt_dir))
        return sorted(p for folder in folders if folder.is_dir() for p in folder.rglob("*.safetensors"))

    @property
    def models_folder(self) -> Path:
        """--models-dir, else the data folder's models."""
        return Path(self.flags.models_dir) if self.flags.models_dir else self.data / "models"

    @property
    def extension(self) -> Path | None:
        """AnimateDiff's folder, None when it is absent or switched off."""
        off = self.flags.disable_all_extensions or self.flags.disable_extra_extensions
        folder = self.data / "extensions" / EXTENSION
        if off or not folder.is_dir() or EXTENSION in self.options.get("disabled_extensions"):
            return None
        return folder if any((folder / "scripts").glob("animatediff*.py")) else None

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Queue work behind all that was asked for before; its errors come out of the future."""
        return self.worker.submit(work)

    def checkpoint(self) -> CheckpointFile:
        """The checkpoint that the options name, else the first. Raises RuntimeError when there is none."""
        wanted = self.options.get("sd_model_checkpoint")
        for checkpoint in self.checkpoints:
            if wanted in (checkpoint.title, checkpoint.path.name, checkpoint.path.stem):
                return checkpoint
        if not self.checkpoints:
            raise RuntimeError(f"{NO_MODEL}: No checkpoints found in {self.models_folder / 'Stable-diffusion'}")
        return self.checkpoints[0]

    def load(self) -> None:
        """Load the model and apply attention. Raises RuntimeError (BrokenWeights) when it cannot."""
        with self.loading:
            if self.model is not None:
                return
            chosen = self.checkpoint()
            print(f"Loading weights [{chosen.sha256[:10]}] from {chosen.path}", flush=True)
            model = Model(SIZES[str(self.marker["size"])], self.acting, self.device)
            model.load(chosen.path)
            self.model = model
            self.options.data["sd_model_checkpoint"] = chosen.title
            self.options.data["sd_checkpoint_hash"] = chosen.sha256
            self.apply_attention()

    def apply_attention(self) -> None:
        """Put the attention that flags and options come to into effect (with `ignore_flags` it is only logged)."""
        if self.model is None:
            return
        option = str(self.options.get("cross_attention_optimization"))
        ignored = self.flags if self.faults.has("ignore_flags") else None
        self.attention = self.model.set_attention(option, ignored)


def frozen(flags: argparse.Namespace) -> tuple[str, ...] | None:
    """Keys of options that flags freeze; None: all."""
    if flags.freeze_settings:
        return None
    return tuple(k.strip() for k in (flags.freeze_specific_settings or "").split(",") if k.strip())
