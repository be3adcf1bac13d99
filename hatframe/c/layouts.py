"""Layouts: where the elements of an affine array lie, from its ``shape``, ``affine_map`` and ``affine_offset``."""

from __future__ import annotations

import math

import msgspec

from hatframe.errors import FormatError

# No machine has more memory, and address arithmetic in C would overflow.
MAX_ELEMENTS = 1 << 60

# Those of an array of numpy.
MOST_AXES = 32

UNSET_OFFSET = -1
"""The ``affine_offset`` that hatlib writes for none: it means 0."""


class Layout(msgspec.Struct, frozen=True):
    """An affine array: element ``(i, j, …)`` lies at ``offset + i * strides[0] + j * strides[1] + …``, in elements."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0

    @classmethod
    def of(cls, shape: tuple[int, ...] | None, affine_map: tuple[int, ...] | None, offset: int = 0) -> Layout:
        """The layout of an ``affine_array``, row-major without a map; raises :class:`FormatError` if invalid."""
        if shape is None:
            raise FormatError("an affine_array has no shape")
        if len(shape) > MOST_AXES:
            raise FormatError(f"the shape has {len(shape)} extents, and the limit is {MOST_AXES}")
        if any(extent < 0 for extent in shape):
            raise FormatError(f"shape {list(shape)} has a negative extent")
        strides = row_major(shape) if affine_map is None else affine_map
        if len(strides) != len(shape):
            raise FormatError(f"shape {list(shape)} and affine_map {list(strides)} differ in length")
        if offset == UNSET_OFFSET:
            offset = 0
        if offset < 0:
            raise FormatError(f"negative affine_offset {offset}", hint="the pointer is the start of the buffer")
        layout = cls(shape, strides, offset)
        if max(abs(layout.first), abs(layout.last)) >= MAX_ELEMENTS:
            raise FormatError(f"shape {list(shape)} with affine_map {list(strides)} is larger than any memory")
        return layout

    @classmethod
    def dense(cls, shape: tuple[int, ...]) -> Layout:
        return cls(shape, row_major(shape))

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def first(self) -> int:
        """The lowest position of an element, relative to the pointer."""
        return self.offset + sum(min(0, (extent - 1) * step) for extent, step in self._steps)

    @property
    def last(self) -> int:
        """The highest position of an element, relative to the pointer."""
        return self.offset + sum(max(0, (extent - 1) * step) for extent, step in self._steps)

    @property
    def before(self) -> int:
        """The elements of room that it needs before the pointer, for negative strides."""
        return max(0, -self.first) if self.size else 0

    def bytes(self, itemsize: int) -> int:
        """The bytes of memory that hold the pointer and every element."""
        return (self.before + max(0, self.last + 1)) * itemsize if self.size else 0

    @property
    def row_major(self) -> bool:
        """Whether the elements are contiguous from the pointer on, the last axis fastest."""
        return self.offset == 0 and self.fits(row_major(self.shape))

    @property
    def column_major(self) -> bool:
        """Whether the elements are contiguous from the pointer on, the first axis fastest."""
        return self.offset == 0 and self.fits(row_major(self.shape[::-1])[::-1])

    def fits(self, strides: tuple[int, ...]) -> bool:
        """Whether ``strides``, in elements, fit this layout; those of axes with one element do not matter."""
        return self.size == 0 or all(
            extent == 1 or step == given for (extent, step), given in zip(self._steps, strides, strict=True)
        )

    @property
    def _steps(self) -> zip[tuple[int, int]]:
        return zip(self.shape, self.strides, strict=True)


def row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides in elements of a dense row-major array: ``(12, 4, 1)`` for the shape ``(2, 3, 4)``."""
    strides = []
    step = 1
    for extent in reversed(shape):
        strides.append(step)
        step *= extent
    return tuple(reversed(strides))
