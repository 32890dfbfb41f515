"""Shell launch files of our own writing: name, bytes, the words launch.py receives from them."""

# ruff: noqa: E501  (a line of the table is a file; folding it would hide what it looks like)

from __future__ import annotations

Raw = tuple[str, bytes, tuple[str, ...]]

DEFAULT = b"""#!/bin/bash
#########################################################
# Uncomment and change the variables below to your need:#
#########################################################

# Install directory without trailing slash
#install_dir="/home/$(whoami)"

# Commandline arguments for webui.py, for example: export COMMANDLINE_ARGS="--medvram --opt-split-attention"
#export COMMANDLINE_ARGS=""

# python3 executable
#python_cmd="python3"

###########################################
"""

SH: tuple[Raw, ...] = (
    ("default", DEFAULT, ()),
    ("default-crlf", DEFAULT.replace(b"\n", b"\r\n"), ()),
    ("empty-file", b"", ()),
    ("only-comment-no-newline", b"# mine", ()),
    ("empty-value", b'export COMMANDLINE_ARGS=""\n', ()),
    ("nothing-after-equals", b"export COMMANDLINE_ARGS=\n", ()),
    ("plain", b'export COMMANDLINE_ARGS="--xformers --api"\n', ("--xformers", "--api")),
    ("single-quotes", b"export COMMANDLINE_ARGS='--api --medvram'\n", ("--api", "--medvram")),
    ("no-quotes", b"export COMMANDLINE_ARGS=--xformers\n", ("--xformers",)),
    ("no-final-newline", b'export COMMANDLINE_ARGS="--api --xformers"', ("--api", "--xformers")),
    ("crlf", b'#!/bin/bash\r\nexport COMMANDLINE_ARGS="--xformers --listen"\r\n# end\r\n', ("--xformers", "--listen")),
    ("bom", b'\xef\xbb\xbf#!/bin/bash\nexport COMMANDLINE_ARGS="--medvram --port 7861"\n',
     ("--medvram", "--port", "7861")),
    ("blank-after-quote", b'export COMMANDLINE_ARGS=" --xformers  --api "\n', ("--xformers", "--api")),
    ("tabs-inside", b'export COMMANDLINE_ARGS="--api\t--xformers\t--listen"\n', ("--api", "--xformers", "--listen")),
    ("two-attention-flags", b'export COMMANDLINE_ARGS="--xformers --opt-sdp-attention --theme dark"\n',
     ("--xformers", "--opt-sdp-attention", "--theme", "dark")),
    ("already-wanted", b'export COMMANDLINE_ARGS="--opt-channelslast --api --opt-sdp-attention"\n',
     ("--opt-channelslast", "--api", "--opt-sdp-attention")),
    ("valued-flag", b'export COMMANDLINE_ARGS="--precision full --no-half --api"\n',
     ("--precision", "full", "--no-half", "--api")),
    ("flag-equals-value", b'export COMMANDLINE_ARGS="--api --precision=full --port=7865"\n',
     ("--api", "--precision=full", "--port=7865")),
    ("abbreviated", b'export COMMANDLINE_ARGS="--opt-sub --api"\n', ("--opt-sub", "--api")),
    ("repeated", b'export COMMANDLINE_ARGS="--xformers --api --xformers --xformers"\n',
     ("--xformers", "--api", "--xformers", "--xformers")),
    ("unknown-flags", b'export COMMANDLINE_ARGS="--civitai-key abc --xformers --my-extension-mode 3"\n',
     ("--civitai-key", "abc", "--xformers", "--my-extension-mode", "3")),
    ("continuation-double", b'export COMMANDLINE_ARGS="--xformers \\\n  --medvram \\\n  --api"\n',
     ("--xformers", "--medvram", "--api")),
    ("continuation-last-managed", b'export COMMANDLINE_ARGS="--api \\\n  --listen \\\n  --lowvram"\nexport A=1\n',
     ("--api", "--listen", "--lowvram")),
    ("continuation-trailing", b'export COMMANDLINE_ARGS="--api \\\n  --xformers \\\n"\n', ("--api", "--xformers")),
    ("continuation-single-fatal", b"export COMMANDLINE_ARGS='--xformers \\\n--api'\n", ("--xformers", "\n--api")),
    ("continuation-unquoted", b"export COMMANDLINE_ARGS=--api\\\n\\ --xformers\n", ("--api", "--xformers")),
    ("newline-inside-quotes", b'export COMMANDLINE_ARGS="--api\n  --xformers\n  --listen"\n',
     ("--api", "--xformers", "--listen")),
    ("path-with-blanks", b"export COMMANDLINE_ARGS=\"--xformers --ckpt-dir '/data/my models' --api\"\n",
     ("--xformers", "--ckpt-dir", "/data/my models", "--api")),
    ("escaped-quotes", b'export COMMANDLINE_ARGS="--ckpt \\"/a b/c.safetensors\\" --xformers"\n',
     ("--ckpt", "/a b/c.safetensors", "--xformers")),
    ("ansi-quotes", b"export COMMANDLINE_ARGS=$'--api --xformers --x \\'a b\\''\n", ("--api", "--xformers", "--x", "a b")),
    ("mixed-quotes", b"export COMMANDLINE_ARGS=\"--api \"'--xformers'\" --listen\"\n", ("--api", "--xformers", "--listen")),
    ("cyrillic", 'export COMMANDLINE_ARGS="--ckpt-dir /дом/модели --xformers"\n# мои настройки\n'.encode(),
     ("--ckpt-dir", "/дом/модели", "--xformers")),
    ("latin1-comment", b'# pr\xe9f\xe9rences\nexport COMMANDLINE_ARGS="--medvram"\n', ("--medvram",)),
    ("password", b'export COMMANDLINE_ARGS="--api --api-auth me:s3cret --medvram --gradio-auth \'a:b,c:d\'"\n',
     ("--api", "--api-auth", "me:s3cret", "--medvram", "--gradio-auth", "a:b,c:d")),
    ("quoted-name", b'export "COMMANDLINE_ARGS=--xformers --api"\n', ("--xformers", "--api")),
    ("quoted-name-single", b"export PYTHON=x 'COMMANDLINE_ARGS=--api --lowvram' GIT=y\n", ("--api", "--lowvram")),
    ("braces", b'{ export COMMANDLINE_ARGS="--xformers --api"; }\n', ()),
    ("and-after", b'export COMMANDLINE_ARGS="--xformers" && export A=1\n', ("--xformers",)),
    ("escaped-blanks", b"export COMMANDLINE_ARGS=--xformers\\ --api\n", ("--xformers", "--api")),
    ("nounset-errexit", b'set -euo pipefail\nexport COMMANDLINE_ARGS="--xformers ${EXTRA:-}"\n', ("--xformers",)),
    ("log-everything", b'exec > >(cat) 2>&1\nexport COMMANDLINE_ARGS="--medvram"\n', ("--medvram",)),
    ("assignment-then-export", b'COMMANDLINE_ARGS="--xformers --api"\nexport COMMANDLINE_ARGS\n',
     ("--xformers", "--api")),
    ("export-then-assignment", b'export COMMANDLINE_ARGS\nCOMMANDLINE_ARGS="--xformers"\n', ("--xformers",)),
    ("set-a", b'set -a\nCOMMANDLINE_ARGS="--medvram --api"\nset +a\n', ("--medvram", "--api")),
    ("declare-x", b'declare -x COMMANDLINE_ARGS="--api --lowvram"\n', ("--api", "--lowvram")),
    ("two-on-one-export", b'export TORCH_COMMAND="pip install torch" COMMANDLINE_ARGS="--api --no-half"\n',
     ("--api", "--no-half")),
    ("appends", b'export COMMANDLINE_ARGS="--xformers"\nexport COMMANDLINE_ARGS="$COMMANDLINE_ARGS --api"\n'
     b'COMMANDLINE_ARGS+=" --medvram --listen"\n', ("--xformers", "--api", "--medvram", "--listen")),
    ("prepends", b'export COMMANDLINE_ARGS="--medvram"\nexport COMMANDLINE_ARGS="--api ${COMMANDLINE_ARGS}"\n',
     ("--api", "--medvram")),
    ("overwritten", b'export COMMANDLINE_ARGS="--lowvram --listen"\nexport COMMANDLINE_ARGS="--api"\n', ("--api",)),
    ("semicolons", b'export PYTHON=python3; export COMMANDLINE_ARGS="--xformers"; export GIT=git\n', ("--xformers",)),
    ("comments-around", b'#export COMMANDLINE_ARGS="--lowvram"\nexport COMMANDLINE_ARGS="--api --xformers" # --medvram\n'
     b'#export COMMANDLINE_ARGS="--medvram"\n', ("--api", "--xformers")),
    ("hash-in-value", b'export COMMANDLINE_ARGS="--theme #fff --xformers"\n', ("--theme", "#fff", "--xformers")),
    ("other-variable-literal", b'SPEED="--api --listen"\nexport COMMANDLINE_ARGS="$SPEED --xformers"\n',
     ("--api", "--listen", "--xformers")),
    ("other-variable-managed", b'SPEED="--xformers --no-half-vae"\nexport COMMANDLINE_ARGS="$SPEED --api"\necho $SPEED\n',
     ("--xformers", "--no-half-vae", "--api")),
    ("environment-variable", b'export COMMANDLINE_ARGS="--xformers --port $PORT --api"\n',
     ("--xformers", "--port", "--api")),
    ("path-in-home", b'export COMMANDLINE_ARGS="--medvram --ckpt-dir $HOME/models"\n',
     ("--medvram", "--ckpt-dir", "/home/someone/models")),
    ("default-value", b'export COMMANDLINE_ARGS="${COMMANDLINE_ARGS:---xformers --api}"\n', ("--xformers", "--api")),
    ("default-of-other", b'export COMMANDLINE_ARGS="--api ${EXTRA:---medvram --listen}"\n',
     ("--api", "--medvram", "--listen")),
    ("plus-value", b'export COMMANDLINE_ARGS="${COMMANDLINE_ARGS:+$COMMANDLINE_ARGS }--xformers"\n', ("--xformers",)),
    ("command-substitution", b'export COMMANDLINE_ARGS="--api $(cat flags.txt 2>/dev/null) --xformers"\n',
     ("--api", "--xformers")),
    ("backticks", b'export COMMANDLINE_ARGS="--xformers `cat flags.txt 2>/dev/null`"\n', ("--xformers",)),
    ("if-elif", b'export COMMANDLINE_ARGS="--api"\nif [ "$1" = "low" ]; then\n  export COMMANDLINE_ARGS="--api --lowvram"\n'
     b'elif [ "$1" = "med" ]; then\n  COMMANDLINE_ARGS="$COMMANDLINE_ARGS --medvram"\nfi\n', ("--api",)),
    ("and-list", b'export COMMANDLINE_ARGS="--xformers"\n[ -n "$LAN" ] && export COMMANDLINE_ARGS="$COMMANDLINE_ARGS --listen"\n',
     ("--xformers",)),
    ("case", b'export COMMANDLINE_ARGS="--api --xformers"\ncase "$HOSTNAME" in\n  big*) COMMANDLINE_ARGS="--opt-sdp-attention" ;;\n'
     b'  (x|y) : ;;\nesac\n', ("--api", "--xformers")),
    ("function", b'lan() { export COMMANDLINE_ARGS="$COMMANDLINE_ARGS --listen"; }\nexport COMMANDLINE_ARGS="--medvram"\nlan\n',
     ("--medvram",)),
    ("loop", b'export COMMANDLINE_ARGS="--api"\nfor f in --xformers --no-half; do\n  COMMANDLINE_ARGS="$COMMANDLINE_ARGS $f"\ndone\n',
     ("--api",)),
    ("sourced-file", b'export COMMANDLINE_ARGS="--api --xformers"\n[ -f local.sh ] && . ./local.sh\n', ("--api", "--xformers")),
    ("venv-activate", b'source venv/bin/activate 2>/dev/null\nexport COMMANDLINE_ARGS="--xformers"\n', ("--xformers",)),
    ("heredoc", b'cat <<EOF\nexport COMMANDLINE_ARGS="--lowvram"\nEOF\nexport COMMANDLINE_ARGS="--api"\n', ("--api",)),
    ("heredoc-quoted-tabs", b"cat <<-'E F' >/dev/null\n\tset \"it\n\tE F\nexport COMMANDLINE_ARGS='--xformers'\n", ("--xformers",)),
    ("exec-at-end", b'#!/usr/bin/env bash\nexport COMMANDLINE_ARGS="--uv --xformers"\n\nexec "$(dirname "$0")/webui.sh" "$@"\n',
     ("--uv", "--xformers")),
    ("exec-with-flags", b'export COMMANDLINE_ARGS="--api"\nexec ./webui.sh --xformers --port 7870\n',
     ("--xformers", "--port", "7870", "--api")),
    ("python-at-end", b'cd .\nexport COMMANDLINE_ARGS="--medvram"\npython3 launch.py --listen --no-half-vae "$@"\n',
     ("--listen", "--no-half-vae", "--medvram")),
    ("prefix-assignment", b'COMMANDLINE_ARGS="--xformers --api" ./webui.sh\n', ("--xformers", "--api")),
    ("dynamic-before-exec", b'export COMMANDLINE_ARGS="--xformers $EXTRA"\nexec ./webui.sh "$@"\n', ("--xformers",)),
    ("after-exec-dead", b'export COMMANDLINE_ARGS="--api"\nexec ./webui.sh\nexport COMMANDLINE_ARGS="--lowvram"\n', ("--api",)),
    ("unset-first", b'unset COMMANDLINE_ARGS\nexport COMMANDLINE_ARGS="--api --xformers"\n', ("--api", "--xformers")),
    ("double-bracket", b'if [[ $OSTYPE == darwin* && ( 1 < 2 ) ]]; then echo mac; fi\nexport COMMANDLINE_ARGS="--xformers"\n',
     ("--xformers",)),
    ("arithmetic", b'(( N = 1 << 2 ))\nexport COMMANDLINE_ARGS="--api --medvram"\n', ("--api", "--medvram")),
    ("array-elsewhere", b'OPTS=(--a "b c")\nexport COMMANDLINE_ARGS="--xformers"\n', ("--xformers",)),
    ("macos-env", b'#!/bin/bash\nexport install_dir="$HOME"\n'
     b'export COMMANDLINE_ARGS="--skip-torch-cuda-test --upcast-sampling --no-half-vae --use-cpu interrogate"\n'
     b'export PYTORCH_ENABLE_MPS_FALLBACK=1\n',
     ("--skip-torch-cuda-test", "--upcast-sampling", "--no-half-vae", "--use-cpu", "interrogate")),
    ("prose-quotes-export", b'# e.g. export COMMANDLINE_ARGS="--medvram --opt-split-attention"\n# put yours below\n'
     b'export COMMANDLINE_ARGS="--api --opt-split-attention"\n', ("--api", "--opt-split-attention")),
    ("dynamic-crlf", b'export COMMANDLINE_ARGS="--xformers $EXTRA"\r\n', ("--xformers",)),
    ("dynamic-quoted-words", b'export COMMANDLINE_ARGS="--x \'a --xformers b\' --xformers --precision full $EXTRA \\"q \\\\\\" r\\""\n',
     ("--x", "a --xformers b", "--xformers", "--precision", "full", 'q " r')),
    ("default-set-while-expanded", b': "${COMMANDLINE_ARGS:=--xformers --api}"\nexport COMMANDLINE_ARGS\n', ()),
    ("default-set-for-another", b'X=\n: "${X:=--xformers --api}"\nexport COMMANDLINE_ARGS="$X --listen"\n', ("--listen",)),
)

