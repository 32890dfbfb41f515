"""ComfyUI's nodes for pictures and plain values: load, scale, save, preview, numbers and texts."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from autotune.engine.comfyui import folder_paths
from autotune.engine.comfyui.runtime import Runtime
from autotune.engine.values import Json, Tensor

if TYPE_CHECKING:
    from PIL.Image import Image

Inputs = dict[str, dict[str, tuple[Any, ...]]]
HIDDEN = {"prompt": ("PROMPT",), "extra_pnginfo": ("EXTRA_PNGINFO",)}
SCALES = {"nearest-exact": "nearest-exact", "bilinear": "bilinear", "area": "area", "bicubic": "bicubic",
          "lanczos": "bicubic"}
"""ComfyUI's ways to scale, with torch's; lanczos is computed as bicubic."""
EXIF_MODEL, EXIF_MAKE = 0x0110, 0x010F


def pillow(pictures: Tensor) -> list[Image]:
    """Pillow's pictures of a batch (n, height, width, 3) in 0..1; what is no number turns black, as numpy casts it."""
    import numpy as np
    from PIL import Image as Pillow

    return [Pillow.fromarray(np.clip(255.0 * picture.numpy(), 0, 255).astype(np.uint8)) for picture in pictures]


def metadata(prompt: Json, extra: Json) -> dict[str, str]:
    """What is written into files: the graph, and what the page adds; nothing with --disable-metadata."""
    if Runtime.current.args.disable_metadata:
        return {}
    found = {} if prompt is None else {"prompt": json.dumps(prompt)}
    return {**found, **{name: json.dumps(value) for name, value in (extra or {}).items()}}


def _finish(path: Path) -> None:
    """`truncated`: half of the file."""
    if "truncated" in Runtime.current.hits:
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])


class SaveImage:
    """Saves pictures as PNG, one a file."""

    RETURN_TYPES: tuple[str, ...] = ()
    FUNCTION, CATEGORY, OUTPUT_NODE = "save_images", "image", True
    DESCRIPTION = "Saves pictures in the output folder."
    kind, tail = "output", ""

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Its inputs."""
        return {"required": {"images": ("IMAGE", {"tooltip": "The pictures."}),
                             "filename_prefix": ("STRING", {"default": "ComfyUI", "tooltip": "The files' prefix."})},
                "hidden": {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"}}  # type: ignore[dict-item]

    def save_images(self, images: Tensor, filename_prefix: str = "ComfyUI", prompt: Json = None,
                    extra_pnginfo: Json = None) -> dict[str, Json]:
        """Writes the files and tells their names."""
        from PIL.PngImagePlugin import PngInfo

        root = str(folder_paths.get_directory_by_type(self.kind))
        height, width = images.shape[1:3]
        prefix = filename_prefix + self.tail
        folder, name, number, inside, _prefix = folder_paths.get_save_image_path(prefix, root, width, height)
        found = []
        for at, picture in enumerate(pillow(images)):
            info = PngInfo()
            for key, value in metadata(prompt, extra_pnginfo).items():
                info.add_text(key, value)
            path = Path(folder) / f"{name.replace('%batch_num%', str(at))}_{number + at:05}_.png"
            picture.save(path, pnginfo=info, compress_level=4)
            _finish(path)
            found.append({"filename": path.name, "subfolder": inside, "type": self.kind})
        return {"ui": {"images": found}}


class PreviewImage(SaveImage):
    """Saves pictures among the temporary files."""

    DESCRIPTION = "Shows pictures; they are kept as temporary files."
    kind = "temp"

    def __init__(self) -> None:
        self.tail = "_temp_" + "".join(random.choice("abcdefghijklmnopqrstupvxyz") for _ in range(5))

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Its inputs."""
        whole = SaveImage.INPUT_TYPES()
        return {"required": {"images": ("IMAGE",)}, "hidden": whole["hidden"]}


