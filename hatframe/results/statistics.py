"""Statistics over the batches of a measurement."""

from __future__ import annotations

import math
import statistics as exact
from collections.abc import Sequence
from functools import lru_cache

from hatframe.errors import BenchmarkError
from hatframe.results.model import Statistics

CONFIDENCE = 0.95

# The ends of the interval are then uncertain by some 4 % of their distance from the mean: less than what is shown.
_RESAMPLES = 1000
# The same data give the same figures, whenever and wherever they are computed.
_SEED = 0
# Resampled values that are held at a time: 8 MB of them.
_AT_A_TIME = 1_000_000

# From here on Student's quantiles change by less than 1 % up to those of the normal distribution.
_MANY = 200


def statistics(batch_means: Sequence[float]) -> Statistics:
    """The statistics of batches, each given by the mean time of its calls, in seconds.

    Means are exact but for the last rounding, so that no mean is outside of the values that it is of. Raises
    :class:`BenchmarkError` if there is no batch, or a time is not a finite number.
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
    return Statistics(
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


def relative_half_width(batch_means: Sequence[float]) -> float:
    """Half the width of Student's interval of the mean, as a part of the mean: microseconds, not a bootstrap.

    Infinite for less than two batches, and where the mean is not positive.
    """
    count = len(batch_means)
    mean = math.fsum(batch_means) / count if count > 1 else 0.0
    if mean <= 0:
        return math.inf
    squares = math.fsum((time - mean) ** 2 for time in batch_means)
    return student_quantile(count - 1) * math.sqrt(squares / (count - 1) / count) / mean


@lru_cache(maxsize=4096)
def student_quantile(freedom: int, confidence: float = CONFIDENCE) -> float:
    """The number of standard errors that hold a mean with ``confidence``, for ``freedom`` degrees of freedom."""
    freedom = min(freedom, _MANY)
    low, high = 0.0, math.pi / 2
    # Each step halves the interval: 52 of them are all the digits of a float.
    for _ in range(52):
        angle = (low + high) / 2
        if _student_probability(angle, freedom) < confidence:
            low = angle
        else:
            high = angle
    return math.tan(high) * math.sqrt(freedom)


def _student_probability(angle: float, freedom: int) -> float:
    """The probability within ± ``tan(angle) * sqrt(freedom)`` (Abramowitz and Stegun, 26.7.3 and 26.7.4)."""
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term = cosine if odd else 1.0
    total = term if freedom > 1 else 0.0
    for number in range(2 + odd, freedom - 1, 2):
        term *= cosine * cosine * (number - 1) / number
        total += term
    return 2 / math.pi * (angle + sine * total) if odd else sine * total


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
