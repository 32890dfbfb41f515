"""ComfyUI with the nodes of AnimateDiff-Evolved, behind the door of ``webui/face.py``."""