class SaveAnimatedWEBP:
    """Saves a batch as one animated WEBP."""

    RETURN_TYPES, RETURN_NAMES = ("IMAGE",), ("images",)
    FUNCTION, CATEGORY, OUTPUT_NODE = "save", "image", True
    RELATIVE_PYTHON_MODULE = "comfy_extras.nodes_images"
    NEWER_FORM = True
    METHODS: ClassVar[dict[str, int]] = {"default": 4, "fastest": 0, "slowest": 6}

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Its inputs."""
        return {"required": {
            "images": ("IMAGE", {}), "filename_prefix": ("STRING", {"default": "ComfyUI", "multiline": False}),
            "fps": ("FLOAT", {"default": 6.0, "min": 0.01, "max": 1000.0, "step": 0.01}),
            "lossless": ("BOOLEAN", {"default": True}),
            "quality": ("INT", {"default": 80, "min": 0, "max": 100}),
            "method": ("COMBO", {"multiselect": False, "options": list(cls.METHODS)})}, "hidden": HIDDEN}

    def save(self, images: Tensor, filename_prefix: str, fps: float, prompt: Json = None, extra_pnginfo: Json = None,
             **form: Json) -> dict[str, Json]:
        """Writes the file and tells its name; hands the pictures on. ``form``: lossless, quality, method."""
        pictures = pillow(images)
        folder, name, number, inside, _prefix = folder_paths.get_save_image_path(
            filename_prefix, folder_paths.get_output_directory(), *pictures[0].size)
        exif = pictures[0].getexif()
        for at, (key, value) in enumerate(metadata(prompt, extra_pnginfo).items()):
            exif[EXIF_MODEL if key == "prompt" else EXIF_MAKE - at] = f"{key}:{value}"
        path = Path(folder) / f"{name}_{number:05}_.webp"
        pictures[0].save(path, save_all=True, duration=int(1000.0 / fps), append_images=pictures[1:], exif=exif,
                         lossless=form["lossless"], quality=form["quality"], method=self.METHODS[form["method"]])
        _finish(path)
        found = {"filename": path.name, "subfolder": inside, "type": "output"}
        return {"ui": {"images": [found], "animated": (len(pictures) != 1,)}, "result": (images,)}


class LoadImage:
    """Reads a picture of the input folder."""

    RETURN_TYPES = ("IMAGE", "MASK")
    FUNCTION, CATEGORY = "load_image", "image"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Its inputs."""
        folder = Path(folder_paths.get_input_directory())
        kinds = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp")
        there = folder.iterdir() if folder.is_dir() else ()
        files = sorted(path.name for path in there if path.suffix.lower() in kinds)
        return {"required": {"image": (files, {"image_upload": True})}}

    @classmethod
    def IS_CHANGED(cls, image: str) -> str:
        """The file's hash."""
        return hashlib.sha256(Path(folder_paths.get_annotated_filepath(image)).read_bytes()).hexdigest()

    @classmethod
    def VALIDATE_INPUTS(cls, image: str) -> bool | str:
        """Whether the file is there."""
        return folder_paths.exists_annotated_filepath(image) or f"Invalid image file: {image}"

    def load_image(self, image: str) -> tuple[Tensor, Tensor]:
        """The picture, each frame of it, and an empty mask."""
        import numpy as np
        import torch
        from PIL import Image as Pillow
        from PIL import ImageSequence

        with Pillow.open(folder_paths.get_annotated_filepath(image)) as opened:
            frames = [np.asarray(frame.convert("RGB"), dtype=np.float32) / 255 for frame in
                      ImageSequence.Iterator(opened)]
        pictures = torch.from_numpy(np.stack(frames))
        return pictures, torch.zeros((1, 64, 64))


class ImageScale:
    """Scales pictures to a size."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION, CATEGORY = "upscale", "image/upscaling"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Its inputs."""
        side = {"default": 512, "min": 0, "max": 16384, "step": 1}
        return {"required": {"image": ("IMAGE",), "upscale_method": (list(SCALES),), "width": ("INT", dict(side)),
                             "height": ("INT", dict(side)), "crop": (["disabled", "center"],)}}

    def upscale(self, image: Tensor, upscale_method: str, width: int, height: int, crop: str) -> tuple[Tensor]:
        """The pictures at ``width`` times ``height``; 0 keeps the proportion."""
        old_height, old_width = int(image.shape[1]), int(image.shape[2])
        if not width and not height:
            return (image,)
        width = width or max(1, round(old_width * height / old_height))
        height = height or max(1, round(old_height * width / old_width))
        if crop == "center":
            cut_width = min(old_width, round(old_height * width / height))
            cut_height = min(old_height, round(old_width * height / width))
            left, top = (old_width - cut_width) // 2, (old_height - cut_height) // 2
            image = image[:, top : top + cut_height, left : left + cut_width]
        return (scaled(image, upscale_method, width, height),)


