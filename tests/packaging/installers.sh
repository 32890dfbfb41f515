#!/usr/bin/env bash
# Installs a wheel as its users do, by pipx and then by uv, in a home and a PATH that hold nothing else, and looks at
# what it does there: the answers of its verbs, the service that outlives its environment, an apply by one and the
# rollback by the other, and what is left when it is uninstalled.
#
#   tests/packaging/installers.sh WHEEL
#
# Needs Linux and a package index (exit 77 where there is none). Ends with 1 at the first thing that is not as it should
# be, and names it. Leaves nothing.
set -euo pipefail
wheel=$(realpath "$1")
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
home=$work/home
mkdir -p "$home" "$work/path"

"$python" -m venv "$work/tools"
"$work/tools/bin/python" -m pip install --quiet --disable-pip-version-check pipx uv 2>"$work/said" \
  || { cat "$work/said"; echo "no package index that has pipx and uv"; exit 77; }
ln -s "$work/tools/bin/pipx" "$work/tools/bin/uv" "$work/path/"
ln -s "$("$python" -c 'import sys; print(sys._base_executable)')" "$work/path/python3"

bare=("HOME=$home" "PATH=$home/.local/bin:$work/path:/usr/bin:/bin" LANG=C.UTF-8 PIP_DISABLE_PIP_VERSION_CHECK=1
      UV_PYTHON_DOWNLOADS=never)
for name in PIP_INDEX_URL PIP_CERT UV_DEFAULT_INDEX SSL_CERT_FILE HTTPS_PROXY https_proxy; do # where the index is
  [ -z "${!name:-}" ] || bare+=("$name=${!name}")
done
in_bare() { (cd "$home" && env -i "${bare[@]}" "$@" </dev/null); }

fail() { echo "not as it should be: $*"; [ ! -f "$work/said" ] || sed 's/^/    /' "$work/said"; exit 1; }
# wants CODE TEXT COMMAND...: ends with that code and says that.
wants() {
  local code=$1 text=$2 found=0
  shift 2
  in_bare "$@" >"$work/said" 2>&1 || found=$?
  [ "$found" = "$code" ] || fail "'$*' ended with $found in place of $code"
  grep -qF -- "$text" "$work/said" || fail "'$*' does not say '$text'"
}

version=$(basename "$wheel" | cut -d- -f2)
webui="$home/my web ui"
mkdir -p "$webui/modules"
touch "$webui/launch.py" "$webui/modules/cmd_args.py"
printf '#!/bin/bash\nexport COMMANDLINE_ARGS="--api --theme dark"\n' >"$webui/webui-user.sh"
"$python" -m venv --without-pip "$webui/venv"
cp "$webui/webui-user.sh" "$work/before"
unit=$home/.config/systemd/user/autotune.service
service_python() { sed -n 's/^ExecStart="\([^"]*\)".*/\1/p' "$unit"; }

check() { # NAME INSTALL...: what holds whoever installs it
  local name=$1 began=$SECONDS command
  shift
  wants 0 "" "$@"
  echo "$name: installed in $((SECONDS - began)) s, $(du -sm "$home/.local/share" | cut -f1) MB"
  [ "$(in_bare bash -c 'command -v autotune')" = "$home/.local/bin/autotune" ] || fail "$name put autotune elsewhere"
  wants 0 "autotune $version" autotune --version
  wants 3 "no web UI found here" autotune probe
  wants 3 "$name" autotune demo # what has to be added to it, by the command of this installer
  grep -qF "torch" "$work/said" || fail "the demo does not name torch"
  wants 0 "default" autotune profiles list
  wants 0 "" autotune completion bash
  bash -n "$work/said" || fail "the completion is no bash"
  wants 0 "plain,profiles" env _AUTOTUNE_COMPLETE=bash_complete "COMP_WORDS=autotune pro" COMP_CWORD=1 autotune
  # The command of a hint is run as it stands, and does what it says.
  wants 3 "Add it by: " autotune dashboard
  command=$(sed -n 's/^.*Add it by: //p' "$work/said")
  wants 0 "" bash -c "$command"
  wants 3 "no study is recorded yet" autotune dashboard
  wants 0 "$unit" autotune --webui "$webui" service install
  in_bare "$(service_python)" -m autotune --version >"$work/said" || fail "the service's Python runs no autotune"
}

check pipx pipx install "$wheel"
pipx_python=$(service_python)
wants 0 "" autotune --webui "$webui" apply --flags "--opt-sdp-attention" --no-start --yes
! cmp -s "$work/before" "$webui/webui-user.sh" || fail "nothing was applied"
wants 0 "" pipx reinstall autotune-webui # which makes the environment anew, as an upgrade does
wants 0 "autotune $version" autotune --version
wants 3 "no study is recorded yet" autotune dashboard # what was added is there again
[ "$(in_bare "$pipx_python" -m autotune --version)" = "autotune $version" ] || fail "the service lost its Python"
wants 0 "" pipx uninstall autotune-webui
[ ! -e "$home/.local/bin/autotune" ] && [ ! -e "$pipx_python" ] || fail "pipx left something"

check uv uv tool install "$wheel"
[ "$(service_python)" != "$pipx_python" ] || fail "the service was not written anew"
sed -i "s|^ExecStart=\"[^\"]*\"|ExecStart=\"$pipx_python\"|" "$unit" # as before that
wants 0 "is gone" autotune service status
wants 0 "written" autotune --webui "$webui" service install
wants 0 "" autotune --webui "$webui" rollback
cmp "$work/before" "$webui/webui-user.sh" || fail "the rollback gave other bytes"
wants 0 "" uv tool upgrade autotune-webui
wants 3 "no study is recorded yet" autotune dashboard
wants 0 "$unit: removed" autotune service uninstall
wants 0 "" uv tool uninstall autotune-webui
[ ! -e "$home/.local/bin/autotune" ] || fail "uv left something"

rm -rf "$home/.local/share/autotune" "$home/.local/state/autotune" "$home/.cache" "$webui" # records are kept on purpose
left=$(find "$home" -iname '*autotune*' -not -name '.autotune-webui.lock') # a lock of pipx's own
[ -z "$left" ] || fail "left behind: $left"
echo "pipx and uv: as it should be"
