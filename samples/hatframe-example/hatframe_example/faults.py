"""The meter ``faults``: what the system counts for the process while a batch runs.

A page fault costs thousands of instructions, and a context switch evicts caches: a batch with many of either was
disturbed, or its function touches new memory in each call.
"""

from __future__ import annotations

import importlib.util

from hatframe import hookimpl
from hatframe.plugin import Availability, Meter, MeterSession

COUNTERS = {
    "minor_page_faults": "ru_minflt",
    "major_page_faults": "ru_majflt",
    "involuntary_context_switches": "ru_nivcsw",
}
"""The figures by name, and the field of ``getrusage`` (see POSIX and ``man getrusage``) that each comes from."""


class FaultsMeter(Meter):
    """Page faults and context switches of the whole process."""

    name = "faults"
    summary = "page faults and involuntary context switches, by getrusage"

    def availability(self) -> Availability:
        if importlib.util.find_spec("resource") is None:
            return Availability(False, "this system has no getrusage()")
        return Availability()

    def open(self) -> MeterSession:
        return FaultsSession()


class FaultsSession(MeterSession):
    """The difference of two readings."""

    def start(self) -> None:
        self._before = usage()

    def stop(self) -> dict[str, float]:
        return {name: value - self._before[name] for name, value in usage().items()}


def usage() -> dict[str, float]:
    """What the system has counted for this process so far."""
    from resource import RUSAGE_SELF, getrusage

    counted = getrusage(RUSAGE_SELF)
    return {name: float(getattr(counted, field)) for name, field in COUNTERS.items()}


@hookimpl
def hatframe_meters() -> list[Meter]:
    return [FaultsMeter()]
