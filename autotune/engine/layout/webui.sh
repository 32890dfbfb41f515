#!/usr/bin/env bash
# Start script of the reference web UI. It reads webui-user.sh beside it, picks an interpreter as A1111's
# script does, and starts LAUNCH_SCRIPT again for as long as tmp/restart exists.

SCRIPT_DIR="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)"

if [[ -f "${SCRIPT_DIR}/webui-user.sh" ]]; then
    source "${SCRIPT_DIR}/webui-user.sh"
fi

# Defaults for what webui-user.sh may set.
install_dir="${install_dir:-$(dirname -- "${SCRIPT_DIR}")}"
clone_dir="${clone_dir:-$(basename -- "${SCRIPT_DIR}")}"
venv_dir="${venv_dir:-venv}"
LAUNCH_SCRIPT="${LAUNCH_SCRIPT:-launch.py}"
can_run_as_root=0

# -f is for this script alone; everything else goes on to the launch script.
words=()
for word in "$@"; do
    if [[ "${word}" == "-f" ]]; then
        can_run_as_root=1
    else
        words+=("${word}")
    fi
done

if [[ "$(id -u)" -eq 0 && "${can_run_as_root}" -eq 0 ]]; then
    echo "ERROR: This script must not be launched as root, aborting... (use -f to do it all the same)" >&2
    exit 1
fi

if [[ -d "${install_dir}/${clone_dir}" ]]; then
    cd "${install_dir}/${clone_dir}" || exit 1
else
    cd "${SCRIPT_DIR}" || exit 1
fi

if [[ "${venv_dir}" != "-" && -z "${VIRTUAL_ENV}" && -f "${venv_dir}/bin/activate" ]]; then
    source "${venv_dir}/bin/activate"
    python_cmd="$(pwd)/${venv_dir}/bin/python"
    [[ "${venv_dir}" == /* ]] && python_cmd="${venv_dir}/bin/python"
fi
python_cmd="${python_cmd:-python3}"
if ! command -v "${python_cmd}" > /dev/null; then
    echo "ERROR: ${python_cmd} is not there" >&2
    exit 1
fi

export SD_WEBUI_RESTART="tmp/restart"
keep_going=1
while [[ "${keep_going}" -eq 1 ]]; do
    "${python_cmd}" -u "${LAUNCH_SCRIPT}" "${words[@]}"
    status=$?
    if [[ -f tmp/restart ]]; then
        rm -f tmp/restart
        export SD_WEBUI_RESTARTING=1
    else
        keep_going=0
    fi
done
exit "${status}"
