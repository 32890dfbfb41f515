"""GPU memory of each process on Windows, from the system's performance counters.

Under WDDM the driver does not tell it (NVML answers "not available" for each process), Windows itself does since
version 10 1709: ``\\GPU Process Memory(*)`` has an instance a process and adapter. "Dedicated Usage" is what was given
to a process on the card and "Local Usage" what of it lies there: the first grows too large for some (dwm.exe had
14 GB, systeminformer#2389), so that the smaller of the two is taken. "Shared Usage" is GPU memory that lies in main
memory: it grows when a driver moves out what the card has no room for, instead of failing.
https://learn.microsoft.com/windows/win32/perfctrs/using-the-pdh-functions-to-consume-counter-data
"""

from __future__ import annotations

import ctypes
import re
import sys
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from autotune.language.translate import N_, _

MIB = 1024.0 * 1024.0
READING_AGE = 1.0
"""Seconds for which a reading is used: one takes some milliseconds, and a clip is looked at ten times a second."""
DEDICATED, LOCAL, SHARED = COUNTERS = ("Dedicated Usage", "Local Usage", "Shared Usage")
NEEDED = (DEDICATED, SHARED)
LARGE, MORE_DATA = 0x400 | 0x1000, 0x800007D2
"""PDH_FMT_LARGE with PDH_FMT_NOSCALE; PDH_MORE_DATA."""
VALID = (0, 1)
"""PDH_CSTATUS_VALID_DATA and PDH_CSTATUS_NEW_DATA."""
ABSENT = {0xC0000BB8: N_("this Windows has no such counters"), 0xC0000BB9: N_("this Windows has no such counters"),
          0x800007D5: N_("nothing is counted")}
"""PDH_CSTATUS_NO_OBJECT, PDH_CSTATUS_NO_COUNTER, PDH_NO_DATA."""
_NAME = re.compile(r"pid_(\d+)_luid_0x([0-9a-f]{1,8})_0x([0-9a-f]{1,8})_phys_\d+(?:#\d+)?", re.IGNORECASE)
Instance = tuple[int, int]
"""(process number, LUID of the adapter, which holds until the next restart)."""


@dataclass(frozen=True, slots=True)
class ProcessGpuMemory:
    """GPU memory of one process on one adapter, MiB: on the card, and in main memory."""

    card: float
    shared: float


def parse_instance(name: str) -> Instance | None:
    """Which process and adapter an instance is of, as "pid_1234_luid_0x00000000_0x0000C4D2_phys_0"; None for others."""
    match = _NAME.fullmatch(name)
    return (int(match[1]), int(match[2], 16) << 32 | int(match[3], 16)) if match else None


def by_process(values: Mapping[str, Mapping[Instance, float]]) -> dict[Instance, ProcessGpuMemory]:
    """What the counters say (bytes by counter and instance), as one record for each process and adapter."""
    shared, local = values.get(SHARED, {}), values.get(LOCAL, {})
    return {
        key: ProcessGpuMemory(min(given, local.get(key, given)) / MIB, shared.get(key, 0.0) / MIB)
        for key, given in values.get(DEDICATED, {}).items()
    }


def on_card(found: Mapping[Instance, ProcessGpuMemory]) -> dict[int, float]:
    """MiB on a card by process. What it has beside on another adapter (that of the display) is the smaller part, and
    left out."""
    out: dict[int, float] = {}
    for (pid, __), used in found.items():
        out[pid] = max(out.get(pid, 0.0), used.card)
    return out


def moved_out(found: Mapping[Instance, ProcessGpuMemory], pids: Collection[int]) -> float | None:
    """MiB of these processes' GPU memory that lie in main memory; None where they have none on any card.

    Of the adapter on which they have most: a display's adapter shares main memory as a matter of course.
    """
    mine = {key: used for key, used in found.items() if key[0] in pids}
    cards: dict[int, float] = {}
    for (__, luid), used in mine.items():
        cards[luid] = cards.get(luid, 0.0) + used.card
    most = max(cards.values(), default=0.0)
    if most <= 0.0:
        return None
    return sum(used.shared for key, used in mine.items() if cards[key[1]] == most)


