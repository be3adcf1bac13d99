"""Input data: the values that argument sets begin with."""

from __future__ import annotations

import functools
import math
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hatframe.backends import INPUT_DATA
from hatframe.c.layouts import Layout
from hatframe.calling.arguments import argument_layout
from hatframe.calling.distributions import Values, distributions
from hatframe.calling.plans import ArgumentPlan, CallPlan, PassingMode
from hatframe.errors import BenchmarkError, HatError

Array = np.ndarray[Any, Any]

# Random numbers are drawn once and copied into each array: drawing 600 MB would take seconds.
_POOL_BYTES = 1 << 22


class InputData:
    """Fills arrays with values; the same seed and the same arrays give the same values.

    ``kind`` is ``random`` (floating-point values in [0, 1) and integers of their type's whole range, if the metadata do
    not say what the values of an array are like), ``zeros``, ``ones``, or the path of an .npz file with an array of the
    right dtype and shape for each array that is read, by name.
    """

    def __init__(self, seed: int, kind: str = "random") -> None:
        self._seed = seed
        self._kind = kind
        self._pools: dict[tuple[np.dtype[Any], Values | None, int], Array] = {}
        self._given: Mapping[str, Array] = {} if kind in INPUT_DATA else _load(Path(kind))
        self.position = 0
        """Where in its random numbers the next array begins."""

    def fill(self, name: str, array: Array, values: Values | None = None) -> None:
        """Fill the array of a parameter, of any layout, in place; ``values`` is what its metadata say of them."""
        if self._kind == "random":
            self._fill_random(array, values)
        elif self._kind in INPUT_DATA:
            array[...] = 0 if self._kind == "zeros" else 1
            if values:
                values.nearest(array)
        else:
            # check() has found all arrays; what is left are scalars that the file leaves out.
            array[...] = self._given[name].reshape(array.shape) if name in self._given else 1

    def scalars(self, plan: CallPlan) -> dict[str, int | float]:
        """The scalars that an .npz file gives: as arrays of one element, or by the shapes of runtime arrays."""
        found: dict[str, int | float] = {}
        for argument in plan.arguments:
            value = self._given.get(argument.name)
            if value is None:
                continue
            if argument.is_scalar:
                if value.size != 1 or (argument.element.is_integer and value.dtype.kind not in "iu"):
                    raise BenchmarkError(
                        f"array {argument.name!r} is {value.dtype} of shape {value.shape}; "
                        f"one {argument.element.name} is needed",
                        where=self._kind,
                    )
                found[argument.name] = value.reshape(()).item()
            elif argument.size is not None and value.ndim == len(argument.size.factors):
                for factor, extent in zip(argument.size.factors, value.shape, strict=True):
                    if isinstance(factor, str):
                        found.setdefault(factor, extent)
        return found

    def check(self, plan: CallPlan, layout_of: Callable[[ArgumentPlan], Layout]) -> None:
        """Raise :class:`BenchmarkError` with every array that is read and that an .npz file lacks or has otherwise."""
        if self._kind in INPUT_DATA:
            return
        problems = []
        for argument in plan.arguments:
            if not argument.read or argument.is_scalar or argument.passing is PassingMode.ALLOCATED:
                continue
            name, dtype, shape = argument.name, argument.element.dtype, layout_of(argument).shape
            value = self._given.get(name)
            if value is None:
                problems.append(f"no array {name!r}")
            elif value.dtype != dtype or value.size != math.prod(shape) or value.ndim not in (1, len(shape)):
                problems.append(
                    f"array {name!r} is {value.dtype} of shape {value.shape}; {dtype} of shape {shape} is needed"
                )
        if problems:
            hint = f"it has {', '.join(sorted(self._given))}"
            raise BenchmarkError("; ".join(problems), where=self._kind, hint=hint)

    def _fill_random(self, array: Array, values: Values | None) -> None:
        # Values that depend on one another are drawn for whole arrays.
        whole = 0 if values is None or values.is_free else array.size
        key = (array.dtype, values, whole)
        if key not in self._pools:
            count = _POOL_BYTES // max(1, array.dtype.itemsize)
            self._pools[key] = self._draw(array.dtype, values, whole or count, max(1, count // whole) if whole else 1)
        pool = self._pools[key]
        # The position may come from a pool of more elements.
        self.position %= max(1, pool.size)
        if whole:
            self.position -= self.position % whole
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

    def _draw(self, dtype: np.dtype[Any], values: Values | None, count: int, arrays: int) -> Array:
        """The values of some arrays of ``count`` elements, one behind the other."""
        random = np.random.default_rng(self._seed)
        if values:
            return np.concatenate([values.draw(random, count, dtype) for _ in range(arrays)])
        if dtype.kind in "iu":
            limits = np.iinfo(dtype)
            return random.integers(limits.min, limits.max, count, dtype=dtype, endpoint=True)
        if dtype.kind == "b":
            return random.integers(0, 1, count, dtype=np.uint8, endpoint=True).astype(dtype)
        return random.random(count, dtype=np.float32 if dtype.itemsize < 8 else np.float64).astype(dtype)


def input_values(plan: CallPlan, scalars: Mapping[str, Any]) -> dict[str, Values]:
    """What the arrays of an argument set are like, by name, for those that have a distribution.

    ``scalars`` are the dimensions and other numbers of the set; raises a :class:`HatError` if they do not allow it.
    """
    found = {}
    by_name = {argument.name: argument for argument in plan.arguments}
    for name, distribution in distributions(plan).items():
        argument = by_name[name]
        count = argument_layout(plan, argument, scalars).size
        try:
            found[name] = distribution.values(argument.element, count, scalars)
        except HatError as error:
            where = f"{plan.function.name}: argument {argument.position} ({name})"
            raise BenchmarkError(error.message, where=where, hint="give other sizes or values") from None
    return found


@functools.lru_cache(maxsize=2)
def input_data(seed: int, kind: str) -> InputData:
    """Input data of that seed and kind: all workloads of a run draw their random numbers once, and read a file once."""
    return InputData(seed, kind)


def _load(path: Path) -> Mapping[str, Array]:
    try:
        if path.exists() and not path.is_file():
            raise ValueError("not a regular file")  # to open a pipe may never end
        file = np.load(path, allow_pickle=False)
        if isinstance(file, np.ndarray):
            raise ValueError("it holds a single array without a name")
        with file:
            return dict(file)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise BenchmarkError(f"invalid .npz file: {error}", where=str(path), hint="write it with numpy.savez") from None
