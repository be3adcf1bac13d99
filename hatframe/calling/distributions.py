"""Distributions: what the random values of an array are like, where not every number of its type makes sense.

``auxiliary.inputs`` of a function has one for each array that needs it, as the ``@hat`` lines of ``build`` write it:
``in 0..m sorted``. Ranges are over integers and the function's scalars, and do not contain their end.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from hatframe.c.elements import ElementType
from hatframe.c.size_expressions import SizeExpression
from hatframe.errors import BenchmarkError, FormatError
from hatframe.format.model import INPUTS_KEY

if TYPE_CHECKING:
    from typing import Any

    import numpy as np

    from hatframe.calling.plans import CallPlan

    Array = np.ndarray[Any, Any]

FORM = "write `in 0..n` and `sorted`, `distinct` or `permutation` for integers, `uniform -1..1` or `normal` for others"

# numpy draws without replacement from this number of integers at most.
_MOST_CHOICES = (1 << 63) - 1

RANGE = r"(?:\((?:[^()]|\([^()]*\))*\)|[^\s()])+"
_WORD = re.compile(rf"\s*(?:(?P<key>in|uniform)\s+(?P<range>{RANGE})|(?P<word>[a-z]+))(?!\S)")
WORDS = frozenset({"in", "uniform", "normal", "sorted", "distinct", "permutation"})


class Distribution(msgspec.Struct, frozen=True, kw_only=True):
    """A distribution as it is written. ``low`` and ``high`` are expressions, or numbers for ``uniform``."""

    kind: str = ""
    low: str = ""
    high: str = ""
    sorted: bool = False
    distinct: bool = False

    @classmethod
    def parse(cls, text: str) -> Distribution:
        """Read a text such as ``in 0..m sorted``; raises :class:`FormatError`."""
        found: dict[str, Any] = {}
        position = 0
        while text[position:].strip():
            match = _WORD.match(text, position)
            if not match:
                raise FormatError(f"invalid values {text[position:].strip()!r}", hint=FORM)
            position = match.end()
            word = match["key"] or match["word"]
            key = word if word in ("sorted", "distinct") else "kind"
            if word not in WORDS:
                raise FormatError(f"unknown word {word!r}", hint=FORM)
            if match["word"] in ("in", "uniform"):
                raise FormatError(f"missing range after {word!r}", hint=FORM)
            if word == "permutation" and found.get("kind") == "in":
                found["kind"] = word  # of that range
            elif key in found and not (word == "in" and found[key] == "permutation" and "low" not in found):
                raise FormatError(f"{word!r} after {found[key] if key == 'kind' else word!r}", hint="keep one of them")
            else:
                found.setdefault(key, word if key == "kind" else True)
            if match["range"]:
                found["low"], dots, found["high"] = match["range"].partition("..")
                if not (dots and found["low"] and found["high"]):
                    raise FormatError(f"invalid range {match['range']!r}", hint="write LOW..HIGH, such as 0..n")
        return cls(**found)

    def __str__(self) -> str:
        words = [f"{'uniform' if self.kind == 'uniform' else 'in'} {self.low}..{self.high}"] if self.low else []
        words += [self.kind] if self.kind in ("normal", "permutation") else []
        return " ".join([*words, *(name for name in ("sorted", "distinct") if getattr(self, name))])

    def check(self, element: ElementType) -> None:
        """Raise :class:`FormatError` if arrays of that type cannot have such values."""
        if element.is_integer:
            if self.kind in ("uniform", "normal"):
                raise FormatError(f"{self.kind} values are not integers", hint=FORM)
            for expression in self._expressions():
                SizeExpression(expression)
        elif self.kind in ("in", "permutation") or self.distinct or element.kind == "bool":
            raise FormatError(f"`{self}` is for integers, and the type is {element.name}", hint=FORM)
        else:
            for number in self._expressions():
                _real(number)

    @property
    def names(self) -> frozenset[str]:
        """The scalars that the range of an array of integers refers to."""
        if self.kind not in ("in", "permutation"):
            return frozenset()
        return frozenset[str]().union(*(SizeExpression(text).names for text in self._expressions()))

    def values(self, element: ElementType, count: int, scalars: Mapping[str, Any]) -> Values:
        """The distribution of ``count`` values; scalars that are missing are 1, as in :func:`make_arguments`.

        Raises :class:`BenchmarkError` if there are no such values.
        """
        if not element.is_integer:
            low, high = [_real(text) for text in self._expressions()] or [0.0, 1.0]
            if not low < high:
                raise BenchmarkError(f"the range {self.low}..{self.high} is empty")
            return Values(self.kind, low, high, self.sorted)
        known = {name: scalars.get(name, 1) for name in self.names}
        least, most = element.integer_range
        low, high = (0, count) if self.kind == "permutation" else (least, most + 1)
        if self.low:
            low, high = (SizeExpression(text).value(known) for text in self._expressions())
        if not count:
            return Values(self.kind, least, most + 1)
        text = f"{self.low}..{self.high} is {low}..{high}, which" if self.low else f"{low}..{high}"
        if high <= low:
            raise BenchmarkError(f"{text} is empty")
        if low < least or high > most + 1:
            raise BenchmarkError(f"{text} does not fit in {element.name}")
        if self.kind == "permutation" and high - low != count:
            raise BenchmarkError(f"{text} has {high - low} numbers, and the array has {count}")
        if self.distinct and high - low < count:
            raise BenchmarkError(f"{text} has {high - low} numbers, and the array needs {count} distinct ones")
        return Values(self.kind, low, high, self.sorted, self.distinct)

    def _expressions(self) -> tuple[str, ...]:
        return (self.low, self.high) if self.low else ()


class Values(msgspec.Struct, frozen=True):
    """A distribution of known bounds: values from ``low`` on, below ``high``."""

    kind: str
    low: int | float
    high: int | float
    sorted: bool = False
    distinct: bool = False

    @property
    def is_free(self) -> bool:
        """Whether each value can be any in the range, whatever the others are."""
        return not (self.sorted or self.distinct or self.kind == "permutation")

    def draw(self, random: np.random.Generator, count: int, dtype: np.dtype[Any]) -> Array:
        """``count`` values of ``dtype``."""
        drawn: Array
        if dtype.kind not in "iu":
            normal = self.kind == "normal"
            drawn = random.standard_normal(count) if normal else random.uniform(self.low, self.high, count)
        elif self.kind == "permutation" or self.distinct:
            size = min(int(self.high) - int(self.low), _MOST_CHOICES)
            drawn = random.choice(size, count, replace=False).astype("u8" if dtype.kind == "u" else "i8")
            drawn += drawn.dtype.type(self.low)
        else:
            drawn = random.integers(int(self.low), int(self.high) - 1, count, dtype=dtype, endpoint=True)
        if self.sorted:
            drawn.sort()
        return drawn.astype(dtype, copy=False)

    def nearest(self, array: Array) -> None:
        """Move integers that are out of the range to the nearest in it, in place."""
        if array.dtype.kind in "iu":
            array.clip(self.low, int(self.high) - 1, out=array)


def distributions(plan: CallPlan) -> dict[str, Distribution]:
    """The distributions of a function's arrays, by name; raises :class:`FormatError` for an invalid one."""
    texts = plan.function.auxiliary.get(INPUTS_KEY, {})
    found = {}
    for argument in plan.arguments:
        text = texts.get(argument.name) if isinstance(texts, dict) else None
        if isinstance(text, str) and argument.is_array and argument.read:
            try:
                found[argument.name] = distribution = Distribution.parse(text)
                distribution.check(argument.element)
            except FormatError as error:
                where = f"{plan.function.name}: auxiliary.{INPUTS_KEY}.{argument.name}"
                raise FormatError(error.message, where=where, hint=error.hint) from None
    return found


def _real(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise FormatError(f"{text!r} is not a number", hint="write `uniform -1..1`")
    return number
