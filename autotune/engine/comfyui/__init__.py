"""The reference ComfyUI: a program of its own that looks, answers and computes like ComfyUI with AnimateDiff-Evolved.

`python -m autotune.engine create DIR --flavour comfyui` lays out an install; DIR/main.py starts it. It answers as
ComfyUI 0.26 does: graph, queue, history, caching, log lines and exits. It computes with the model and the kernels of
the reference web UI beside it, on random weights, so its clips are noise, but what its flags do to time and memory is
real. Custom nodes of its folders are imported and run in it, as in the real one: its modules `server`,
`folder_paths`, `nodes` and `comfy` are there for them. It listens on loopback only.

Faults on demand are those of the engine's package, with ``AUTOTUNE_ENGINE_FAULTS``; a job is a prompt, counted from 1.
Two are its own: ``cached:N`` (what that prompt computes is handed back from the prompt before) and ``fallback:N``
(the attention kernel fails at each call, and pytorch's computes instead, as the log says). ``garbage``, ``html``,
``redirect``, ``half`` and ``huge`` take the place of that prompt's history. Attention is named pytorch, split, quad,
sage, flash or xformers (``oom:*@split``).
"""
