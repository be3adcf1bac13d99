"""Checks: what is wrong with the outputs of calls, and with the memory around their arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec
import numpy as np

from hatframe.c.elements import ElementType
from hatframe.calling.plans import ArgumentPlan, CallPlan
from hatframe.verifying.placing import PlacedArray, index_at

Array = np.ndarray[Any, Any]


class Problem(msgspec.Struct, frozen=True):
    """What a check found: the ``argument`` that it is about, or an empty name.

    ``index`` is that of an element of the argument, and ``byte_offset`` is from the pointer that the function is given.
    """

    check: str
    argument: str
    message: str
    index: tuple[int, ...] | None = None
    byte_offset: int | None = None


class Outcome(Protocol):
    """What a call gave, and what its outputs held before."""

    plan: CallPlan
    results: dict[str, Array]
    prefilled: dict[str, Array]
    elements: dict[str, ElementType]


def damaged(argument: ArgumentPlan, placed: PlacedArray) -> list[Problem]:
    """The problem of bytes that were overwritten around an argument, or between its elements."""
    found = placed.damage()
    if found is None:
        return []
    first, last = found
    region = placed.region
    below, above = region.begin - region.pointer, region.end - region.pointer
    offset = last if last < below else first
    extent = number_of_bytes(last - first + 1)
    where = place(argument.name, below, above, offset)
    index = index_at(placed.layout, argument.element.size, offset)
    return [Problem("bounds", argument.name, f"changes {extent} {where}", index, offset)]


def place(name: str, below: int, above: int, offset: int) -> str:
    """Where a byte is from an argument whose memory lies between two offsets from its pointer."""
    if offset >= above:
        distance = offset - above
        return f"past the end of {name!r}" + (f", {number_of_bytes(distance)} after it" if distance else "")
    if offset < below:
        return f"before the start of {name!r}" + (
            f", {number_of_bytes(below - offset)} before it" if below - offset > 1 else ""
        )
    return f"between the elements of {name!r}, at byte {offset}"


def number_of_bytes(number: int) -> str:
    """The number in words: ``1 byte``, ``2 bytes``."""
    return "1 byte" if number == 1 else f"{number} bytes"


def changed_input(argument: ArgumentPlan, expected: Array, actual: Array) -> list[Problem]:
    """The problem of an input that a call changed."""
    index = _first(~_same_bits(expected, actual))
    if index is None:
        return []
    return [Problem("usage", argument.name, written_input(argument.name, index), index)]


def written_input(name: str, index: tuple[int, ...] | None) -> str:
    """The message for a function that writes to an input."""
    at = f" at {list(index)}" if index else ""
    return f"writes to input {name!r}{at}"


def not_finite(plan: CallPlan, results: Mapping[str, Array]) -> list[Problem]:
    """The problems of outputs that are NaN or infinite, though no input is."""
    problems = []
    for name, value in results.items():
        if value.dtype.kind in "iub" or not value.size:
            continue
        index = _first(~np.isfinite(value.astype(np.float64)))
        if index is not None:
            found = "NaN" if np.isnan(value[index]) else "infinite"
            what = "its result" if name == "return" else f"{name!r}"
            problems.append(Problem("values", name, f"{what} is {found}{_at(index)}, from ordinary inputs", index))
    return problems


def untouched(first: Outcome, second: Outcome, name: str) -> Problem | None:
    """The problem of elements that hold what they held before, in two calls before which they held other values."""
    left = _same_bits(first.results[name], first.prefilled[name])
    left &= _same_bits(second.results[name], second.prefilled[name])
    index = _first(left)
    if index is None:
        return None
    count, size = int(left.sum()), left.size
    if count == size:
        return Problem("usage", name, f"output {name!r} is never written", index)
    return Problem("usage", name, f"{count} of {size} elements of output {name!r} are not written{_at(index)}", index)


def depends(first: Outcome, second: Outcome, name: str) -> Problem:
    """The problem of an output that is another if outputs held other values before."""
    index = varies(first.results[name], second.results[name], first.elements[name])
    what = "its result" if name == "return" else f"output {name!r}" if name in first.prefilled else f"{name!r}"
    return Problem("usage", name, f"{what} depends on what an output held before{_at(index)}", index)


def varies(one: Array, other: Array, element: ElementType) -> tuple[int, ...] | None:
    """The first index at which two results differ by more than another order of the same sums explains."""
    if one.shape != other.shape:
        return (0,) * one.ndim
    different = ~_same_bits(one, other)
    if not different.any() or element.kind in ("int", "uint", "bool"):
        return _first(different)
    with np.errstate(all="ignore"):
        left, right = one.astype(np.float64), other.astype(np.float64)
        finite = np.isfinite(left) & np.isfinite(right)
        largest = np.abs(left[finite]).max(initial=0.0)
        scale = np.maximum(np.maximum(np.abs(left), np.abs(right)), largest / 64)
        same = (left == right) | (np.isnan(left) & np.isnan(right))
        return _first(~(same | (finite & (np.abs(left - right) <= _rounding(element) * scale))))


def _rounding(element: ElementType) -> float:
    """How far sums of the same numbers in another order may be apart, relative to them."""
    import ml_dtypes

    limits: Any = ml_dtypes.finfo(element.dtype)  # type: ignore[no-untyped-call]
    return float(float(limits.eps) ** 0.6)


def _same_bits(one: Array, other: Array) -> Array:
    kind = f"u{one.dtype.itemsize}"
    same: Array = np.asarray(np.ascontiguousarray(one).view(kind) == np.ascontiguousarray(other).view(kind))
    return same.reshape(one.shape)


def _first(wrong: Array) -> tuple[int, ...] | None:
    """The first index where an array is true."""
    if not wrong.any():
        return None
    return tuple(int(position) for position in np.unravel_index(int(np.argmax(wrong)), wrong.shape))


def _at(index: tuple[int, ...] | None) -> str:
    return f" at {list(index)}" if index else ""
