"""Tolerances: whether results agree with what is expected, and the first element that does not."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import numpy as np

from hatframe.c.elements import ElementType
from hatframe.calling.plans import CallPlan
from hatframe.verifying.bounded import Precision

Array = np.ndarray[Any, Any]

# An array of so few results may have none that shows how large the terms of their sums are.
_FEW = 16


class Expected(msgspec.Struct, frozen=True):
    """What an output should hold: values in any precision, and for each how far a right result may be from it."""

    values: Array
    bound: Array | float = 0.0


class Mismatch(msgspec.Struct, frozen=True):
    """The first wrong element of an output, and how many are wrong; ``index`` is None where the shapes differ."""

    index: tuple[int, ...] | None
    expected: Any
    actual: Any
    bound: float
    count: int = 1

    @property
    def message(self) -> str:
        """What is wrong, to follow the name of the output: ``[3, 5] is 1.5, expected 2 ± 1e-06 (and 7 more)``."""
        if self.index is None:
            return f" has the shape {self.actual}, expected {self.expected}"
        place = f"[{', '.join(map(str, self.index))}]" if self.index else ""
        margin = f" ± {self.bound:.2g}" if self.bound else ""
        more = f" (and {self.count - 1:,} more)" if self.count > 1 else ""
        return f"{place} is {_shown(self.actual)}, expected {_shown(self.expected)}{margin}{more}"


def _shown(number: Any) -> str:
    return str(number) if isinstance(number, (bool, int)) else f"{number:.9g}"


def compare(
    expected: Expected, actual: Any, element: ElementType, *, rtol: float | None = None, atol: float | None = None
) -> Mismatch | None:
    """The first element of ``actual`` that is further from its expected value than the bound, or None.

    ``rtol`` and ``atol`` replace the bound by ``atol + rtol * abs(expected)``; integers and booleans are exact all the
    same. NaN agrees with NaN, and an infinity with the same infinity. Where the bound is infinite, as after an
    overflow, any number agrees.
    """
    actual = np.asarray(actual)
    values = expected.values
    if values.size == actual.size == 1:
        values = values.reshape(actual.shape)
    if values.shape != actual.shape:
        return Mismatch(None, values.shape, actual.shape, 0.0)
    bound = np.asarray(expected.bound)
    if bound.ndim:
        bound = bound.reshape(actual.shape)
    is_float = not (element.is_integer or element.kind == "bool")
    if is_float:
        if rtol is not None or atol is not None:
            bound = np.abs(values).astype(np.float64) * (rtol or 0.0) + (atol or 0.0)
        wrong = _wrong_numbers(values, actual.astype(values.dtype), bound)
    elif bound.any():
        wrong = np.abs(actual.astype(np.longdouble) - values.astype(np.longdouble)) > bound
    else:
        wrong = actual != values.astype(actual.dtype)
    count = int(np.count_nonzero(wrong))
    if not count:
        return None
    index = tuple(map(int, np.unravel_index(int(np.argmax(wrong)), actual.shape)))
    limit = float(np.broadcast_to(bound, actual.shape)[index])
    # A long double that is no float becomes the nearest one.
    pair = [float(array[index]) if is_float else array[index].item() for array in (values, actual)]
    return Mismatch(index, pair[0], pair[1], limit, count)


def _wrong_numbers(expected: Array, actual: Array, bound: Array) -> Array:
    with np.errstate(all="ignore"):
        wrong = ~(np.abs(actual - expected) <= bound)
    special = ~np.isfinite(expected)
    if special.any():
        same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
        wrong = np.where(special, ~same, wrong)
    return np.asarray(wrong & ~(np.isinf(bound) | np.isnan(bound)))


def measured(values: Any, element: ElementType, length: int, inputs: Iterable[Any] = ()) -> Expected:
    """Expect results that another function computed in the same precision, with a bound from the data.

    Both are off by at most ``length * u * magnitude``, where ``length`` is that of the longest sum. The largest result
    stands for the magnitude of all. A few results alone may be small after cancellation: there, the magnitude is at
    least that of a random walk, of ``length`` steps that are the product of the largest ``inputs`` above 1.
    """
    values = np.asarray(values)
    if element.is_integer or element.kind == "bool":
        return Expected(values)
    wide = values.astype(np.longdouble if element.size == 8 else np.float64)
    scale = _largest(wide)
    if wide.size < _FEW:
        step = math.prod(max(1.0, _largest(np.asarray(each).astype(np.float64))) for each in inputs)
        scale = max(scale, math.sqrt(length) * step)
    precision = Precision.of(element)
    return Expected(wide, 2 * (length + 1) * (precision.unit * scale + precision.smallest))


def _largest(values: Array) -> float:
    finite = np.abs(values[np.isfinite(values)])
    return float(finite.max()) if finite.size else 0.0


def sum_length(plan: CallPlan, arguments: Mapping[str, Any]) -> int:
    """How many numbers a result of a function may be the sum of, by its arguments: arrays by the names of parameters.

    It is the longest axis of an array that the function reads, or the elements read for each that it writes, whichever
    is more: 256 for a product of matrices of that size, and all for a sum that is returned.
    """
    read = [np.shape(arguments[each.name]) for each in plan.arguments if each.read and each.name in arguments]
    written = [np.shape(arguments[each.name]) for each in plan.arguments if each.written and each.name in arguments]
    longest = max((extent for shape in read for extent in shape), default=1)
    each_result = sum(map(math.prod, read)) // max(1, sum(map(math.prod, written)))
    return max(1, longest, each_result)
