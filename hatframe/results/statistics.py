"""Statistics over the batches of a measurement."""

from __future__ import annotations

import math
import statistics as exact
from collections.abc import Sequence

from hatframe.errors import BenchmarkError
from hatframe.results.model import Statistics


def statistics(batch_means: Sequence[float]) -> Statistics:
    """The statistics of batches, each given by the mean time of its calls, in seconds.

    ``robust_mean`` is of what is left without the fastest and the slowest fifth, rounded down; the standard
    deviation is that of a sample, 0 for one batch. Means are exact but for the last rounding, so that no mean
    is outside of the values that it is of. Raises :class:`BenchmarkError` where there is no batch, or a time
    is no finite number.
    """
    times = sorted(batch_means)
    count = len(times)
    if not times:
        raise BenchmarkError("there is no batch to make statistics of")
    if not all(map(math.isfinite, times)):
        raise BenchmarkError("the timer gave a time that is no finite number")
    fifth = count // 5
    return Statistics(
        mean=exact.mean(times),
        median_of_means=times[count // 2],
        mean_of_small_means=exact.mean(times[: max(1, count // 2)]),
        # Two fifths, rounded down, are never all of them.
        robust_mean=exact.mean(times[fifth : count - fifth]),
        min_of_means=times[0],
        max_of_means=times[-1],
        standard_deviation=exact.stdev(times) if count > 1 else 0.0,
    )
