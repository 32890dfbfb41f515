"""A Windows job object around the guard: what it starts cannot leave, and dies with it.

The guard puts itself into a job with "kill on close"; children belong to it by birth. When the guard's last
handle closes, however it died, Windows ends every member.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

KILL_ON_JOB_CLOSE = 0x2000
EXTENDED_LIMIT_INFORMATION = 9
PROCESS_ID_LIST = 3
MOST_PIDS = 4096


class _BasicLimits(ctypes.Structure):
    _fields_ = [
        ("PerProcessUserTimeLimit", ctypes.c_int64), ("PerJobUserTimeLimit", ctypes.c_int64),
        ("LimitFlags", ctypes.c_uint32), ("MinimumWorkingSetSize", ctypes.c_size_t),
        ("MaximumWorkingSetSize", ctypes.c_size_t), ("ActiveProcessLimit", ctypes.c_uint32),
        ("Affinity", ctypes.c_size_t), ("PriorityClass", ctypes.c_uint32),
        ("SchedulingClass", ctypes.c_uint32),
    ]


class _ExtendedLimits(ctypes.Structure):
    _fields_ = [
        ("BasicLimitInformation", _BasicLimits), ("IoInfo", ctypes.c_uint64 * 6),
        ("ProcessMemoryLimit", ctypes.c_size_t), ("JobMemoryLimit", ctypes.c_size_t),
        ("PeakProcessMemoryUsed", ctypes.c_size_t), ("PeakJobMemoryUsed", ctypes.c_size_t),
    ]


class _PidList(ctypes.Structure):
    _fields_ = [
        ("NumberOfAssignedProcesses", ctypes.c_uint32), ("NumberOfProcessIdsInList", ctypes.c_uint32),
        ("ProcessIdList", ctypes.c_size_t * MOST_PIDS),
    ]


class Job:
    """The job that holds this process. ``held`` is False off Windows and where Windows refused."""

    def __init__(self) -> None:
        self._kernel: Any = None
        self._handle: Any = None
        self.held = False
        if sys.platform == "win32":
            self._enter()

    def _enter(self) -> None:
        kernel = getattr(ctypes, "WinDLL")("kernel32", use_last_error=True)  # noqa: B009 (absent off Windows)
        for name in ("CreateJobObjectW", "GetCurrentProcess"):
            getattr(kernel, name).restype = ctypes.c_void_p
        kernel.GetCurrentProcess.argtypes = []
        kernel.CreateJobObjectW.argtypes = [ctypes.c_void_p, ctypes.c_wchar_p]
        kernel.AssignProcessToJobObject.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
        kernel.SetInformationJobObject.argtypes = [
            ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_uint32]
        kernel.QueryInformationJobObject.argtypes = [
            ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p]
        handle = kernel.CreateJobObjectW(None, None)
        if not handle:
            return
        limits = _ExtendedLimits()
        limits.BasicLimitInformation.LimitFlags = KILL_ON_JOB_CLOSE
        if kernel.SetInformationJobObject(
            handle, EXTENDED_LIMIT_INFORMATION, ctypes.byref(limits), ctypes.sizeof(limits)
        ) and kernel.AssignProcessToJobObject(handle, kernel.GetCurrentProcess()):
            self._kernel, self._handle, self.held = kernel, handle, True

    def pids(self) -> list[int]:
        """Numbers of all processes in the job, this one included; empty when there is no job."""
        if not self.held:
            return []
        room = _PidList()
        if not self._kernel.QueryInformationJobObject(
            self._handle, PROCESS_ID_LIST, ctypes.byref(room), ctypes.sizeof(room), None
        ):
            return []
        return [int(room.ProcessIdList[index]) for index in range(room.NumberOfProcessIdsInList)]
