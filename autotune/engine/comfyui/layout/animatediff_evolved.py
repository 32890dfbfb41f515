"""AnimateDiff-Evolved's place among the custom nodes: its nodes are built into the reference ComfyUI."""

from pathlib import Path

from autotune.engine.comfyui import animatediff_nodes, shown_modules

animatediff_nodes.add_folders(Path(__file__).resolve().parent)
shown_modules.animatediff(__name__)

NODE_CLASS_MAPPINGS = animatediff_nodes.NODE_CLASS_MAPPINGS
NODE_DISPLAY_NAME_MAPPINGS = animatediff_nodes.NODE_DISPLAY_NAME_MAPPINGS
