"""Restoring: whether a function is measured on its own output, and batches in which every call gets the first values.

A function that changes what it reads, such as a sort in place, is measured on its own output from the second call on.
Where that makes a difference, the argument sets get their first values back after each use, outside the clock.
"""

from __future__ import annotations

from collections.abc import Callable

from hatframe.backends import Measurement, Workload
from hatframe.errors import HatError

RESTORE = ("auto", "always", "never")

# The first values and those that calls leave are tried in this many pairs, fewer for slow functions.
PAIRS, FEWEST_PAIRS = 9, 3

# Seconds for all pairs of one function.
LONGEST_TRIAL = 0.1

# Slower functions are not tried: compared with their calls, to restore costs little.
SLOW = 0.02

# Seconds of a run in a pair, where argument sets allow it, and what the clock adds to one.
LONG_RUN, UNKNOWN = 1e-4, 1e-7

# A smaller difference does not matter.
DIFFERENCE = 0.03

# The most argument sets in a trial, and their bytes: those that fit in the first cache are read in the same time after
# they were restored as after they were used.
MOST_SETS, MOST_BYTES = 64, 16 << 10

# Sets that were restored are in a cache, until most of the others were used.
PARTS = 8


def inputs_matter(make: Callable[[int], Workload]) -> bool:
    """Whether calls with the first values take another time than with those that calls leave.

    ``make`` allocates a workload of its own with some number of argument sets. Both runs of a pair call with each of
    them once. Noise only adds time, and not to all runs: the least and the low quartile must both differ, in one
    direction.
    """
    sets = 1
    while True:
        try:
            workload = make(sets)
        except HatError:  # such as too little memory
            return True
        try:
            most = max(1, min(MOST_SETS, MOST_BYTES // max(1, workload.set_bytes)))
            first, then = _pair(workload)
            if first > SLOW:
                return True
            if first + then >= 2 * LONG_RUN or sets >= most:
                return _differ(workload, first + then)
        finally:
            workload.release()
        sets = min(most, 8 * sets)


def run_pristine(workload: Workload, calls: int, run: Callable[[int], Measurement]) -> Measurement:
    """The calls of a batch by ``run``, in parts that use no set twice, after each of which the sets are restored."""
    most = max(1, workload.sets // PARTS)
    seconds, counters = 0.0, dict[str, float]()
    workload.reset()
    while calls > 0:
        measured = run(min(calls, most))
        workload.reset()
        seconds += measured.seconds
        for name, value in measured.counters.items():
            counters[name] = counters.get(name, 0.0) + value
        calls -= most
    return Measurement(seconds, counters)


def _differ(workload: Workload, expected: float) -> bool:
    pairs = min(PAIRS, max(FEWEST_PAIRS, int(LONGEST_TRIAL / expected)))
    pristine, reused = zip(*(_pair(workload) for _ in range(pairs)), strict=True)

    def is_longer(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
        return all(of(a) > (1 + DIFFERENCE) * of(b) + UNKNOWN for of in (min, _low_quartile))

    return is_longer(pristine, reused) or is_longer(reused, pristine)


def _low_quartile(times: tuple[float, ...]) -> float:
    return sorted(times)[len(times) // 4]


def _pair(workload: Workload) -> tuple[float, float]:
    """The seconds of one call with each set: with the first values, and with those that these calls leave."""
    workload.reset()
    times = [workload.run(workload.sets).seconds for _ in range(2)]
    # Of a short function, next to nothing may be left without the loop.
    loop = workload.sets * workload.overhead if workload.overhead_subtracted else 0.0
    return times[0] + loop, times[1] + loop
