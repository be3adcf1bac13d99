"""The timer in Python: it works with every loader, and measures what its own loop costs."""

from __future__ import annotations

import gc
import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter_ns
from typing import Any

from hatframe.backends import Measurement, Timer

# Enough calls that the clock's resolution is below a thousandth of the loop, and few enough to take
# under a millisecond; the least of several runs is what the loop costs when nothing disturbs it.
_OVERHEAD_CALLS = 2_000
_OVERHEAD_RUNS = 7

SHORTEST_CALL = 1e-10
"""Seconds: less than any call of a function takes."""


class PythonTimer(Timer):
    """A loop in Python over prepared calls, one per argument set; it subtracts its own cost from what it measures.

    That is the time of ``empty_calls``, the same calls of a C function that does nothing. ``clean_ups`` run after each
    of ``calls``, outside the clock.
    """

    name = "python"
    subtracts_overhead = True

    def __init__(
        self,
        calls: Sequence[Callable[[], Any]],
        empty_calls: Sequence[Callable[[], Any]],
        clean_ups: Sequence[Callable[[], Any]] = (),
    ) -> None:
        measure: Callable[[Iterator[Any], int], float] = _seconds
        if clean_ups:
            measure = _seconds_one_by_one
            calls, empty_calls = list(zip(calls, clean_ups)), list(zip(empty_calls, clean_ups))  # type: ignore[arg-type]  # noqa: B905
        self._measure = measure
        self._calls = list(calls)
        empty = itertools.cycle(empty_calls)
        self.overhead = min(measure(empty, _OVERHEAD_CALLS) for _ in range(_OVERHEAD_RUNS)) / _OVERHEAD_CALLS

    def run(self, calls: int) -> Measurement:
        # As in the loop in C, from any set on: functions that share their sets find them in a cache equally often.
        first = random.randrange(len(self._calls))
        seconds = self._measure(itertools.chain(self._calls[first:], itertools.cycle(self._calls)), calls)
        # A function that takes less than the loop's own variation would come out as nothing, or less.
        return Measurement(max(seconds - calls * self.overhead, calls * SHORTEST_CALL), first=first)


def _seconds(sequence: Iterator[Callable[[], Any]], calls: int) -> float:
    # A collection in the middle of a batch would be counted as time of the function.
    collecting = gc.isenabled()
    gc.disable()
    try:
        start = perf_counter_ns()
        for call in itertools.islice(sequence, calls):
            call()
        return (perf_counter_ns() - start) * 1e-9
    finally:
        if collecting:
            gc.enable()


def _seconds_one_by_one(sequence: Iterator[tuple[Callable[[], Any], Callable[[], Any]]], calls: int) -> float:
    total = 0
    for call, clean_up in itertools.islice(sequence, calls):
        start = perf_counter_ns()
        call()
        total += perf_counter_ns() - start
        clean_up()
    return total * 1e-9
