"""Drift: the values of a function that adds to its own output, call by call, may leave the normal numbers.

It is then measured with other data than it was given: denormal numbers make many processors ten to a hundred times
slower, and infinities and NaNs may take other paths. Workloads restore their arrays when they drift, and only then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

# What accumulates does so in many elements at once: a sample shows it, and costs the same for arrays of any size.
MAX_SAMPLES = 256

# As many times its first magnitude, and what is added in one call is still far above the last bit of a float (24
# bits): the function still does what it was given to do. It is also far from the overflow of all types but float16.
MAX_GROWTH = 2.0**20


class DriftWatch:
    """Finds out whether arrays that a function reads and writes have drifted from their first values.

    It watches a sample of at most :data:`MAX_SAMPLES` elements of each floating-point array (any layout, 0-d too;
    ``bfloat16`` of ml_dtypes too), chosen once. Integers never drift: to wrap around costs nothing. Elements that are
    not ordinary at first are not watched: restoring them would not help. Each of ``read`` returns the present values
    of one array, as the array itself or a copy.
    """

    def __init__(self, read: Sequence[Callable[[], np.ndarray[Any, Any]]]) -> None:
        present = ((reader, reader()) for reader in read)
        found = [pair for pair in present if pair[1].dtype.kind == "f" or pair[1].dtype.name == "bfloat16"]
        floats = [array for _, array in found]
        indices = [_sample(array.shape) for array in floats]
        samples = [array[index] for array, index in zip(floats, indices, strict=True)]
        sizes = [sample.size for sample in samples]
        # Doubles hold the values of all types; one array of them is checked faster than many.
        self._values = np.empty(sum(sizes))
        places = np.split(self._values, np.cumsum(sizes)[:-1]) if sizes else []
        self._gathered = [
            (reader, index, place.reshape(sample.shape))
            for (reader, _), index, sample, place in zip(found, indices, samples, places, strict=True)
            if sample.size
        ]
        limits = [_limits(array.dtype) for array in floats]
        self._lowest = np.repeat([float(limit.smallest_normal) for limit in limits], sizes)
        self._highest = np.repeat([float(limit.max) for limit in limits], sizes)
        self._watched = np.ones(self._values.shape, np.bool_)
        self._watched = ~self._strange()
        bounds = [_bound(float(limit.max), place) for limit, place in zip(limits, places, strict=True)]
        self._highest = np.repeat(bounds, sizes)

    @property
    def watched(self) -> int:
        """The number of elements that are watched."""
        return int(self._watched.sum())

    def drifted(self) -> bool:
        """Whether any watched element is infinite, NaN, denormal, or has grown too large.

        Too large is more than :data:`MAX_GROWTH` times the largest magnitude that the array's sample had at first, or
        than 1 if that was less; or more than a quarter of the type's largest number, unless what was there at first
        was nearly as large.
        """
        return bool(self._gathered) and bool(self._strange().any())

    def _strange(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        # A signalling NaN raises a flag wherever it goes.
        with np.errstate(all="ignore"):
            for reader, index, place in self._gathered:
                place[...] = reader()[index]
            np.abs(self._values, out=self._values)
            # A NaN is in no range.
            ordinary = (self._values >= self._lowest) & (self._values <= self._highest)
            ordinary |= self._values == 0
        return ~ordinary & self._watched


def _limits(dtype: np.dtype[Any]) -> Any:
    if dtype.kind == "f":
        return np.finfo(dtype)
    import ml_dtypes

    return ml_dtypes.finfo(dtype)  # type: ignore[no-untyped-call]


def _bound(highest: float, magnitudes: np.ndarray[Any, Any]) -> float:
    """The largest magnitude that is still ordinary, for an array that has ``magnitudes`` at first."""
    largest = max(1.0, float(magnitudes[np.isfinite(magnitudes)].max(initial=0.0)))
    return min(max(min(MAX_GROWTH * largest, highest / 4), 2 * largest), highest)


def _sample(shape: tuple[int, ...]) -> Any:
    """The index of at most :data:`MAX_SAMPLES` elements of an array, spread over all axes."""
    picked: dict[int, slice] = {}
    left = MAX_SAMPLES
    # Short axes first: what they do not use, the longer ones may.
    by_extent = sorted(range(len(shape)), key=lambda axis: shape[axis])
    for done, axis in enumerate(by_extent):
        # The small addition makes up for roots such as 64 ** (1/3), just below 4.
        wanted = max(1, min(shape[axis], int(left ** (1 / (len(shape) - done)) + 1e-9)))
        step = -(-shape[axis] // wanted)
        # An odd step does not fall on the same place of each tile or vector register.
        step = step | 1 if step > 1 else 1
        # As far from the last element as from the first.
        picked[axis] = slice((shape[axis] - 1) % step // 2 if step > 1 else 0, None, step)
        left //= wanted
    return tuple(picked[axis] for axis in range(len(shape))) or ...
