"""The meter ``perf``: hardware counters of this process's own code, if Linux lets it read them.

The interface is perf_event_open(2), with the constants of ``linux/perf_event.h``. Many virtual machines have no
counters, and containers and ``/proc/sys/kernel/perf_event_paranoid`` may forbid them.
"""

from __future__ import annotations

import os
import platform
import struct
import sys
from collections.abc import Mapping

import msgspec

from hatframe import hookimpl
from hatframe.plugin import Availability, Meter, MeterSession

_PERF_TYPE_HARDWARE = 0
_PERF_TYPE_SOFTWARE = 1
_PERF_FORMAT_TOTAL_TIMES = 1 | 2
_PERF_FLAG_FD_CLOEXEC = 8
_PERF_EVENT_IOC_ENABLE = 0x2400
_PERF_EVENT_IOC_DISABLE = 0x2401

_DISABLED = 1 << 0
_INHERIT = 1 << 1
_EXCLUDE_KERNEL = 1 << 5
_EXCLUDE_HYPERVISOR = 1 << 6

# struct perf_event_attr as its first version was, which every kernel takes: type, size, config, sample_period,
# sample_type, read_format, flags, wakeup_events, bp_type, config1.
_ATTRIBUTES = struct.Struct("=IIQQQQQIIQ")

_SYSTEM_CALLS = {"x86_64": 298, "aarch64": 241}

Event = tuple[int, int]
"""The type and the number of an event."""

HARDWARE: Mapping[str, Event] = {
    "cycles": (_PERF_TYPE_HARDWARE, 0),
    "instructions": (_PERF_TYPE_HARDWARE, 1),
    "llc_misses": (_PERF_TYPE_HARDWARE, 3),
}
"""The events of a benchmark. ``llc_misses`` is what the kernel calls cache misses: those of the last level."""

SOFTWARE: Mapping[str, Event] = {"task_clock_ns": (_PERF_TYPE_SOFTWARE, 1), "page_faults": (_PERF_TYPE_SOFTWARE, 2)}
"""Events that the kernel counts itself, also where the processor has no counters."""


class _Reading(msgspec.Struct, frozen=True):
    """A counter's value, and the nanoseconds for which it was enabled, and for which it truly counted."""

    value: int = 0
    enabled: int = 0
    running: int = 0


class Counters(MeterSession):
    """Counts events in user space, of the thread that opened it and of all threads that it started since.

    A pool of threads must not exist yet when it is opened, or its work is not counted. Made by :func:`open_counters`.
    """

    def __init__(self, descriptors: Mapping[str, int]) -> None:
        self._descriptors = dict(descriptors)
        # The first leads the group: the others count when it does, so that their ratios are of the same moments.
        self._leader = next(iter(self._descriptors.values()))
        self._before = self._readings()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._descriptors)

    def start(self) -> None:
        self._before = self._readings()
        self._control(_PERF_EVENT_IOC_ENABLE)

    def stop(self) -> dict[str, float]:
        self._control(_PERF_EVENT_IOC_DISABLE)
        return self.figures()

    def figures(self) -> dict[str, float]:
        # If the processor has too few counters for all that wish to count, they take turns: the values are then scaled
        # by enabled over running time. An event that had no turn at all is left out.
        counts = {}
        for name, last in self._readings().items():
            first = self._before[name]
            running = last.running - first.running
            if running > 0:
                counts[name] = (last.value - first.value) * ((last.enabled - first.enabled) / running)
        return counts

    def close(self) -> None:
        for descriptor in self._descriptors.values():
            os.close(descriptor)
        self._descriptors = {}

    def _readings(self) -> dict[str, _Reading]:
        return {
            name: _Reading(*struct.unpack("=QQQ", os.read(descriptor, 24)))
            for name, descriptor in self._descriptors.items()
        }

    def _control(self, request: int) -> None:
        import fcntl

        fcntl.ioctl(self._leader, request, 0)


def open_counters(events: Mapping[str, Event] = HARDWARE) -> Counters | None:
    number = _SYSTEM_CALLS.get(platform.machine())
    if sys.platform != "linux" or number is None or sys.maxsize < 1 << 32:
        return None
    descriptors: dict[str, int] = {}
    for name, event in events.items():
        leader = next(iter(descriptors.values()), -1)
        descriptor = _open(number, event, leader)
        if descriptor >= 0:
            descriptors[name] = descriptor
    return Counters(descriptors) if descriptors else None


def _open(number: int, event: Event, leader: int) -> int:
    """A file descriptor, or a negative number if the kernel refuses."""
    kind, config = event
    flags = _INHERIT | _EXCLUDE_KERNEL | _EXCLUDE_HYPERVISOR | (_DISABLED if leader < 0 else 0)
    attributes = _ATTRIBUTES.pack(kind, _ATTRIBUTES.size, config, 0, 0, _PERF_FORMAT_TOTAL_TIMES, flags, 0, 0, 0)
    import ctypes

    system_call = ctypes.CDLL(None).syscall
    system_call.restype = ctypes.c_long
    this_process, any_cpu = 0, -1
    descriptor: int = system_call(
        ctypes.c_long(number),
        ctypes.c_char_p(attributes),
        ctypes.c_int(this_process),
        ctypes.c_int(any_cpu),
        ctypes.c_int(leader),
        ctypes.c_ulong(_PERF_FLAG_FD_CLOEXEC),
    )
    return descriptor


class PerfMeter(Meter):
    name = "perf"
    summary = "hardware counters: cycles, instructions and last-level cache misses (Linux)"

    def availability(self) -> Availability:
        if counters := open_counters():
            counters.close()
            return Availability()
        return Availability(False, "the kernel lets this process read no hardware counters")

    def open(self) -> MeterSession:
        counters = open_counters()
        assert counters is not None, "open() of a meter that is not available"
        return counters


@hookimpl
def hatframe_meters() -> list[PerfMeter]:
    return [PerfMeter()]