class _Value(ctypes.Structure):
    """PDH_FMT_COUNTERVALUE with the member that PDH_FMT_LARGE fills."""

    _fields_ = [("status", ctypes.c_uint32), ("large", ctypes.c_int64)]


class _Item(ctypes.Structure):
    """PDH_FMT_COUNTERVALUE_ITEM_W; its name lies behind the array, in the same buffer."""

    _fields_ = [("name", ctypes.c_wchar_p), ("value", _Value)]


class GpuCounters:
    """The counters of this system, opened at the first reading. Never raises; ``problem`` says why there is none.

    ``library``: pdh.dll, None: the system's own.
    """

    def __init__(self, library: Any = None, clock: Callable[[], float] = time.monotonic) -> None:  # noqa: ANN401 - ctypes
        self._pdh, self._clock = library, clock
        self._query: ctypes.c_void_p | None = None
        self._counters: dict[str, ctypes.c_void_p] = {}
        self._last: tuple[float, dict[Instance, ProcessGpuMemory] | None] | None = None
        self.problem = ""
        """Why nothing can be read, in words; empty while it can."""

    def read(self) -> dict[Instance, ProcessGpuMemory] | None:
        """GPU memory by process and adapter, at most ``READING_AGE`` seconds old; None where it cannot be read."""
        now = self._clock()
        if self._last is None or now - self._last[0] >= READING_AGE:
            self._last = (now, self._read())
        return self._last[1]

    def close(self) -> None:
        """Gives the query back."""
        if self._query is not None:
            self._pdh.PdhCloseQuery(self._query)
        self._query, self._counters, self._last = None, {}, None

    def _read(self) -> dict[Instance, ProcessGpuMemory] | None:
        if self.problem and self._query is None:
            return None  # it does not come while a program runs
        try:
            if self._query is None:
                self._open()
            self._raise_for(self._pdh.PdhCollectQueryData(self._query))
            found = by_process({name: self._array(counter) for name, counter in self._counters.items()})
        except (OSError, AttributeError) as fault:
            self.problem = str(fault)
            if not set(NEEDED) <= self._counters.keys():
                self.close()
            return None
        self.problem = "" if found else _("nothing is counted")
        return found or None

    def _open(self) -> None:
        """Raises OSError, or AttributeError where the library lacks a function."""
        if self._pdh is None:
            if sys.platform == "win32":
                self._pdh = ctypes.WinDLL("pdh")
            else:
                raise OSError(_("there are none on this system"))
        query = ctypes.c_void_p()
        self._raise_for(self._pdh.PdhOpenQueryW(None, ctypes.c_size_t(0), ctypes.byref(query)))
        self._query = query
        for name in COUNTERS:
            counter = ctypes.c_void_p()
            # By its English name: PdhAddCounterW takes that of the system's language.
            status = self._pdh.PdhAddEnglishCounterW(
                query, ctypes.c_wchar_p(rf"\GPU Process Memory(*)\{name}"), ctypes.c_size_t(0), ctypes.byref(counter))
            if not status:
                self._counters[name] = counter
            elif name in NEEDED:
                self._raise_for(status)

    def _array(self, counter: ctypes.c_void_p) -> dict[Instance, float]:
        """Bytes by process and adapter, of one counter. Raises OSError."""
        size, count, items = ctypes.c_uint32(0), ctypes.c_uint32(0), None
        for __ in range(5):  # processes begin between the question for the size and that for the values
            status = self._pdh.PdhGetFormattedCounterArrayW(
                counter, LARGE, ctypes.byref(size), ctypes.byref(count), items)
            if status & 0xFFFFFFFF != MORE_DATA:
                break
            items = (_Item * (size.value // ctypes.sizeof(_Item) + 1))()
            size.value = ctypes.sizeof(items)
        self._raise_for(status)
        out: dict[Instance, float] = {}
        for item in (items or ())[:count.value]:
            key = parse_instance(item.name or "")
            if key is not None and item.value.status in VALID:
                out[key] = out.get(key, 0.0) + item.value.large
        return out

    @staticmethod
    def _raise_for(status: int) -> None:
        code = status & 0xFFFFFFFF
        if code:
            raise OSError(_(ABSENT[code]) if code in ABSENT else
                          _("Windows' performance counters answer 0x{code:08X}").format(code=code))
