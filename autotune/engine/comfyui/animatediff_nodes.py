"""The nodes of AnimateDiff-Evolved 1.5.7 that a clip's graph needs; its folder among the custom nodes has them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from autotune.engine.comfyui import folder_paths
from autotune.engine.comfyui.core_nodes import Patched, ade
from autotune.engine.sizes import SEED_KEY, is_motion

Inputs = dict[str, dict[str, tuple[Any, ...]]]
SIGN = "🎭🅐🅓"
SCHEDULES = [
    "autoselect", "use existing", "sqrt_linear (AnimateDiff)", "linear (AnimateDiff-SDXL)",
    "linear (HotshotXL/default)", "avg(sqrt_linear,linear)", "lcm avg(sqrt_linear,linear)", "lcm", "lcm[100_ots]",
    "lcm >> sqrt_linear", "sqrt", "cosine", "squaredcos_cap_v2"]
FUSE = ["pyramid", "relative", "flat", "overlap-linear"]
CONTROLS = {"scale_multival": ("MULTIVAL",), "effect_multival": ("MULTIVAL",)}
MOTION_KIND = "animatediff_models"


def motion_file(name: str) -> Path:
    """The motion module's file, looked into. Raises ValueError for one of something else."""
    from safetensors import safe_open

    path = Path(folder_paths.get_full_path_or_raise(MOTION_KIND, name))
    with safe_open(path, framework="np") as opened:
        keys = list(opened.keys())
    if SEED_KEY not in keys and not any(map(is_motion, keys)):
        raise ValueError(f"'{name}' is not a valid SD1.5 nor SDXL motion module - contained -1 downblocks.")
    return path


def _patched(model: Patched, motion: Path | None, context: tuple[int, int, int] | None, schedule: str) -> Patched:
    if motion is not None and schedule == "autoselect":
        ade(f"[Autoselect]: 'sqrt_linear (AnimateDiff)' beta_schedule for {motion.name}:v2:AnimateDiff:SD1.5")
    return replace(model, motion=motion or model.motion, context=context or model.context)


class LoadAnimateDiffModel:
    """Reads a motion module."""

    RETURN_TYPES, RETURN_NAMES = ("MOTION_MODEL_ADE",), ("MOTION_MODEL",)
    FUNCTION, CATEGORY = "load_motion_model", f"Animate Diff {SIGN}/② Gen2 nodes ②"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Its inputs."""
        return {"required": {"model_name": (folder_paths.get_filename_list(MOTION_KIND),)},
                "optional": {"ad_settings": ("AD_SETTINGS",)},
                "hidden": {"autosize": ("ADEAUTOSIZE", {"padding": 50})}}

    def load_motion_model(self, model_name: str, ad_settings: object = None) -> tuple[Path]:  # noqa: ARG002
        """The file."""
        ade(f"Loading motion module {model_name} via Gen2")
        return (motion_file(model_name),)


class ApplyAnimateDiffModelSimple:
    """Makes a list of motion modules of one."""

    RETURN_TYPES = ("M_MODELS",)
    FUNCTION, CATEGORY = "apply_motion_model", f"Animate Diff {SIGN}/② Gen2 nodes ②"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Its inputs."""
        return {"required": {"motion_model": ("MOTION_MODEL_ADE",)},
                "optional": {"motion_lora": ("MOTION_LORA",), **CONTROLS, "ad_keyframes": ("AD_KEYFRAMES",),
                             "per_block": ("PER_BLOCK",)},
                "hidden": {"autosize": ("ADEAUTOSIZE", {"padding": 0})}}

    def apply_motion_model(self, motion_model: Path, **_rest: object) -> tuple[Path]:
        """The module."""
        return (motion_model,)


