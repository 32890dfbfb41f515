#!/usr/bin/env bash
# Installs a wheel by pip in a fresh environment of the genuine Windows Python that tests/windows/python.sh laid out, and
# runs the autotune.exe that pip makes there.
#
#   tests/packaging/windows.sh WINDOWS_FOLDER WHEEL
#
# Needs wine and a package index. Leaves nothing.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$(cd "$1" && pwd)
wheel=$(realpath "$2")
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "not as it should be: $*"; exit 1; }
in_wine() { # PROGRAM WORDS...: wine gives no usable standard handles but pipes
  env -u DISPLAY -u PYTHONPATH "WINEPREFIX=$folder/prefix" WINEDEBUG=-all LC_ALL=C.UTF-8 USER=Müller LOGNAME=Müller \
    "WINEDLLOVERRIDES=winedbg.exe=d;mscoree=d;mshtml=d" wine "$@" </dev/null 2>&1 | cat
}
seen_there() { echo "Z:${1//\//\\}"; }

"$python" -m venv "$work/tools"
pip=("$work/tools/bin/python" -m pip --quiet --disable-pip-version-check)
"${pip[@]}" install uv
# NumPy 2 uses C library functions that wine 8 lacks.
echo 'numpy<2' >"$work/older"
"$work/tools/bin/uv" pip compile --quiet --python-platform x86_64-pc-windows-msvc --python-version 3.11 -c "$work/older" \
  -o "$work/wanted" "$here/../../pyproject.toml" >/dev/null
"${pip[@]}" download --no-deps --platform win_amd64 --python-version 3.11 --only-binary :all: -d "$work/wheels" \
  -r "$work/wanted" 2>/dev/null
"${pip[@]}" download --no-deps -d "$work/pip" pip 2>/dev/null
cp "$wheel" "$work/wheels/"

in_wine 'C:\Python311\python.exe' -m venv --without-pip "$(seen_there "$work/Mein env")" >/dev/null
scripts=$work/Mein\ env/Scripts
in_wine "$(seen_there "$scripts/python.exe")" "$(seen_there "$(echo "$work"/pip/pip-*.whl)")\\pip" install --quiet \
  --no-index --no-compile --find-links "$(seen_there "$work/wheels")" autotune-webui
[ -f "$scripts/autotune.exe" ] || fail "pip made no autotune.exe"
version=$(basename "$wheel" | cut -d- -f2)
said=$(in_wine "$(seen_there "$scripts/autotune.exe")" --version | tr -d '\r')
[ "$said" = "autotune $version" ] || fail "autotune.exe --version says: $said"
code=0
said=$(in_wine "$(seen_there "$scripts/autotune.exe")" probe) || code=$?
[ "$code" = 3 ] || fail "autotune.exe probe ended with $code in place of 3"
grep -qF "no web UI found" <<<"$said" || fail "autotune.exe probe says: $said"
echo "Windows: pip installs it, and autotune.exe runs"