JUDGED: dict[str, tuple[str, ...]] = {
    "braces": ("--xformers", "--api"),
    "function": ("--medvram", "--listen"),
    "loop": ("--api", "--xformers", "--no-half"),
    "default-set-while-expanded": ("--xformers", "--api"),
    "default-set-for-another": ("--xformers", "--api", "--listen"),
}
"""What bash gives for files whose words depend on what happens when they run."""

ARRAYS: tuple[tuple[str, bytes, tuple[str, ...] | None], ...] = (
    ("own", b"COMMANDLINE_ARGS=(--api --xformers)\n", None),
    ("own-exported", b"export COMMANDLINE_ARGS=(--api --xformers)\n", None),
    ("own-over-lines", b"COMMANDLINE_ARGS=(\n  --api   # don't drop (this)\n  --xformers\n)\nexport COMMANDLINE_ARGS\n", None),
    ("own-then-plain", b'COMMANDLINE_ARGS=(--api)\nexport COMMANDLINE_ARGS="--xformers --listen"\n', None),
    ("own-joined-too-late", b'COMMANDLINE_ARGS=(--api --xformers)\nexport COMMANDLINE_ARGS="${COMMANDLINE_ARGS[*]}"\n', None),
    ("own-by-append", b'export COMMANDLINE_ARGS="--xformers"\nCOMMANDLINE_ARGS+=(--api)\n', None),
    ("own-by-subscript", b'export COMMANDLINE_ARGS="--xformers"\nCOMMANDLINE_ARGS[1]=--api\n', None),
    ("own-declared", b'declare -a COMMANDLINE_ARGS\nexport COMMANDLINE_ARGS="--xformers"\n', None),
    ("own-declared-with-value", b'declare -a COMMANDLINE_ARGS="--xformers"\nexport COMMANDLINE_ARGS\n', None),
    ("own-declared-exported", b"declare -x COMMANDLINE_ARGS=(--api --xformers)\n", None),
    ("own-mapfile", b"mapfile -t COMMANDLINE_ARGS <<< '--api'\nexport COMMANDLINE_ARGS\n", None),
    ("own-unset-again", b'COMMANDLINE_ARGS=(--api)\nunset COMMANDLINE_ARGS\nexport COMMANDLINE_ARGS="--xformers --listen"\n',
     ("--xformers", "--listen")),
    ("own-carried-over", b'COMMANDLINE_ARGS=(--api --xformers)\nall="${COMMANDLINE_ARGS[*]}"\nunset COMMANDLINE_ARGS\nexport COMMANDLINE_ARGS="$all"\n',
     ("--api", "--xformers")),
    ("other", b'ARGS=(--api --xformers)\nexport COMMANDLINE_ARGS="${ARGS[*]}"\n', ("--api", "--xformers")),
    ("other-over-lines", b'ARGS=(\n  --api # mine, don\'t touch\n  --port 7861\n  --xformers\n)\nexport COMMANDLINE_ARGS="${ARGS[@]} --listen"\n',
     ("--api", "--port", "7861", "--xformers", "--listen")),
    ("other-appended", b'ARGS=(--api)\nARGS+=(--medvram "--theme dark")\nexport COMMANDLINE_ARGS="${ARGS[*]}"\n',
     ("--api", "--medvram", "--theme", "dark")),
    ("other-quoted-blank", b"ARGS=(--ckpt-dir \"'/my models'\" --xformers)\nexport COMMANDLINE_ARGS=${ARGS[@]}\n",
     ("--ckpt-dir", "/my models", "--xformers")),
    ("other-first-element", b'ARGS=(--api --xformers)\nexport COMMANDLINE_ARGS="$ARGS"\n', ("--api",)),
    ("other-first-replaced", b'ARGS=(--api --xformers)\nARGS=--listen\nexport COMMANDLINE_ARGS="${ARGS[*]}"\n',
     ("--listen", "--xformers")),
    ("other-nothing-managed", b'ARGS=(--api --listen)\nexport COMMANDLINE_ARGS="${ARGS[*]}"\n', ("--api", "--listen")),
)
"""Arrays: bash exports none, so one of this very name reaches nobody (None: the words are () and the edit is
refused); of others the joined elements are what the file assigns."""
