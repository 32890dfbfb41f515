"""The custom node of a trial, as files: ``autotune_trial`` is copied into the trial's folder, and ComfyUI loads it."""
