"""The reference web UI: a program of its own that looks, answers and computes like A1111 1.10.1 with AnimateDiff.

`python -m autotune.engine create DIR` lays out an install; DIR/launch.py starts it. It renders with diffusers'
UNetMotionModel and AutoencoderKL on random weights of a fixed seed, so its clips are noise, but what its flags do
to time, memory and numbers is real. It listens on loopback only, whatever its flags say, and it does not print
credentials to its log. Nothing in the package imports it.

Faults, for tests only
----------------------
``AUTOTUNE_ENGINE_FAULTS`` is a comma list of ``name``, ``name:N`` or ``name:*``, each with an optional
``@FLAG`` or ``@ATTENTION``. The first log line names them. N counts the txt2img jobs of the process from 1 (of the
reference ComfyUI its prompts; see `comfyui`); without N (or with ``*``) every job is hit. ``@--opt-channelslast``
restricts a fault to processes whose arguments hold that word; ``@sdp`` restricts a fault of jobs to jobs that run
while that attention class is in effect (xformers, doggettx, sdp-no-mem, sdp, sub-quad, v1, invokeai, none).

At the start: ``start_crash``; ``start_slow:S`` (seconds); ``unknown_flag@--FLAG`` (argparse refuses it: exit 2);
``fork`` (a child process that outlives the server); ``double_fork`` (the same in a session of its own, with no parent
left); ``hold_port`` (a child that keeps the listening socket; not on Windows); ``ignore_sigterm``;
``crash_randomly:P`` (P percent at the start and at each job); ``ignore_flags`` (flags and options are parsed,
reported and logged as usual, but the model computes with the defaults: for A/A). Forked children end by themselves
after 15 minutes.

Of jobs: ``hang``; ``oom`` (500 OutOfMemoryError); ``nan`` (500 NansException); ``cuda_error`` (500);
``dead_context:N`` (500 from the Nth job on, until a restart); ``crash`` (the process ends at once); ``black``;
``constant`` (one grey); ``alike`` (every frame the first); ``stills`` (200 with a still and no AnimateDiff in the
infotext); ``wrong_size``; ``wrong_count`` (a frame too few); ``truncated`` (half a GIF); ``spill`` (from the Nth job
on every job takes eight times its time, and /memory reports almost no free memory); ``slow`` (eight times its time,
with memory free); ``garbage``, ``html``, ``redirect``, ``half``, ``huge`` (what is sent instead of the JSON answer).
"""
