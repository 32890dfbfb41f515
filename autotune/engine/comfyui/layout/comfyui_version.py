"""Version of ComfyUI that the reference ComfyUI answers like."""

__version__ = "0.26.0"
