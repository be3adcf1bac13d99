"""Clusters: which functions of a group differ from the majority, where no reference says what is right.

Closeness is not transitive: a chain of close results may lead from one result to another that is not. So no pairs are
compared: the median of each element stands for the group. If more than half of the functions are right, it lies between
two right results, however wrong the others are. Where more than half of the functions agree with the medians
everywhere, those are the majority, and the others differ from it; otherwise nobody knows who is right.
"""

from __future__ import annotations

import collections
from collections.abc import Hashable, Iterable, Mapping
from typing import Any, Generic, TypeVar

import msgspec
import numpy as np

from hatframe.c.elements import ElementType
from hatframe.verifying.tolerances import Mismatch, compare, measured

Array = np.ndarray[Any, Any]
Row = TypeVar("Row", bound=Hashable)

# Elements of all functions that are sorted at once.
_BLOCK = 1 << 22


class Clusters(msgspec.Struct, Generic[Row], frozen=True):
    """The functions that differ from the majority, each with the output and its first wrong element.

    ``majority`` is how many agree; where too few do, nobody is ``odd`` and ``note`` says so.
    """

    odd: dict[Row, tuple[str, Mismatch]]
    majority: int
    note: str = ""

    def message(self, row: Row) -> str:
        """What is wrong with an odd one: ``C[0, 3] is 1, expected 2 ± 1e-06: differs from 59 others``."""
        name, mismatch = self.odd[row]
        return f"{name}{mismatch.message}: differs from {self.majority} others"


def odd_ones_out(
    outputs: Mapping[Row, Mapping[str, Any]],
    elements: Mapping[str, ElementType],
    length: int,
    inputs: Iterable[Any] = (),
    *,
    rtol: float | None = None,
    atol: float | None = None,
) -> Clusters[Row]:
    """Find the functions whose outputs, computed from equal inputs, differ from those of the majority.

    Parameters
    ----------
    outputs
        The outputs of each function, by the names of parameters, with ``return`` for a return value.
    elements
        The type of each output.
    length, inputs
        The length of the longest sum and the arrays that the functions read, as for
        :func:`~hatframe.verifying.tolerances.measured`.
    rtol, atol
        Replace the bound, as for :func:`~hatframe.verifying.tolerances.compare`.
    """
    inputs = list(inputs)
    odd: dict[Row, tuple[str, Mismatch]] = {}
    for name, element in elements.items():
        results = {row: np.asarray(values[name]) for row, values in outputs.items()}
        shapes = collections.Counter(array.shape for array in results.values())
        shape, _ = shapes.most_common(1)[0]
        same_shape = {row: array for row, array in results.items() if array.shape == shape}
        expected = measured(_medians(list(same_shape.values())), element, length, inputs)
        for row, array in results.items():
            mismatch = compare(expected, array, element, rtol=rtol, atol=atol)
            if mismatch and row not in odd:
                odd[row] = (name, mismatch)
    agreeing = len(outputs) - len(odd)
    if odd and 2 * agreeing <= len(outputs):
        return Clusters({}, agreeing, f"{len(outputs)} functions differ in their results, and no majority agrees")
    return Clusters(odd, agreeing)


def _medians(arrays: list[Array]) -> Array:
    """The median of each element, which is one of its values: the lower of two in the middle. NaN is the highest."""
    first = arrays[0]
    dtype = np.dtype(np.float32) if first.dtype.kind not in "biuf" else first.dtype
    flat = [array.reshape(-1) for array in arrays]
    medians = np.empty(first.size, dtype)
    step = max(1, _BLOCK // len(arrays))
    middle = (len(arrays) - 1) // 2
    for start in range(0, first.size, step):
        block = np.stack([each[start : start + step].astype(dtype) for each in flat])
        medians[start : start + step] = np.partition(block, middle, axis=0)[middle]
    return medians.reshape(first.shape).astype(first.dtype)