class UseEvolvedSampling:
    """Puts motion modules and context windows onto a model."""

    RETURN_TYPES = ("MODEL",)
    FUNCTION, CATEGORY = "use_evolved_sampling", f"Animate Diff {SIGN}/② Gen2 nodes ②"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Its inputs."""
        return {"required": {"model": ("MODEL",), "beta_schedule": (SCHEDULES, {"default": "autoselect"})},
                "optional": {"m_models": ("M_MODELS",), "context_options": ("CONTEXT_OPTIONS",),
                             "sample_settings": ("SAMPLE_SETTINGS",)}}

    def use_evolved_sampling(self, model: Patched, beta_schedule: str, m_models: Path | None = None,
                             context_options: tuple[int, int, int] | None = None,
                             **_rest: object) -> tuple[Patched]:
        """The model with them."""
        return (_patched(model, m_models, context_options, beta_schedule),)


class AnimateDiffLoaderGen1:
    """Reads a motion module and puts it onto a model, in one node."""

    RETURN_TYPES = ("MODEL",)
    FUNCTION, CATEGORY = "load_mm_and_inject_params", f"Animate Diff {SIGN}/① Gen1 nodes ①"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Its inputs."""
        return {"required": {"model": ("MODEL",), "model_name": (folder_paths.get_filename_list(MOTION_KIND),),
                             "beta_schedule": (SCHEDULES, {"default": "autoselect"})},
                "optional": {"context_options": ("CONTEXT_OPTIONS",), "motion_lora": ("MOTION_LORA",),
                             "ad_settings": ("AD_SETTINGS",), "ad_keyframes": ("AD_KEYFRAMES",),
                             "sample_settings": ("SAMPLE_SETTINGS",), **CONTROLS, "per_block": ("PER_BLOCK",)}}

    def load_mm_and_inject_params(self, model: Patched, model_name: str, beta_schedule: str,
                                  context_options: tuple[int, int, int] | None = None,
                                  **_rest: object) -> tuple[Patched]:
        """The model with it."""
        ade(f"Loading motion module {model_name}")
        return (_patched(model, motion_file(model_name), context_options, beta_schedule),)


class StandardUniformContextOptions:
    """Context windows over clips that are longer than the motion module's limit."""

    RETURN_TYPES, RETURN_NAMES = ("CONTEXT_OPTIONS",), ("CONTEXT_OPTS",)
    FUNCTION, CATEGORY = "create_options", f"Animate Diff {SIGN}/context opts"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Its inputs."""
        return {"required": {"context_length": ("INT", {"default": 16, "min": 1, "max": 128}),
                             "context_stride": ("INT", {"default": 1, "min": 1, "max": 32}),
                             "context_overlap": ("INT", {"default": 4, "min": 0, "max": 128})},
                "optional": {"fuse_method": (FUSE,), "use_on_equal_length": ("BOOLEAN", {"default": False}),
                             "start_percent": ("FLOAT", {"default": 0.0, "min": 0.0, "max": 1.0, "step": 0.001}),
                             "guarantee_steps": ("INT", {"default": 1, "min": 0, "max": 9999999}),
                             "prev_context": ("CONTEXT_OPTIONS",), "view_opts": ("VIEW_OPTS",)}}

    def create_options(self, context_length: int, context_stride: int, context_overlap: int,
                       **_rest: object) -> tuple[tuple[int, int, int]]:
        """Length, stride and overlap, in frames."""
        return ((context_length, context_stride, context_overlap),)


NODE_CLASS_MAPPINGS: dict[str, type] = {f"ADE_{one.__name__}": one for one in (
    AnimateDiffLoaderGen1, LoadAnimateDiffModel, ApplyAnimateDiffModelSimple, UseEvolvedSampling,
    StandardUniformContextOptions)}
NODE_DISPLAY_NAME_MAPPINGS: dict[str, str] = {
    "ADE_AnimateDiffLoaderGen1": f"AnimateDiff Loader {SIGN}①",
    "ADE_LoadAnimateDiffModel": f"Load AnimateDiff Model {SIGN}②",
    "ADE_ApplyAnimateDiffModelSimple": f"Apply AnimateDiff Model {SIGN}②",
    "ADE_UseEvolvedSampling": f"Use Evolved Sampling {SIGN}②",
    "ADE_StandardUniformContextOptions": f"Context Options◆Standard Uniform {SIGN}",
}


def add_folders(package: Path) -> None:
    """Where motion modules lie: the package's own folder, and models/animatediff_models."""
    for kind, name in ((MOTION_KIND, "models"), ("animatediff_motion_lora", "motion_lora"),
                       ("animatediff_video_formats", "video_formats")):
        folder_paths.add_model_folder_path(kind, str(package / name))
        suffixes = {".json"}
        if name != "video_formats":
            folder_paths.add_model_folder_path(kind, str(Path(folder_paths.models_dir) / kind))
            suffixes = folder_paths.WEIGHTS
        folder_paths.folder_names_and_paths[kind][1].update(suffixes)
