"""The place of a module of ComfyUI. The reference ComfyUI has it built in, in autotune.engine.comfyui, and puts it here
when it starts; this file only shows that it is there."""
