"""Bounded arrays: exact results beside a bound on the rounding error of any right computation of them.

Each array has the value in higher precision and the *magnitude*: the same expression of absolute values, with + for -.
The magnitude bounds every partial result in any order. A result that is a sum of ``terms`` products, with ``roundings``
multiplications each, is off by at most ``(terms - 1 + roundings) * u * magnitude``, where ``u`` is the unit roundoff
(Higham, "Accuracy and Stability of Numerical Algorithms", 2002, chapters 3 and 4; Jeannerod and Rump, "Improved error
bounds for inner products in floating-point arithmetic", 2013, show that sums need no terms of higher order). It holds
for every order of summation, tiling, fused multiplication and ``-ffast-math``. Sums of products of integers are exact
while their magnitude fits the significand: there the bound is 0. Functions that are not linear pass on the error of
their arguments, and add one of their own.

Integers have the types that C computes them in, and wrap around as those do.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np

from hatframe.c.elements import ElementType

Array = np.ndarray[Any, Any]

# Vector libraries for mathematical functions promise 4 ulp, which are 8 units of roundoff.
FUNCTION_ROUNDINGS = 8
# With -ffast-math, compilers approximate quotients and square roots, and refine the result once.
DIVISION_ROUNDINGS = 4

MAX_ELEMENTS = 1 << 25
"""The most elements of an array that an expression makes: one of 32 numbers must not take all memory."""


class Precision(msgspec.Struct, frozen=True):
    """The arithmetic of a floating-point type: unit roundoff, bits of the significand, smallest and largest number."""

    unit: float
    digits: int
    smallest: float
    largest: float

    @classmethod
    def of(cls, element: ElementType) -> Precision:
        """That of a floating-point type, with the error of the wider type that its reference is computed in."""
        import ml_dtypes

        limits: Any = ml_dtypes.finfo(element.dtype)  # type: ignore[no-untyped-call]
        digits = int(limits.nmant) + 1
        unit = 0.5**digits + float(np.finfo(wide_dtype(element)).eps)
        # Processors may flush subnormal numbers to zero, but for those of float16.
        smallest = limits.smallest_subnormal if element.kind == "float16" else limits.smallest_normal
        return cls(unit=unit, digits=digits, smallest=float(smallest), largest=float(limits.max))


def wide_dtype(element: ElementType) -> np.dtype[Any]:
    """The type in which a reference for a floating-point type is computed."""
    return np.dtype(np.longdouble if element.kind == "float" and element.size == 8 else np.float64)


class Bounded(msgspec.Struct, frozen=True):
    """An array with its magnitude and error; integers and booleans have ``c_type``, the type that C gives them.

    ``error`` is what the arguments of nonlinear functions contribute, beside the roundings; that of a boolean is 1
    where it may be the other. ``whole`` says that all values are integers and exact, but for their roundings.
    """

    value: Array
    magnitude: Array
    error: Array | float = 0.0
    terms: int = 1
    roundings: int = 0
    whole: bool = False
    c_type: str = ""

    @property
    def is_float(self) -> bool:
        return not self.c_type


class SizeError(Exception):
    """An expression would make an array that is too large."""


def limited(*shape: int) -> None:
    """Raise :class:`SizeError` if an array of this shape is too large to make."""
    size = 1
    for extent in shape:
        size *= max(0, int(extent))
    if size > MAX_ELEMENTS:
        raise SizeError(f"it makes an array of shape {tuple(map(int, shape))}; the limit is {MAX_ELEMENTS:,} elements")


_STORAGE = {"bool": np.bool_, "int32": np.int64, "int64": np.int64, "uint32": np.uint32, "uint64": np.uint64}
_RANKS = ("bool", "int32", "uint32", "int64", "uint64")


def _integers(value: Any, c_type: str) -> Bounded:
    """Integers of a type of C. Those with a sign are computed in 64 bits: in C, their overflow is undefined."""
    array: Array = np.asarray(value).astype(_STORAGE[c_type], copy=False)
    return Bounded(array, np.abs(array.astype(np.float64, copy=False)), c_type=c_type, whole=True)


def constant(number: bool | int | float, wide: np.dtype[Any]) -> Bounded:
    """A number of the expression: an integer, or a floating-point number that the code rounds to its own type."""
    if isinstance(number, bool):
        return _integers(number, "bool")
    if isinstance(number, int):
        c_type = "int32" if number < 1 << 31 else "int64" if number < 1 << 63 else "uint64"
        return _integers(np.array(number, np.uint64 if number >= 1 << 63 else np.int64), c_type)
    value = np.array(number, wide)
    # Such as 0.5, which all types have.
    is_short = (math.frexp(number)[0] * 256).is_integer()
    return Bounded(
        value, np.abs(value).astype(np.float64, copy=False), roundings=0 if is_short else 1, whole=number.is_integer()
    )


def leaf(array: Any, element: ElementType, wide: np.dtype[Any]) -> Bounded:
    """An argument of the function, which is exact."""
    array = np.asarray(array)
    if element.kind == "bool":
        return _integers(array != 0, "bool")
    if element.is_integer:
        # C computes in int, and in wider types.
        c_type = f"{element.kind}{8 * element.size}" if element.size >= 4 else "int32"
        return _integers(array, c_type)
    value = array.astype(wide)
    finite = np.isfinite(value)
    # Infinity and NaN spread in the values; the bounds are about what is finite.
    magnitude = np.where(finite, np.abs(value), 0).astype(np.float64, copy=False)
    smallest = Precision.of(element).smallest
    subnormal = (magnitude > 0) & (magnitude < smallest)
    whole = bool(finite.all() and (value == np.rint(value)).all())
    return Bounded(value, magnitude, smallest * subnormal if subnormal.any() else 0.0, whole=whole)


def unknown(shape: tuple[int, ...], element: ElementType, wide: np.dtype[Any]) -> Bounded:
    """An array that may hold anything."""
    return msgspec.structs.replace(leaf(np.zeros(shape, element.dtype), element, wide), error=np.full(shape, np.inf))


def _structural(function: Callable[..., Any], *bounded: Bounded, joined: bool = False, **options: Any) -> Bounded:
    """Apply a function that only moves elements."""

    def apply(arrays: Sequence[Any]) -> Any:
        return function(list(arrays), **options) if joined else function(arrays[0], **options)

    errors: Any = 0.0
    if any(np.ndim(each.error) or each.error for each in bounded):
        errors = apply([np.broadcast_to(each.error, each.value.shape) for each in bounded])
    return Bounded(
        np.asarray(apply([each.value for each in bounded])),
        np.asarray(apply([each.magnitude for each in bounded])),
        errors,
        max(each.terms for each in bounded),
        max(each.roundings for each in bounded),
        all(each.whole for each in bounded),
        bounded[0].c_type,
    )


def _is_zero(error: Array | float) -> bool:
    return not np.ndim(error) and not error


class Arithmetic:
    """Operations on bounded arrays, in the precision of one statement; values are computed in ``wide``."""

    def __init__(self, precision: Precision, wide: np.dtype[Any]) -> None:
        self.precision = precision
        self.wide = wide

    # ------------------------------------------------------------------------------------------------ errors

    def error(self, a: Bounded) -> Array | float:
        """The bound on the error of each element, the roundings included; 0.0 where all of them are exact."""
        count = a.terms - 1 + a.roundings
        if not a.is_float or not count:
            return a.error
        exact_to = 2.0**self.precision.digits
        if a.whole and not (a.magnitude > exact_to).any():
            return a.error
        # One more for terms of higher order and for the store.
        rounding = (count + 1) * (self.precision.unit * a.magnitude + self.precision.smallest)
        return a.error + (np.where(a.magnitude > exact_to, rounding, 0.0) if a.whole else rounding)

    def collapsed(self, a: Bounded) -> Bounded:
        """The array as one term, with its roundings as its error."""
        error = self.error(a)
        if not a.is_float or (_is_zero(error) and a.terms == 1 and not a.roundings):
            return a
        return Bounded(a.value, a.magnitude, error, whole=a.whole and _is_zero(error))

    def _result(self, value: Any, magnitude: Any, error: Any, terms: int, roundings: int, whole: bool) -> Bounded:
        magnitude = np.asarray(magnitude)
        limits = self.precision
        if magnitude.size:
            if not magnitude.max() <= limits.largest:
                # Partial results may overflow.
                error = np.where(magnitude <= limits.largest, error, np.inf)
            vanishing = (magnitude > 0) & (magnitude < limits.smallest / limits.unit)
            if not whole and vanishing.any():
                error = error + limits.smallest * vanishing
        return Bounded(np.asarray(value), magnitude, error, terms, roundings, whole and _is_zero(error))

    def _floating(self, a: Bounded) -> Bounded:
        if a.is_float:
            return a
        exact_to = 2.0**self.precision.digits
        error = a.error
        if (a.magnitude > exact_to).any():
            error = error + np.where(a.magnitude > exact_to, self.precision.unit * a.magnitude, 0.0)
        whole = not np.any(error)
        return Bounded(a.value.astype(self.wide), a.magnitude, 0.0 if whole else error, whole=whole)

    # -------------------------------------------------------------------------------------------- arithmetic

    def _both(self, a: Bounded, b: Bounded) -> tuple[Bounded, Bounded, str]:
        """Both operands in their common type, and its name: empty for floating-point numbers."""
        limited(*np.broadcast_shapes(a.value.shape, b.value.shape))
        if a.is_float or b.is_float:
            return self._floating(a), self._floating(b), ""
        common = max(a.c_type, b.c_type, "int32", key=_RANKS.index)
        return _as_type(a, common), _as_type(b, common), common

    def _integer_result(self, value: Any, error: Any, c_type: str) -> Bounded:
        found = _integers(value, c_type)
        return found if _is_zero(error) else msgspec.structs.replace(found, error=error)

    def add(self, x1: Bounded, x2: Bounded) -> Bounded:
        return self._sum(np.add, x1, x2)

    def subtract(self, x1: Bounded, x2: Bounded) -> Bounded:
        return self._sum(np.subtract, x1, x2)

    def _sum(self, operation: Any, x1: Bounded, x2: Bounded) -> Bounded:
        a, b, c_type = self._both(x1, x2)
        error = a.error if _is_zero(b.error) else a.error + b.error
        if not _is_zero(error):
            error = np.broadcast_to(error, np.broadcast_shapes(a.value.shape, b.value.shape))
        value = operation(a.value, b.value)
        if c_type:
            return self._integer_result(value, error, c_type)
        roundings = max(a.roundings, b.roundings)
        whole = a.whole and b.whole
        return self._result(value, a.magnitude + b.magnitude, error, a.terms + b.terms, roundings, whole)

    def multiply(self, x1: Bounded, x2: Bounded) -> Bounded:
        return self._product(np.multiply, x1, x2, 1)

    def _product(self, operation: Callable[..., Any], x1: Bounded, x2: Bounded, count: int) -> Bounded:
        """A sum of ``count`` products for each element."""
        a, b, c_type = self._both(x1, x2) if operation is np.multiply else self._accumulated(x1, x2)
        is_exact = _is_zero(a.error) and _is_zero(b.error)
        value, error = operation(a.value, b.value), 0.0
        magnitude = None if c_type and is_exact else operation(a.magnitude, b.magnitude)
        if not is_exact:
            error = operation(a.magnitude + a.error, b.magnitude + b.error) - magnitude
        if c_type:
            return self._integer_result(value, error, c_type)
        terms = max(1, count) * (a.terms + b.terms - 1)
        return self._result(value, magnitude, error, terms, a.roundings + b.roundings + 1, a.whole and b.whole)

    def _accumulated(self, *operands: Bounded) -> Any:
        """Operands of a reduction in their common type, and its name; integers have accumulators of any width."""
        if any(each.is_float for each in operands):
            return (*map(self._floating, operands), "")
        common = "uint64" if max((each.c_type for each in operands), key=_RANKS.index).startswith("u") else "int64"
        return (*(_as_type(each, common) for each in operands), common)

    def divide(self, x1: Bounded, x2: Bounded) -> Bounded:
        limited(*np.broadcast_shapes(x1.value.shape, x2.value.shape))
        a, b = self._floating(x1), self._floating(x2)
        divisor_error = self.error(b)
        least = np.abs(b.value).astype(np.float64, copy=False) - divisor_error
        value = np.divide(a.value, b.value)
        magnitude = np.where(least > 0, a.magnitude / least, np.inf)
        error: Any = 0.0
        if not (_is_zero(a.error) and _is_zero(divisor_error)):
            error = np.where(least > 0, (a.error + magnitude * divisor_error) / least, np.inf)
        # x / 0 is infinite or NaN, which is exact.
        exact = (b.value == 0) & np.broadcast_to(divisor_error == 0, b.value.shape)
        if exact.any():
            magnitude = np.where(exact, 0.0, magnitude)
            error = np.where(exact, 0.0, error)
        return self._result(value, magnitude, error, a.terms, a.roundings + DIVISION_ROUNDINGS, False)

    def floor_divide(self, x1: Bounded, x2: Bounded) -> Bounded:
        a, b, c_type = self._both(x1, x2)
        if not c_type:
            return self.floor(self.divide(a, b))
        return self._integer_result(np.floor_divide(a.value, b.value), _unless_exact(a, b), c_type)

    def remainder(self, x1: Bounded, x2: Bounded) -> Bounded:
        """The remainder of the division that rounds down, as ``%`` has it in Python."""
        a, b, c_type = self._both(x1, x2)
        if not c_type:
            return self.subtract(a, self.multiply(self.floor_divide(a, b), b))
        return self._integer_result(np.remainder(a.value, b.value), _unless_exact(a, b), c_type)

    def fmod(self, x1: Bounded, x2: Bounded) -> Bounded:
        """The remainder of the division that rounds towards zero, as ``%`` and ``fmod`` have it in C."""
        a, b, c_type = self._both(x1, x2)
        if not c_type:
            return self.subtract(a, self.multiply(self.trunc(self.divide(a, b)), b))
        return self._integer_result(np.fmod(a.value, b.value), _unless_exact(a, b), c_type)

    def power(self, x1: Bounded, x2: Bounded) -> Bounded:
        a, b, c_type = self._both(x1, x2)
        if c_type:
            if (b.value < 0).any():
                return self.power(self._floating(x1), x2)
            return self._integer_result(np.power(a.value, b.value), _unless_exact(a, b), c_type)
        if not x2.value.ndim and 0 < b.value <= 64 and b.value == np.rint(b.value) and _is_zero(self.error(b)):
            count = int(b.value)
            magnitude = a.magnitude**count
            error = 0.0 if _is_zero(a.error) else (a.magnitude + a.error) ** count - magnitude
            roundings = a.roundings * count + count - 1
            return self._result(a.value**count, magnitude, error, count * (a.terms - 1) + 1, roundings, a.whole)
        x, y = self.error(a), self.error(b)
        value = a.value**b.value
        corners = [(a.value + s * x) ** (b.value + t * y) for s in (-1, 1) for t in (-1, 1)]
        spread = functools.reduce(np.maximum, (np.abs(corner - value) for corner in corners))
        own = FUNCTION_ROUNDINGS * (1 + np.abs(b.value * np.log(np.abs(a.value)))) * np.abs(value)
        return self._nonlinear(value, np.where(value == 0, 0, spread + self.precision.unit * own))

    def negative(self, x: Bounded) -> Bounded:
        if not x.is_float:
            return self.subtract(constant(0, self.wide), x)
        return msgspec.structs.replace(x, value=-x.value)

    def _nonlinear(self, value: Any, error: Any) -> Bounded:
        error = np.asarray(error).astype(np.float64, copy=False)
        magnitude = np.abs(np.asarray(value)).astype(np.float64, copy=False)
        return self._result(value, np.where(np.isfinite(error), magnitude + error, magnitude), error, 1, 0, False)

    # ------------------------------------------------------------------------------------------- comparisons

    def compare(self, operation: Callable[..., Any], x1: Bounded, x2: Bounded) -> Bounded:
        """Compare: uncertain where the errors of both could change the outcome."""
        a, b, _ = self._both(x1, x2)
        found = _integers(operation(a.value, b.value), "bool")
        error = self.error(a) + self.error(b)
        if _is_zero(error):
            return found
        uncertain = np.abs(a.value - b.value) <= error
        return msgspec.structs.replace(found, error=uncertain & (error > 0) if uncertain.any() else 0.0)

    def bitwise(self, operation: Callable[..., Any], x1: Bounded, x2: Bounded) -> Bounded:
        """``&``, ``|``, ``^``, ``<<`` or ``>>`` of integers or booleans."""
        if x1.is_float or x2.is_float:
            raise TypeError("floating-point numbers have no bits to combine")
        if x1.c_type == x2.c_type == "bool" and operation in (np.bitwise_and, np.bitwise_or, np.bitwise_xor):
            return self._logical(operation, x1, x2)
        a, b, c_type = self._both(x1, x2)
        return self._integer_result(operation(a.value, b.value), _unless_exact(a, b), c_type)

    def invert(self, x: Bounded) -> Bounded:
        if x.is_float:
            raise TypeError("floating-point numbers have no bits to invert")
        if x.c_type == "bool":
            return msgspec.structs.replace(_integers(~x.value, "bool"), error=x.error)
        number = _as_type(x, max(x.c_type, "int32", key=_RANKS.index))
        return self._integer_result(~number.value, x.error, number.c_type)

    def _logical(self, operation: Callable[..., Any], x1: Bounded, x2: Bounded) -> Bounded:
        a, b = self.truth(x1), self.truth(x2)
        limited(*np.broadcast_shapes(a.value.shape, b.value.shape))
        found = _integers(operation(a.value, b.value), "bool")
        if _is_zero(a.error) and _is_zero(b.error):
            return found
        return msgspec.structs.replace(found, error=np.minimum(1.0, a.error + b.error + 0.0 * found.magnitude))

    def truth(self, x: Bounded) -> Bounded:
        return x if x.c_type == "bool" else self.compare(np.not_equal, x, constant(0, self.wide))

    def logical_and(self, x1: Bounded, x2: Bounded) -> Bounded:
        return self._logical(np.logical_and, x1, x2)

    def logical_or(self, x1: Bounded, x2: Bounded) -> Bounded:
        return self._logical(np.logical_or, x1, x2)

    def logical_not(self, x: Bounded) -> Bounded:
        return self.invert(self.truth(x))

    # -------------------------------------------------------------------------------------------- elementwise

    def minimum(self, x1: Bounded, x2: Bounded) -> Bounded:
        return self._extreme(np.minimum, x1, x2)

    def maximum(self, x1: Bounded, x2: Bounded) -> Bounded:
        return self._extreme(np.maximum, x1, x2)

    def _extreme(self, operation: Any, x1: Bounded, x2: Bounded) -> Bounded:
        a, b, c_type = self._both(x1, x2)
        value = operation(a.value, b.value)
        first, second = self.error(a), self.error(b)
        error = 0.0 if _is_zero(first) and _is_zero(second) else np.maximum(first, second) + 0.0 * np.abs(value)
        if c_type:
            return self._integer_result(value, error, c_type)
        return Bounded(
            value, np.maximum(a.magnitude, b.magnitude), error, whole=a.whole and b.whole and _is_zero(error)
        )

    def clip(self, a: Bounded, a_min: Bounded | None, a_max: Bounded | None) -> Bounded:
        raised = a if a_min is None else self.maximum(a, a_min)
        return raised if a_max is None else self.minimum(raised, a_max)

    def absolute(self, x: Bounded) -> Bounded:
        a = self.collapsed(x)
        return msgspec.structs.replace(a, value=np.abs(a.value))

    def sign(self, x: Bounded) -> Bounded:
        zero = constant(0, self.wide)
        return self.subtract(self.compare(np.greater, x, zero), self.compare(np.less, x, zero))

    def square(self, x: Bounded) -> Bounded:
        return self.multiply(x, x)

    def _monotonic(self, function: Callable[..., Any], x: Bounded, low: float = -np.inf) -> Bounded:
        """A function that rises everywhere above ``low``."""
        a = self._floating(x)
        error = self.error(a)
        value = function(a.value)
        spread: Any = 0.0
        if not _is_zero(error):
            below = function(np.where(a.value >= low, np.maximum(a.value - error, low), a.value))
            spread = np.maximum(np.abs(function(a.value + error) - value), np.abs(value - below))
            spread = np.where(np.isnan(spread) & ~np.isnan(value), np.inf, spread)
        own = FUNCTION_ROUNDINGS * (self.precision.unit * np.abs(value) + self.precision.smallest)
        return self._nonlinear(value, spread + np.where(np.isfinite(value), own, 0.0))

    def _wave(self, function: Callable[..., Any], x: Bounded) -> Bounded:
        """Sine and cosine, which change no faster than their argument."""
        a = self._floating(x)
        value = function(a.value)
        own = FUNCTION_ROUNDINGS * self.precision.unit
        return self._nonlinear(value, np.minimum(self.error(a), 2.0) + own + 0.0 * np.abs(value))

    def _step(self, function: Callable[..., Any], x: Bounded) -> Bounded:
        """A function that rises in steps: exact, unless an error carries its argument over one."""
        if not x.is_float:
            return x
        error = self.error(x)
        value = function(x.value)
        magnitude = np.abs(value).astype(np.float64, copy=False)
        if _is_zero(error):
            return Bounded(value, magnitude, whole=bool(np.isfinite(magnitude).all()))
        spread = np.maximum(function(x.value + error) - value, value - function(x.value - error))
        return Bounded(value, magnitude, np.asarray(spread).astype(np.float64, copy=False))

    def where(self, condition: Bounded, x: Bounded, y: Bounded) -> Bounded:
        chosen = self.truth(condition)
        a, b, c_type = self._both(x, y)
        limited(*np.broadcast_shapes(chosen.value.shape, a.value.shape, b.value.shape))
        value = np.where(chosen.value, a.value, b.value)
        first, second = self.error(a), self.error(b)
        error: Any = 0.0
        if not (_is_zero(first) and _is_zero(second)):
            error = np.where(chosen.value, first, second)
        if not _is_zero(chosen.error):
            other = np.maximum(first, second) + np.abs(a.value - b.value).astype(np.float64, copy=False)
            error = np.where(chosen.error, other, error)
        if c_type:
            return self._integer_result(value, error, c_type)
        magnitude = np.where(chosen.value, a.magnitude, b.magnitude)
        return Bounded(value, magnitude, error, whole=a.whole and b.whole and _is_zero(error))

    # -------------------------------------------------------------------------------------------- reductions

    def sum(self, a: Bounded, axis: Any = None, keepdims: bool = False) -> Bounded:
        wide, c_type = self._accumulated(a)
        options: dict[str, Any] = {"axis": axis, "keepdims": keepdims}
        value = wide.value.sum(**options)
        error: Any = 0.0
        if not _is_zero(wide.error):
            error = np.broadcast_to(wide.error, wide.value.shape).sum(dtype=np.float64, **options)
        if c_type:
            return self._integer_result(value, error, c_type)
        terms = _per_result(wide.value, value) * wide.terms
        return self._result(value, wide.magnitude.sum(**options), error, terms, wide.roundings, wide.whole)

    def mean(self, a: Bounded, axis: Any = None, keepdims: bool = False) -> Bounded:
        total = self.sum(a, axis, keepdims)
        return self.divide(total, constant(_per_result(a.value, total.value), self.wide))

    def prod(self, a: Bounded, axis: Any = None, keepdims: bool = False) -> Bounded:
        wide, c_type = self._accumulated(a)
        options: dict[str, Any] = {"axis": axis, "keepdims": keepdims}
        value, magnitude = wide.value.prod(**options), wide.magnitude.prod(**options)
        error = 0.0 if _is_zero(wide.error) else (wide.magnitude + wide.error).prod(**options) - magnitude
        if c_type:
            return self._integer_result(value, error, c_type)
        count = max(1, _per_result(wide.value, value))
        roundings = count * wide.roundings + count - 1
        return self._result(value, magnitude, error, count * (wide.terms - 1) + 1, roundings, wide.whole)

    def min(self, a: Bounded, axis: Any = None, keepdims: bool = False) -> Bounded:
        return self._reduced(np.min, a, axis, keepdims)

    def max(self, a: Bounded, axis: Any = None, keepdims: bool = False) -> Bounded:
        return self._reduced(np.max, a, axis, keepdims)

    def any(self, a: Bounded, axis: Any = None, keepdims: bool = False) -> Bounded:
        return self._reduced(np.any, self.truth(a), axis, keepdims)

    def all(self, a: Bounded, axis: Any = None, keepdims: bool = False) -> Bounded:
        return self._reduced(np.all, self.truth(a), axis, keepdims)

    def _reduced(self, function: Callable[..., Any], a: Bounded, axis: Any, keepdims: bool) -> Bounded:
        options: dict[str, Any] = {"axis": axis, "keepdims": keepdims}
        value, error = np.asarray(function(a.value, **options)), self.error(a)
        if not _is_zero(error):
            error = np.max(np.broadcast_to(error, a.value.shape), **options)
        if a.c_type:
            return self._integer_result(value, error, a.c_type)
        return Bounded(value, np.max(a.magnitude, **options), error, whole=a.whole and _is_zero(error))

    def argmin(self, a: Bounded, axis: Any = None) -> Bounded:
        return self._integer_result(np.argmin(a.value, axis=axis), self._if_uncertain(a), "int64")

    def argmax(self, a: Bounded, axis: Any = None) -> Bounded:
        return self._integer_result(np.argmax(a.value, axis=axis), self._if_uncertain(a), "int64")

    def _if_uncertain(self, a: Bounded) -> float:
        return 0.0 if _is_zero(self.error(a)) else np.inf

    def cumsum(self, a: Bounded, axis: Any = None) -> Bounded:
        wide, c_type = self._accumulated(a)
        value = np.cumsum(wide.value, axis=axis)
        error: Any = 0.0
        if not _is_zero(wide.error):
            error = np.cumsum(np.broadcast_to(wide.error, wide.value.shape), axis=axis)
        if c_type:
            return self._integer_result(value, error, c_type)
        count = max(1, wide.value.size if axis is None else wide.value.shape[axis])
        magnitude = np.cumsum(wide.magnitude, axis=axis)
        return self._result(value, magnitude, error, count * wide.terms, wide.roundings, wide.whole)

    def sort(self, a: Bounded, axis: int = -1) -> Bounded:
        b = self.collapsed(a)
        error = b.error
        if not _is_zero(error):
            error = np.broadcast_to(
                np.max(np.broadcast_to(error, b.value.shape), axis=axis, keepdims=True), b.value.shape
            )
        value = np.sort(b.value, axis=axis)
        return msgspec.structs.replace(
            b, value=value, magnitude=np.abs(value).astype(np.float64, copy=False) + error, error=error
        )

    # --------------------------------------------------------------------------------------- linear algebra

    def matmul(self, a: Bounded, b: Bounded) -> Bounded:
        limited(*a.value.shape[:-1], *b.value.shape[-1:])
        return self._product(np.matmul, a, b, a.value.shape[-1])

    def dot(self, a: Bounded, b: Bounded) -> Bounded:
        if not a.value.ndim or not b.value.ndim:
            return self.multiply(a, b)
        limited(*a.value.shape[:-1], *b.value.shape[:-2], *b.value.shape[-1:] * (b.value.ndim > 1))
        return self._product(np.dot, a, b, a.value.shape[-1])

    def outer(self, a: Bounded, b: Bounded) -> Bounded:
        return self.multiply(self.reshape(a, (-1, 1)), self.reshape(b, (1, -1)))

    def convolve(self, a: Bounded, v: Bounded, mode: str = "full") -> Bounded:
        return self._product(
            functools.partial(np.convolve, mode=mode),
            a,
            v,
            min(a.value.size, v.value.size),
        )

    def einsum(self, subscripts: str, *operands: Bounded) -> Bounded:
        inputs, _, output = subscripts.partition("->")
        extents: dict[str, int] = {}
        for letters, operand in zip(inputs.split(","), operands, strict=True):
            if len(letters) != operand.value.ndim:
                raise ValueError(f"the subscripts {letters!r} are for an array of {len(letters)} axes")
            extents.update(zip(letters, operand.value.shape, strict=True))
        if "->" not in subscripts:
            output = "".join(letter for letter in sorted(extents) if inputs.count(letter) == 1)
        limited(*(extents.get(letter, 1) for letter in output))
        count = 1
        for letter, extent in extents.items():
            count *= extent if letter not in output else 1
        if count > MAX_ELEMENTS:
            raise SizeError(f"it adds {count:,} products for each element; the limit is {MAX_ELEMENTS:,}")
        *factors, c_type = self._accumulated(*operands)
        value = self._einsum(subscripts, [each.value for each in factors])
        magnitude = self._einsum(subscripts, [each.magnitude for each in factors])
        error: Any = 0.0
        if not all(_is_zero(each.error) for each in factors):
            error = self._einsum(subscripts, [each.magnitude + each.error for each in factors]) - magnitude
        if c_type:
            return self._integer_result(value, error, c_type)
        terms = max(1, count) * (sum(each.terms - 1 for each in factors) + 1)
        roundings = sum(each.roundings for each in factors) + len(factors) - 1
        return self._result(value, magnitude, error, terms, roundings, all(each.whole for each in factors))

    @staticmethod
    def _einsum(subscripts: str, arrays: list[Array]) -> Any:
        return np.einsum(subscripts, *arrays, optimize="greedy")

    # ---------------------------------------------------------------------------------------------- structure

    def indexed(self, a: Bounded, index: Any) -> Bounded:
        """A part of an array."""
        return _structural(lambda array: array[index], a)

    def replaced(self, a: Bounded, index: Any, part: Bounded) -> Bounded:
        """An array with other values in a part of it."""
        old, new = self.collapsed(a), self.collapsed(part)
        if old.is_float:
            new = self.collapsed(self._floating(new))
        elif new.is_float:
            new = self._truncated(new)
        value, magnitude = old.value.copy(), old.magnitude.copy()
        value[index], magnitude[index] = new.value, new.magnitude
        error: Any = 0.0
        if not (_is_zero(old.error) and _is_zero(new.error)):
            error = np.array(np.broadcast_to(old.error, value.shape), np.float64)
            error[index] = new.error
        return Bounded(value, magnitude, error, whole=old.whole and new.whole, c_type=old.c_type)

    def stored(self, a: Bounded, element: ElementType) -> Bounded:
        """The array as a function stores it in an array of a type."""
        if element.kind == "bool":
            return self.truth(a)
        if element.is_integer:
            number = self._truncated(a) if a.is_float else a
            found = leaf(number.value.astype(element.dtype), element, self.wide)
            return found if _is_zero(number.error) else msgspec.structs.replace(found, error=number.error)
        number = self.collapsed(self._floating(a))
        rounded = number.value.astype(element.dtype).astype(self.wide)
        changed = np.isfinite(number.value) & (rounded != number.value)
        limits = Precision.of(element)
        if changed.any():
            error = number.error + np.where(changed, limits.unit * number.magnitude + limits.smallest, 0.0)
            error = np.where(number.magnitude > limits.largest, np.inf, error)
            number = msgspec.structs.replace(number, error=error, whole=False)
        return number

    def _truncated(self, a: Bounded) -> Bounded:
        """Floating-point numbers as integers, as C converts them; those that do not fit are undefined."""
        whole = self.collapsed(self.trunc(a))
        fits = whole.magnitude < 2.0**63
        error: Any = whole.error
        if not fits.all() or not np.isfinite(whole.value).all():
            error = np.where(fits & np.isfinite(whole.value), error, np.inf)
        return self._integer_result(np.where(np.isfinite(whole.value) & fits, whole.value, 0), error, "int64")

    def zeros_like(self, a: Bounded) -> Bounded:
        return self.full_like(a, constant(0, self.wide))

    def ones_like(self, a: Bounded) -> Bounded:
        return self.full_like(a, constant(1, self.wide))

    def full_like(self, a: Bounded, fill_value: Bounded) -> Bounded:
        filled = self.broadcast_to(fill_value, a.value.shape)
        return self._floating(filled) if a.is_float else filled

    def arange(self, start: Bounded, stop: Bounded | None = None, step: Bounded | None = None) -> Bounded:
        if stop is None:
            start, stop = constant(0, self.wide), start
        parts = (start, stop, step or constant(1, self.wide))
        if not all(part.c_type and not part.value.ndim and _is_zero(part.error) for part in parts):
            raise TypeError("arange takes integers")
        low, high, width = (int(part.value) for part in parts)
        numbers = range(low, high, width)
        limited(len(numbers))
        common = max((part.c_type for part in parts), key=_RANKS.index)
        return _integers(np.arange(len(numbers), dtype=np.int64) * width + low, max(common, "int32", key=_RANKS.index))

    def broadcast_to(self, a: Bounded, shape: tuple[int, ...]) -> Bounded:
        limited(*np.atleast_1d(shape))
        return _structural(np.broadcast_to, a, shape=shape)

    def reshape(self, a: Bounded, shape: Any) -> Bounded:
        return _structural(lambda array: np.reshape(array, shape), a)

    def transpose(self, a: Bounded, axes: Any = None) -> Bounded:
        return _structural(np.transpose, a, axes=axes)

    def ravel(self, a: Bounded) -> Bounded:
        return _structural(np.ravel, a)

    def flip(self, a: Bounded, axis: Any = None) -> Bounded:
        return _structural(np.flip, a, axis=axis)

    def squeeze(self, a: Bounded, axis: Any = None) -> Bounded:
        return _structural(np.squeeze, a, axis=axis)

    def roll(self, a: Bounded, shift: Any, axis: Any = None) -> Bounded:
        return _structural(np.roll, a, shift=shift, axis=axis)

    def expand_dims(self, a: Bounded, axis: Any) -> Bounded:
        return _structural(np.expand_dims, a, axis=axis)

    def swapaxes(self, a: Bounded, axis1: int, axis2: int) -> Bounded:
        return _structural(np.swapaxes, a, axis1=axis1, axis2=axis2)

    def concatenate(self, arrays: Sequence[Bounded], axis: int | None = 0) -> Bounded:
        return self._joined(np.concatenate, arrays, axis)

    def stack(self, arrays: Sequence[Bounded], axis: int = 0) -> Bounded:
        return self._joined(np.stack, arrays, axis)

    def _joined(self, function: Callable[..., Any], arrays: Sequence[Bounded], axis: Any) -> Bounded:
        limited(sum(each.value.size for each in arrays))
        if any(each.is_float for each in arrays):
            common = [self.collapsed(self._floating(each)) for each in arrays]
        else:
            widest = max((each.c_type for each in arrays), key=_RANKS.index)
            common = [_as_type(each, widest) for each in arrays]
        return _structural(function, *common, joined=True, axis=axis)

    def tril(self, v: Bounded, k: int = 0) -> Bounded:
        return _structural(np.tril, v, k=k)

    def triu(self, v: Bounded, k: int = 0) -> Bounded:
        return _structural(np.triu, v, k=k)

    def diag(self, v: Bounded, k: int = 0) -> Bounded:
        side = v.value.shape[0] + abs(k) if v.value.ndim == 1 else 1
        limited(side, side)
        return _structural(np.diag, v, k=k)

    def size(self, a: Bounded) -> Bounded:
        return constant(a.value.size, self.wide)

    def exp(self, x: Bounded) -> Bounded:
        return self._monotonic(np.exp, x)

    def exp2(self, x: Bounded) -> Bounded:
        return self._monotonic(np.exp2, x)

    def expm1(self, x: Bounded) -> Bounded:
        return self._monotonic(np.expm1, x)

    def sqrt(self, x: Bounded) -> Bounded:
        return self._monotonic(np.sqrt, x, 0.0)

    def log(self, x: Bounded) -> Bounded:
        return self._monotonic(np.log, x, 0.0)

    def log2(self, x: Bounded) -> Bounded:
        return self._monotonic(np.log2, x, 0.0)

    def log10(self, x: Bounded) -> Bounded:
        return self._monotonic(np.log10, x, 0.0)

    def log1p(self, x: Bounded) -> Bounded:
        return self._monotonic(np.log1p, x, -1.0)

    def sin(self, x: Bounded) -> Bounded:
        return self._wave(np.sin, x)

    def cos(self, x: Bounded) -> Bounded:
        return self._wave(np.cos, x)

    def sinh(self, x: Bounded) -> Bounded:
        return self._monotonic(np.sinh, x)

    def cosh(self, x: Bounded) -> Bounded:
        return self.divide(self.add(self.exp(x), self.exp(self.negative(x))), constant(2, self.wide))

    def tanh(self, x: Bounded) -> Bounded:
        return self._monotonic(np.tanh, x)

    def arctan(self, x: Bounded) -> Bounded:
        return self._monotonic(np.arctan, x)

    def floor(self, x: Bounded) -> Bounded:
        return self._step(np.floor, x)

    def ceil(self, x: Bounded) -> Bounded:
        return self._step(np.ceil, x)

    def trunc(self, x: Bounded) -> Bounded:
        return self._step(np.trunc, x)

    def rint(self, x: Bounded) -> Bounded:
        return self._step(np.rint, x)


def _as_type(a: Bounded, c_type: str) -> Bounded:
    if a.c_type == c_type:
        return a
    converted = _integers(a.value, c_type)
    return converted if _is_zero(a.error) else msgspec.structs.replace(converted, error=np.asarray(a.error) * 1.0)


def _unless_exact(*operands: Bounded) -> Any:
    """Nothing is known of the result of operands that are uncertain."""
    if all(_is_zero(each.error) for each in operands):
        return 0.0
    return functools.reduce(np.maximum, (np.where(np.asarray(each.error) > 0, np.inf, 0.0) for each in operands))


def _per_result(operand: Array, result: Any) -> int:
    """The elements of an operand for each of a reduction's result."""
    return operand.size // max(1, np.size(result))
