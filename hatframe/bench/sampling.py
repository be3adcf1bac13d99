"""Sampling: how many calls make a batch, and how many batches make a result."""

from __future__ import annotations

import math
from collections.abc import Callable
from time import perf_counter

import msgspec

from hatframe.backends import Measurement, Timer

# A batch that is shorter suffers from the clock and from single interrupts; a longer one hides them in its mean.
SHORTEST_BATCH = 0.001
LONGEST_BATCH = 0.1

# Calls before anything counts: caches, page tables and the clock of the processor settle within this time.
WARM_UP_TIME = 0.05


# No batch has more, whatever a clock tells that stands still.
MOST_CALLS = 1 << 30


class Samples(msgspec.Struct, frozen=True, kw_only=True):
    """The batches of one function: the mean seconds of a call in each, and counters summed over all."""

    batch_means: tuple[float, ...]
    calls_per_batch: int
    counters: dict[str, float]


def sample(
    timer: Timer,
    *,
    min_time: float,
    batches: int,
    min_iterations: int,
    progress: Callable[[float], None],
) -> Samples:
    """Warm up, find the calls that make a batch, and measure batches until all of the minima are reached."""
    per_call = _warm_up(timer)
    length = min(max(min_time / batches, SHORTEST_BATCH), LONGEST_BATCH)
    calls = max(1, min_iterations, min(MOST_CALLS, math.ceil(length / per_call)))
    means: list[float] = []
    counters: dict[str, float] = {}
    total = 0.0
    while len(means) < batches or total < min_time:
        measured = timer.run(calls)
        total += measured.seconds
        means.append(measured.seconds / calls)
        _add(counters, measured)
        progress(min(1.0, len(means) / batches, total / min_time if min_time else 1.0))
    return Samples(batch_means=tuple(means), calls_per_batch=calls, counters=counters)


def _warm_up(timer: Timer) -> float:
    """Call for :data:`WARM_UP_TIME`, in batches that double; gives the seconds of a call in the last of them."""
    calls = 1
    start = perf_counter()
    while True:
        seconds = timer.run(calls).seconds
        if perf_counter() - start >= WARM_UP_TIME:
            return max(seconds / calls, 1e-12)
        if seconds < WARM_UP_TIME / 4 and calls < MOST_CALLS:
            calls *= 2


def _add(counters: dict[str, float], measured: Measurement) -> None:
    for name, value in measured.counters.items():
        counters[name] = counters.get(name, 0.0) + value