class ImageScaleBy:
    """Scales pictures by a factor."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION, CATEGORY = "upscale", "image/upscaling"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Its inputs."""
        return {"required": {"image": ("IMAGE",), "upscale_method": (list(SCALES),),
                             "scale_by": ("FLOAT", {"default": 1.0, "min": 0.01, "max": 8.0, "step": 0.01})}}

    def upscale(self, image: Tensor, upscale_method: str, scale_by: float) -> tuple[Tensor]:
        """The pictures, ``scale_by`` times as large."""
        height, width = (round(int(side) * scale_by) for side in image.shape[1:3])
        return (scaled(image, upscale_method, width, height),)


def scaled(image: Tensor, method: str, width: int, height: int) -> Tensor:
    """Pictures (n, height, width, 3) at another size."""
    from torch.nn import functional as F

    out = F.interpolate(image.permute(0, 3, 1, 2), size=(height, width), mode=SCALES[method])
    return out.permute(0, 2, 3, 1).clamp(0, 1)


class RepeatImageBatch:
    """The same pictures several times."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION, CATEGORY = "repeat", "image/batch"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Its inputs."""
        return {"required": {"image": ("IMAGE",), "amount": ("INT", {"default": 1, "min": 1, "max": 4096})}}

    def repeat(self, image: Tensor, amount: int) -> tuple[Tensor]:
        """The batch, ``amount`` times."""
        return (image.repeat(amount, 1, 1, 1),)


class ImageFromBatch:
    """Some pictures of a batch."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION, CATEGORY = "frombatch", "image/batch"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Its inputs."""
        return {"required": {"image": ("IMAGE",), "batch_index": ("INT", {"default": 0, "min": 0, "max": 4095}),
                             "length": ("INT", {"default": 1, "min": 1, "max": 4096})}}

    def frombatch(self, image: Tensor, batch_index: int, length: int) -> tuple[Tensor]:
        """``length`` pictures from ``batch_index`` on, as far as there are so many."""
        first = min(len(image) - 1, batch_index)
        return (image[first : first + length].clone(),)


def _primitive(name: str, kind: str, more: dict[str, Json]) -> type:
    """A node that hands its one value on."""

    def given(_cls: type) -> Inputs:
        return {"required": {"value": (kind, more)}}

    def execute(_self: object, value: Json) -> tuple[Json]:
        return (value,)

    return type(name, (), {"RETURN_TYPES": (kind,), "FUNCTION": "execute", "CATEGORY": "utils/primitive",
                           "INPUT_TYPES": classmethod(given), "execute": execute})


LARGEST = (1 << 63) - 1
PRIMITIVES: Sequence[tuple[str, str, dict[str, Json]]] = (
    ("PrimitiveInt", "INT", {"min": -LARGEST, "max": LARGEST, "control_after_generate": True}),
    ("PrimitiveFloat", "FLOAT", {"min": -float(LARGEST), "max": float(LARGEST)}),
    ("PrimitiveString", "STRING", {}), ("PrimitiveStringMultiline", "STRING", {"multiline": True}),
    ("PrimitiveBoolean", "BOOLEAN", {}))
NODES: dict[str, type] = {one.__name__: one for one in (
    SaveImage, PreviewImage, LoadImage, ImageScale, ImageScaleBy, RepeatImageBatch, ImageFromBatch,
    SaveAnimatedWEBP)} | {name: _primitive(name, kind, more) for name, kind, more in PRIMITIVES}
NAMES: dict[str, str] = {
    "SaveImage": "Save Image", "PreviewImage": "Preview Image", "LoadImage": "Load Image",
    "ImageScale": "Upscale Image", "ImageScaleBy": "Upscale Image By", "SaveAnimatedWEBP": "Save Animated WEBP",
}
