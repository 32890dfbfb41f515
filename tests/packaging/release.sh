#!/usr/bin/env bash
# Makes what a release consists of, and checks it: the source archive, the wheel made from that archive alone, the zip for
# Windows, and their checksums. The release workflow runs this, and so does `make release-check`.
#
#   tests/packaging/release.sh FOLDER [TAG]
#
# With a TAG it has to be v and the version, and the changelog has to have a section of that version. ZIP=no leaves the
# zip out; WITH names the extras in it (engine: PyTorch and the demo). Needs a package index.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
checkout=$(cd "$here/../.." && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd)
tag=${2:-}
python=${PYTHON:-python3}
fail() { echo "no release: $*"; exit 1; }

cd "$checkout"
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' autotune/__init__.py)
[ -n "$version" ] || fail "autotune/__init__.py names no version"
if [ -n "$tag" ]; then
  [ "$tag" = "v$version" ] || fail "the tag is $tag, the version $version: it has to be v$version"
  grep -qF "## [$version]" CHANGELOG.md || fail "CHANGELOG.md has no section [$version]"
fi
[ -z "$(ls -A "$folder")" ] || fail "$folder is not empty"
if [ -e .git ] && [ -n "$(git status --porcelain)" ]; then fail "the tree has changes that are in no commit"; fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m venv "$work/tools"
"$work/tools/bin/python" -m pip install --quiet --disable-pip-version-check build twine
"$work/tools/bin/python" -m build --outdir "$folder" . >"$work/said" 2>&1 || { cat "$work/said"; fail "it cannot be built"; }
wheel=$folder/autotune_webui-$version-py3-none-any.whl
[ -f "$wheel" ] && [ -f "$folder/autotune_webui-$version.tar.gz" ] || fail "other files than wanted: $(ls "$folder")"
"$work/tools/bin/python" -m twine check --strict "$folder"/* || fail "the package index would refuse it"
"$here/installers.sh" "$wheel" || fail "the wheel is not to be installed as it should be"

if [ "${ZIP:-yes}" = yes ]; then
  zip=$folder/autotune-$version-windows.zip
  # shellcheck disable=SC2086  # several extras are several words
  "$checkout/tests/windows/portable.sh" "$zip" ${WITH-engine}
  "$python" -m zipfile -l "$zip" >"$work/listed"
  for name in autotune/autotune.bat autotune/python/python.exe autotune/README.ja.md autotune/docs/page.ja.png \
    "autotune/python/Lib/site-packages/autotune_webui-$version.dist-info/METADATA"; do
    grep -qF "$name" "$work/listed" || fail "the zip lacks $name"
  done
fi
(cd "$folder" && sha256sum -- * >SHA256SUMS && sha256sum --check --quiet SHA256SUMS)
ls -l "$folder"
