"""Inputs: the values that functions are verified with. The same trial has the same values in every process."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from hatframe.calling.arguments import argument_layout
from hatframe.calling.inputs import input_data, input_values
from hatframe.calling.plans import ArgumentPlan, CallPlan, PassingMode

Array = np.ndarray[Any, Any]

ORDINARY, SIGNED, SPECIAL = "ordinary", "signed", "special"
"""The styles of values: numbers from 1/8 to 7/8, and integers of the whole range; numbers from -1 to 1, and small
integers; and such with special ones among them. Signed numbers of 16 bits are small integers too, whose sums are exact:
the error bounds of sums of other numbers are large for these types."""

# A prime: no row or column of an array that is filled with repetitions equals another.
_POOL = 65521

_SPECIAL_STRIDE = 7

# Among integers of so few values, some are equal and others neighbors, as in data; they fit all types.
_SMALL = 100


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """What a function is called with: the sizes of a row, and what is known of its needs.

    ``alignment`` is that of arrays in bytes. ``index_limit`` bounds integers, for functions that use them as indices;
    0 for none. ``guarded`` is whether the memory beside arrays cannot be accessed, and ``protected`` whether inputs
    cannot be written.
    """

    row: int
    sizes: dict[str, int] = {}
    seed: int = 0
    alignment: int = 1
    index_limit: int = 0
    guarded: bool = True
    protected: bool = True


class Inputs:
    """The values of a function's arguments before a call.

    Arrays have what the metadata say of their values, or else those of the ``style``. Raises a :class:`HatError` if the
    sizes of the trial do not allow it. Another ``kind`` than ``random`` is that of a benchmark, and has its values.
    """

    def __init__(
        self,
        plan: CallPlan,
        trial: Trial,
        values: Mapping[str, int | float],
        style: str = ORDINARY,
        turn: int = 0,
        kind: str = "random",
    ) -> None:
        self.plan = plan
        self.given: dict[str, int | float] = {**values, **trial.sizes}
        self._trial = trial
        self._style = style
        self._turn = turn
        self._values = input_values(plan, self.given)
        self._data = input_data(trial.seed, kind) if kind != "random" else None

    def fill(self, argument: ArgumentPlan, array: Array) -> None:
        """Fill the array of an argument, of any layout, in place."""
        if argument.is_scalar and (argument.name in self.given or argument.element.is_integer):
            array[...] = self.given.get(argument.name, 1)
            return
        if self._data:
            self._data.fill(argument.name, array, self._values.get(argument.name))
            return
        seed = (self._trial.seed, self._turn, argument.position)
        if values := self._values.get(argument.name):
            drawn = values.draw(np.random.default_rng(seed), array.size, argument.element.dtype)
            array[...] = drawn.reshape(array.shape)
            return
        pool = _pool(
            argument.element.dtype,
            seed,
            SIGNED if self._style == SPECIAL and argument.is_scalar else self._style,
            self._trial.index_limit,
        )
        array[...] = np.resize(pool, array.shape)

    def scalar(self, argument: ArgumentPlan) -> Any:
        """The value of a scalar that is passed by value."""
        cell = np.empty((), argument.element.dtype)
        self.fill(argument, cell)
        return cell.item()

    def before(self) -> dict[str, Any]:
        """What the function is called with, by the names of parameters: arrays and numbers, also of outputs.

        Arrays that it allocates are not among them.
        """
        found: dict[str, Any] = {}
        for argument in self.plan.arguments:
            if argument.passing is PassingMode.VALUE:
                found[argument.name] = self.scalar(argument)
            elif argument.passing is not PassingMode.ALLOCATED:
                layout = argument_layout(self.plan, argument, self.given)
                array = np.empty(layout.shape, argument.element.dtype)
                if argument.read:
                    self.fill(argument, array)
                else:
                    prefill(argument, array, self._trial.seed, second=False)
                found[argument.name] = array
        return found


def prefill(argument: ArgumentPlan, array: Array, seed: int, second: bool) -> None:
    """Fill an output before a call; ``second`` gives other bits in each element, and NaN instead of numbers."""
    dtype = argument.element.dtype
    if dtype.kind in "iu":
        pool = _pool(dtype, (seed, 0, 1 << 20), ORDINARY, 0)
        array[...] = np.resize(~pool if second else pool, array.shape)
    elif dtype.kind == "b":
        array[...] = second
    elif second:
        array[...] = np.nan
    else:
        array[...] = np.resize(_floats((seed, 0, 1 << 20), 100, 200).astype(dtype), array.shape)


@functools.lru_cache(maxsize=64)
def _pool(dtype: np.dtype[Any], seed: tuple[int, ...], style: str, index_limit: int) -> Array:
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        low, high = (limits.min, limits.max) if style == ORDINARY else (max(limits.min, -_SMALL), _SMALL)
        if index_limit:
            low, high = 0, min(index_limit - 1, limits.max)
        return np.random.default_rng(seed).integers(low, high, _POOL, dtype=dtype, endpoint=True)
    if dtype.kind == "b":
        return np.random.default_rng(seed).integers(0, 1, _POOL, dtype=np.uint8, endpoint=True).astype(dtype)
    if style == ORDINARY:
        return _floats(seed, 0.125, 0.875).astype(dtype)
    if dtype.itemsize == 2:
        pool = np.random.default_rng(seed).choice([-2, -1, 1, 2], _POOL).astype(dtype)
    else:
        pool = _floats(seed, -1, 1).astype(dtype)
    if style == SPECIAL:
        special = np.array([0.0, -0.0, np.nan, np.inf, -np.inf], dtype)
        special = np.concatenate([special, float_limits(dtype)])
        pool[::_SPECIAL_STRIDE] = np.resize(special, len(pool[::_SPECIAL_STRIDE]))
    return pool


def float_limits(dtype: np.dtype[Any]) -> Array:
    """The least subnormal number, the largest number and the lowest one of a floating-point type."""
    import ml_dtypes

    limits: Any = ml_dtypes.finfo(dtype)  # type: ignore[no-untyped-call]
    return np.array([limits.smallest_subnormal, limits.max, -limits.max], dtype)


def _floats(seed: tuple[int, ...], low: float, high: float) -> Array:
    values: Array = np.random.default_rng(seed).uniform(low, high, _POOL)
    return values
