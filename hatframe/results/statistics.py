"""Statistics over the batches of a measurement."""

from __future__ import annotations

import math
import statistics as exact
from collections.abc import Sequence

from hatframe.errors import BenchmarkError
from hatframe.results.estimation import CONFIDENCE, Batches, estimate, interval, student_quantile
from hatframe.results.model import Statistics

# The ends of the interval are then uncertain by some 4 % of their distance from the mean: less than what is shown.
_RESAMPLES = 1000
# The same data give the same figures, whenever and wherever they are computed.
_SEED = 0
# Resampled values that are held at a time: 8 MB of them.
_AT_A_TIME = 1_000_000

# Three thousand years, in seconds: what no interval needs to reach.
_LONGEST = 1e11


def statistics(batch_means: Sequence[float], processes: Sequence[int] = ()) -> Statistics:
    """The statistics of batches, each given by the mean seconds of its calls, and by its worker process.

    Means are exact but for the last rounding, so that no mean is outside of the values that it is of. Raises
    :class:`BenchmarkError` without a batch, or for a time that is not a finite number.
    """
    times = sorted(batch_means)
    count = len(times)
    if not times:
        raise BenchmarkError("no batch was measured")
    if not all(map(math.isfinite, times)):
        raise BenchmarkError("the timer measured a time that is not a finite number")
    import numpy as np

    fifth = count // 5
    mean = exact.mean(times)
    low, high = _interval(times, mean)
    lower, upper = map(float, np.quantile(times, (0.25, 0.75)))
    reach = 1.5 * (upper - lower)
    time_low, time, time_high = _time(Batches(batch_means, processes=processes), times)
    return Statistics(
        time=time,
        time_low=time_low,
        time_high=time_high,
        mean=mean,
        median_of_means=times[count // 2],
        mean_of_small_means=exact.mean(times[: max(1, count // 2)]),
        # Two fifths, rounded down, are never all of them.
        robust_mean=exact.mean(times[fifth : count - fifth]),
        min_of_means=times[0],
        max_of_means=times[-1],
        standard_deviation=exact.stdev(times) if count > 1 else 0.0,
        mean_low=low,
        mean_high=high,
        outliers=sum(not lower - reach <= time <= upper + reach for time in times),
    )


def _time(batches: Batches, ordered: Sequence[float]) -> tuple[float, float, float]:
    """The estimate of a call's time between the ends of its interval."""
    found = estimate(batches)
    low, time, high = interval(found)
    # Times from which more than their own was subtracted have no logarithm.
    time = min(max(time, ordered[0]), ordered[-1])
    high = min(high, _LONGEST)
    return (min(low, time), time, max(high, time)) if math.isfinite(found.variance) else (time, time, time)


def _interval(times: Sequence[float], mean: float) -> tuple[float, float]:
    """The interval that holds the mean with 95 % confidence, by bootstrap: the means of resampled batches."""
    count = len(times)
    if count < 2:
        return mean, mean
    import numpy as np

    # Deviations, so that equal times give an interval without any width.
    deviations = np.asarray(times) - mean
    random = np.random.default_rng(_SEED)
    rows = max(1, _AT_A_TIME // count)
    resampled = np.concatenate(
        [
            deviations[random.integers(0, count, (min(rows, _RESAMPLES - start), count), dtype=np.uint32)].mean(axis=1)
            for start in range(0, _RESAMPLES, rows)
        ]
    )
    tail = (1 - CONFIDENCE) / 2
    # Resamples of few batches vary too little: widened, the interval means 95 % from two batches on.
    widening = student_quantile(count - 1) / exact.NormalDist().inv_cdf(1 - tail) * math.sqrt(count / (count - 1))
    low, high = (mean + widening * float(end) for end in np.quantile(resampled, (tail, 1 - tail)))
    # No batch took less than no time, unless what was subtracted from it was more.
    return min(mean, max(low, min(0.0, times[0]))), max(mean, high)
