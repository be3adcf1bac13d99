"""Input sets: arguments for a function, enough of them that no cache holds all, and restored when they drift."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hatframe.backends import BoundFunction
from hatframe.bench.drift import DriftWatch
from hatframe.bench.options import INPUT_DATA
from hatframe.errors import BenchmarkError
from hatframe.format.model import Usage

Array = np.ndarray[Any, Any]

# Each set costs some microseconds to make and some hundred bytes to keep: with more of them, functions of tiny
# arrays would spend their benchmark on making inputs, and Python's own objects would fill the caches.
MAX_SETS = 16384

# Random numbers are drawn once and copied into each array: drawing 600 MB would take seconds.
_POOL_BYTES = 1 << 22

# Values drift alike in all sets, so that the first few tell it.
_WATCHED_SETS = 4


class InputData:
    """Fills arrays with values; the same seed and the same arrays give the same values.

    Parameters
    ----------
    kind
        ``random``: floating-point values in [0, 1), integers of their type's whole range; ``zeros``; ``ones``; or the
        path of an .npz file that has an array of the right dtype and shape for each parameter that is read, by name.
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
        else:
            self._fill_given(name, array)

    def _fill_given(self, name: str, array: Array) -> None:
        value = self._given.get(name)
        if value is None:
            raise BenchmarkError(
                f"there is no array {name!r}", where=self._kind, hint=f"it has {', '.join(sorted(self._given))}"
            )
        if value.dtype != array.dtype or value.size != array.size or value.ndim not in (1, array.ndim):
            raise BenchmarkError(
                f"array {name!r} is {value.dtype} in shape {value.shape}, and {array.dtype} in shape {array.shape} "
                "is needed",
                where=self._kind,
            )
        array[...] = value.reshape(array.shape)

    def _fill_random(self, array: Array) -> None:
        pool = self._pool(array.dtype)
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

    def _pool(self, dtype: np.dtype[Any]) -> Array:
        if dtype not in self._pools:
            self._pools[dtype] = self._draw(dtype, _POOL_BYTES // max(1, dtype.itemsize))
        # The position may come from a pool of more elements.
        self.position %= self._pools[dtype].size
        return self._pools[dtype]

    def _draw(self, dtype: np.dtype[Any], count: int) -> Array:
        random = np.random.default_rng(self._seed)
        if dtype.kind in "iu":
            limits = np.iinfo(dtype)
            return random.integers(limits.min, limits.max, count, dtype=dtype, endpoint=True)
        if dtype.kind == "b":
            return random.integers(0, 1, count, dtype=np.uint8, endpoint=True).astype(dtype)
        return random.random(count, dtype=np.float32 if dtype.itemsize < 8 else np.float64).astype(dtype)


class InputSets:
    """The argument sets that functions with the same parameters share.

    Parameters
    ----------
    bound, sizes
        One of those functions, and its dimensions.
    data
        What fills the arrays.
    size
        The least bytes of all sets together; at most :data:`MAX_SETS` sets are made. 0 makes a single set.

    Raises :class:`BenchmarkError` before anything is allocated, where the memory does not suffice.
    """

    def __init__(self, bound: BoundFunction, sizes: Mapping[str, int], data: InputData, size: int) -> None:
        self._data = data
        self.set_bytes = bound.argument_bytes(sizes)
        count = set_count(self.set_bytes, size)
        check_memory(bound.name, count, self.set_bytes)
        written = {
            argument.name or f"arg{position}"
            for position, argument in enumerate(bound.function.arguments)
            if argument.usage is not Usage.INPUT
        }
        self._pristine: list[tuple[str, Array, int]] = []
        data.position = 0

        def fill(name: str, array: Array) -> None:
            if name in written:
                self._pristine.append((name, array, data.position))
            data.fill(name, array)

        self.sets: Sequence[Sequence[Any]] = [bound.make_arguments(sizes, fill) for _ in range(count)]
        in_each = len(self._pristine) // count
        self._watch = DriftWatch([array for _, array, _ in self._pristine[: _WATCHED_SETS * in_each]])
        self.restored = 0

    def restore_if_drifted(self) -> bool:
        """Whether values had drifted in arrays that are both read and written; they then have their first values."""
        if not self._pristine or not self._watch.drifted():
            return False
        for name, array, position in self._pristine:
            self._data.position = position
            self._data.fill(name, array)
        self.restored += 1
        return True


def set_count(set_bytes: int, size: int) -> int:
    """How many sets of ``set_bytes`` each make ``size`` bytes together."""
    return min(MAX_SETS, max(1, -(-size // set_bytes))) if set_bytes else 1


def check_memory(name: str, count: int, set_bytes: int) -> None:
    """Raise :class:`BenchmarkError` with the numbers, where so many sets do not fit in the available memory."""
    available = available_memory()
    if available is not None and count * set_bytes > available:
        raise BenchmarkError(
            f"{count} input sets of {set_bytes / 1e6:,.1f} MB each do not fit in the {available / 1e6:,.1f} MB "
            "of memory that are available",
            where=name,
            hint="choose smaller ones with --size, or fewer with --cache hot or --input-sets-minimum-size-MB",
        )


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


def _load(path: Path) -> Mapping[str, Array]:
    try:
        file = np.load(path, allow_pickle=False)
        if isinstance(file, np.ndarray):
            raise ValueError("it holds a single array without a name")
        with file:
            return dict(file)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise BenchmarkError(
            f"it cannot be read as an .npz file: {error}", where=str(path), hint="make it with numpy.savez"
        ) from None
