#!/usr/bin/env bash
# Tests under the Windows Python that python.sh laid out: always comes back, and leaves no program behind.
#
#   tests/windows/suite.sh FOLDER SECONDS WORDS...     WORDS: what pytest is told, paths of tests among them
#
# A test that hangs ends its worker after five minutes and counts as failed; another worker goes on. All of it ends
# after SECONDS (exit 124). What it started ends with its wine server.
set -euo pipefail
folder=$(cd "$1" && pwd)
limit=$2
shift 2
trap 'WINEPREFIX="$folder/prefix" wineserver -k || true' EXIT
timeout "$limit" "$folder/python" -m pytest -q -p no:cacheprovider -p tests.windows.rooms -n "${WORKERS:-2}" \
  --dist worksteal --max-worker-restart 40 -m "not e2e" "$@"
