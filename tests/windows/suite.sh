#!/usr/bin/env bash
# Tests under the Windows Python that python.sh laid out: always comes back, and leaves no program behind.
#
#   tests/windows/suite.sh FOLDER SECONDS WORDS...     WORDS: what pytest is told, paths of tests among them
#
# A test that hangs ends its worker after five minutes and counts as failed; another worker goes on. All of it ends
# after SECONDS (exit 124). What it started is ended.
set -euo pipefail
folder=$(cd "$1" && pwd)
limit=$2
shift 2

end_all() { # whatever has this wine's folder in its environment; twice, as some may begin others meanwhile
  local environ pid
  for environ in /proc/[0-9]*/environ /proc/[0-9]*/environ; do
    pid=${environ//[^0-9]/}
    if { tr '\0' '\n' <"$environ" | grep -qxF "WINEPREFIX=$folder/prefix"; } 2>/dev/null; then
      kill -9 "$pid" 2>/dev/null || true
    fi
  done
}
trap end_all EXIT
timeout "$limit" "$folder/python" -m pytest -q -p no:cacheprovider -p tests.windows.rooms -n "${WORKERS:-2}" \
  --dist worksteal --max-worker-restart 40 "$@"
