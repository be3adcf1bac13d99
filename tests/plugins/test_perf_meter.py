"""Hardware counters: the plumbing is held with events of the kernel's own, which most machines have."""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hatframe_builtin.meters.perf import HARDWARE, SOFTWARE, Counters, Event, PerfMeter, open_counters

from hatframe.testing import check_meter

UNKNOWN: Event = (1, 9999)


def permitted(events: Mapping[str, Event]) -> set[str]:
    """Those of the events that the kernel lets this process count, asked one by one."""
    names = set()
    for name, event in events.items():
        if counters := open_counters({name: event}):
            counters.close()
            names.add(name)
    return names


# A container may forbid counters altogether: then there are none, and that is all that can be held.
PERMITTED = permitted(SOFTWARE) == SOFTWARE.keys()


@pytest.fixture
def counters() -> Iterator[Counters | None]:
    opened = open_counters(SOFTWARE)
    assert (opened is not None) == PERMITTED
    yield opened
    if opened:
        opened.close()


def descriptors() -> list[str]:
    """The open files of this process, where it can tell."""
    folder = Path("/proc/self/fd")
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def touch(pages: int) -> None:
    """Cause a page fault for each of so many new pages."""
    with mmap.mmap(-1, pages * mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        # Where huge pages are given without being asked for, one fault would bring 512 pages.
        memory.madvise(mmap.MADV_NOHUGEPAGE)
        for position in range(0, len(memory), mmap.PAGESIZE):
            memory[position] = 1


@contextlib.contextmanager
def metered(counters: Counters) -> Iterator[dict[str, float]]:
    """The figures of what happens inside, once it has."""
    figures: dict[str, float] = {}
    counters.start()
    try:
        yield figures
    finally:
        figures.update(counters.stop())


def spin(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_what_happens_inside_is_counted_and_nothing_else(counters: Counters | None) -> None:
    if counters is None:
        return
    touch(500)
    with metered(counters) as figures:
        touch(2000)
    touch(500)
    assert 2000 <= figures["page_faults"] < 2400


def test_entering_again_counts_anew(counters: Counters | None) -> None:
    if counters is None:
        return
    for pages in (3000, 300):
        with metered(counters) as figures:
            touch(pages)
        assert pages <= figures["page_faults"] < pages + 300


def test_the_time_on_the_processor_is_counted(counters: Counters | None) -> None:
    if counters is None:
        return
    with metered(counters) as figures:
        spin(0.05)
        time.sleep(0.1)
    assert 0.05e9 <= figures["task_clock_ns"] < 0.1e9


def test_threads_that_start_later_are_counted(counters: Counters | None) -> None:
    if counters is None:
        return
    done, go_on = threading.Event(), threading.Event()

    def work() -> None:
        touch(2000)
        done.set()
        go_on.wait()

    with metered(counters) as figures:
        ended = threading.Thread(target=touch, args=(2000,))
        ended.start()
        ended.join()
        living = threading.Thread(target=work)
        living.start()
        done.wait()
    count = figures["page_faults"]
    go_on.set()
    living.join()
    assert 4000 <= count < 4800


def test_events_that_the_kernel_refuses_are_left_out() -> None:
    counters = open_counters({"first": UNKNOWN, **SOFTWARE, "last": UNKNOWN})
    assert (counters.names if counters else ()) == (tuple(SOFTWARE) if PERMITTED else ())
    if counters:
        with metered(counters) as figures:
            touch(100)
        assert figures.keys() == SOFTWARE.keys()
        counters.close()


def test_without_any_event_there_are_no_counters() -> None:
    assert open_counters({"unknown": UNKNOWN}) is None
    assert open_counters({}) is None


def test_hardware_events_count_where_the_machine_has_them() -> None:
    counters = open_counters()
    assert (counters is None) == (not permitted(HARDWARE))
    if counters:
        counts = []
        for loops in (1_000_000, 4_000_000):
            with metered(counters) as figures:
                for _ in range(loops):
                    pass
            counts.append(figures)
        counters.close()
        assert counts[0].keys() <= HARDWARE.keys()
        for name in counts[0].keys() & {"instructions", "cycles"}:
            assert counts[0][name] > 1_000_000
        if "instructions" in counts[0]:
            assert counts[1]["instructions"] == pytest.approx(4 * counts[0]["instructions"], rel=0.2)


def test_closing_gives_the_descriptors_back(counters: Counters | None) -> None:
    before = descriptors()
    opened = [open_counters(SOFTWARE) for _ in range(10)]
    for one in opened:
        if one:
            one.close()
    assert descriptors() == before


def test_counts_are_scaled_where_events_took_turns_and_left_out_where_they_had_none() -> None:
    reading, writing = os.pipe()
    never_reading, never_writing = os.pipe()
    try:
        os.write(writing, struct.pack("=QQQ", 100, 1000, 1000))
        os.write(never_writing, struct.pack("=QQQ", 0, 0, 0))
        counters = Counters({"turns": reading, "never": never_reading})
        # Enabled for 4000 ns, and counting for 1000 of them.
        os.write(writing, struct.pack("=QQQ", 150, 5000, 2000))
        os.write(never_writing, struct.pack("=QQQ", 0, 4000, 0))
        assert counters.figures() == {"turns": 200.0}
        counters.close()
    finally:
        os.close(writing)
        os.close(never_writing)


def test_the_meter_is_available_where_the_machine_has_counters() -> None:
    assert bool(PerfMeter().availability()) == bool(permitted(HARDWARE))
    if PerfMeter().availability():
        check_meter(PerfMeter())
