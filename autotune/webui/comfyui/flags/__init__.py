"""ComfyUI's launch flags: which sets there are, and what each of them has ComfyUI compute."""
