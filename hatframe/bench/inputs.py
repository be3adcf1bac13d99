"""Input sets: random arguments for a function, enough of them that no cache holds all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hatframe.backends import BoundFunction
from hatframe.errors import BenchmarkError

# Each set costs some microseconds to make and some hundred bytes to keep: with more of them, functions of tiny
# arrays would spend their benchmark on making inputs, and Python's own objects would fill the caches.
MAX_SETS = 4096

# Random numbers are drawn once and copied into each array: drawing 600 MB would take seconds for each function.
_POOL_BYTES = 1 << 22


class InputData:
    """Fills arrays with random values; the same seed and the same arrays give the same values.

    Floating-point values lie in [0, 1); integers take any value of their type.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._pools: dict[np.dtype[Any], np.ndarray[Any, Any]] = {}
        self._position = 0

    def restart(self) -> None:
        """Begin anew, so that the next function gets the same values."""
        self._position = 0

    def fill(self, array: np.ndarray[Any, Any]) -> None:
        """Fill an array of any layout in place."""
        pool = self._pool(array.dtype)
        flat = array if array.flags.c_contiguous else np.empty(array.shape, array.dtype)
        target = flat.reshape(-1)
        filled = 0
        while filled < target.size:
            chunk = min(target.size - filled, pool.size - self._position)
            target[filled : filled + chunk] = pool[self._position : self._position + chunk]
            filled += chunk
            self._position = (self._position + chunk) % pool.size
        if flat is not array:
            array[...] = flat

    def _pool(self, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
        if dtype not in self._pools:
            self._pools[dtype] = self._draw(dtype, _POOL_BYTES // max(1, dtype.itemsize))
        # The position may come from a pool of more elements.
        self._position %= self._pools[dtype].size
        return self._pools[dtype]

    def _draw(self, dtype: np.dtype[Any], count: int) -> np.ndarray[Any, Any]:
        random = np.random.default_rng(self._seed)
        if dtype.kind in "iu":
            limits = np.iinfo(dtype)
            return random.integers(limits.min, limits.max, count, dtype=dtype, endpoint=True)
        if dtype.kind == "b":
            return random.integers(0, 1, count, dtype=np.uint8, endpoint=True).astype(dtype)
        return random.random(count, dtype=np.float32 if dtype.itemsize < 8 else np.float64).astype(dtype)


def make_input_sets(
    bound: BoundFunction, sizes: Mapping[str, int], data: InputData, size: int
) -> tuple[list[Sequence[Any]], int]:
    """Argument sets of at least ``size`` bytes together, but at most :data:`MAX_SETS`; and the bytes of one set.

    Raises :class:`BenchmarkError` before anything is allocated, where the memory does not suffice.
    """
    set_bytes = bound.argument_bytes(sizes)
    count = min(MAX_SETS, max(1, -(-size // set_bytes))) if set_bytes else 1
    available = available_memory()
    if available is not None and count * set_bytes > available:
        raise BenchmarkError(
            f"{count} input sets of {set_bytes / 1e6:,.1f} MB each do not fit in the {available / 1e6:,.1f} MB "
            "of memory that are available",
            where=bound.name,
            hint="choose smaller ones with --size, or fewer with --input-sets-minimum-size-MB",
        )
    data.restart()
    return [bound.make_arguments(sizes, data.fill) for _ in range(count)], set_bytes


def available_memory() -> int | None:
    """The bytes that can be allocated without swapping, as the system tells; None where it does not.

    On Linux that is ``MemAvailable``, or what a container's limit (cgroup v2) leaves, if that is less.
    """
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        available = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return None
    try:
        group = Path("/sys/fs/cgroup")
        limit = int((group / "memory.max").read_text())
        return min(available, max(0, limit - int((group / "memory.current").read_text())))
    except (OSError, ValueError):
        return available
