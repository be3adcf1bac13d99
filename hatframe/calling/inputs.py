"""Input data: the values that argument sets begin with."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hatframe.errors import BenchmarkError

Array = np.ndarray[Any, Any]

INPUT_DATA = ("random", "zeros", "ones")

# Random numbers are drawn once and copied into each array: drawing 600 MB would take seconds.
_POOL_BYTES = 1 << 22


class InputData:
    """Fills arrays with values; the same seed and the same arrays give the same values.

    ``kind`` is ``random`` (floating-point values in [0, 1), integers of their type's whole range), ``zeros``, ``ones``,
    or the path of an .npz file with an array of the right dtype and shape for each parameter that is read, by name.
    """

    def __init__(self, seed: int, kind: str = "random") -> None:
        self._seed = seed
        self._kind = kind
        self._pools: dict[np.dtype[Any], Array] = {}
        self._given: Mapping[str, Array] = {} if kind in INPUT_DATA else _load(Path(kind))
        self.position = 0
        """Where in its random numbers the next array begins."""

    def fill(self, name: str, array: Array) -> None:
        """Fill the array of a parameter, of any layout, in place."""
        if self._kind == "random":
            self._fill_random(array)
        elif self._kind in INPUT_DATA:
            array[...] = 0 if self._kind == "zeros" else 1
        elif (value := self._given.get(name)) is None:
            raise BenchmarkError(
                f"no array {name!r} in this file", where=self._kind, hint=f"it has {', '.join(sorted(self._given))}"
            )
        elif value.dtype != array.dtype or value.size != array.size or value.ndim not in (1, array.ndim):
            raise BenchmarkError(
                f"array {name!r} is {value.dtype} of shape {value.shape}; "
                f"{array.dtype} of shape {array.shape} is needed",
                where=self._kind,
            )
        else:
            array[...] = value.reshape(array.shape)

    def _fill_random(self, array: Array) -> None:
        if array.dtype not in self._pools:
            self._pools[array.dtype] = self._draw(array.dtype, _POOL_BYTES // max(1, array.dtype.itemsize))
        pool = self._pools[array.dtype]
        # The position may come from a pool of more elements.
        self.position %= pool.size
        flat = array if array.flags.c_contiguous else np.empty(array.shape, array.dtype)
        target = flat.reshape(-1)
        filled = 0
        while filled < target.size:
            chunk = min(target.size - filled, pool.size - self.position)
            target[filled : filled + chunk] = pool[self.position : self.position + chunk]
            filled += chunk
            self.position = (self.position + chunk) % pool.size
        if flat is not array:
            array[...] = flat

    def _draw(self, dtype: np.dtype[Any], count: int) -> Array:
        random = np.random.default_rng(self._seed)
        if dtype.kind in "iu":
            limits = np.iinfo(dtype)
            return random.integers(limits.min, limits.max, count, dtype=dtype, endpoint=True)
        if dtype.kind == "b":
            return random.integers(0, 1, count, dtype=np.uint8, endpoint=True).astype(dtype)
        return random.random(count, dtype=np.float32 if dtype.itemsize < 8 else np.float64).astype(dtype)


def _load(path: Path) -> Mapping[str, Array]:
    try:
        file = np.load(path, allow_pickle=False)
        if isinstance(file, np.ndarray):
            raise ValueError("it holds a single array without a name")
        with file:
            return dict(file)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise BenchmarkError(f"invalid .npz file: {error}", where=str(path), hint="write it with numpy.savez") from None
