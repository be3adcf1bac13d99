"""Placing: arrays in memory of their own, whose edges show where a function reads or writes outside of them.

Each array ends where memory that cannot be accessed begins, or begins where such memory ends. Where it has room around
or between its elements, known bytes are there, which are compared afterwards.
"""

from __future__ import annotations

import ctypes
import enum
import functools
import mmap
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from hatframe.c.layouts import Layout
from hatframe.calling.buffers import array_in
from hatframe.worker.messages import Region

Array = np.ndarray[Any, Any]

_CANARY = 0xA5

# Memory on either side that cannot be accessed: it costs addresses only.
_GUARD_BYTES = 16 << 20

_NO_RESERVE = 0x4000  # MAP_NORESERVE: memory that is never touched takes none

_NONE, _READ, _READ_WRITE = 0, 1, 3


class Edge(enum.Enum):
    """Where the memory of an array ends at memory that cannot be accessed."""

    END = "end"
    """The array's last byte is the last one that can be accessed."""
    BEGIN = "begin"
    """The array's first byte is the first one that can be accessed."""
    NEITHER = "neither"
    """There is room on both sides, and the array is aligned no better than asked for."""


class PlacedArray:
    """An array of a layout, with its memory and what lies around it.

    ``alignment`` is that of the pointer in bytes, for an array that does not end exactly at an edge.
    """

    def __init__(self, name: str, layout: Layout, dtype: np.dtype[Any], edge: Edge, alignment: int = 1) -> None:
        self.name = name
        self.layout = layout
        self._itemsize = dtype.itemsize
        page = mmap.PAGESIZE
        before, size = layout.before * dtype.itemsize, layout.bytes(dtype.itemsize)
        room = page if edge is Edge.NEITHER else 0
        body = _up(size + alignment - 1 + 3 * room, page) or page
        self._low = _up(_GUARD_BYTES, page)
        self._high = self._low + body
        # The system gives freed addresses again: with one page more, the array lies in other pages than before.
        self._memory = _map(self._high + self._low + (page if edge is Edge.BEGIN else 0))
        self._address = self._memory.ctypes.data
        if edge is Edge.END:
            start = self._high - size
            start -= (self._address + start + before) % alignment
        else:
            start = self._low + room
            start += -(self._address + start + before) % alignment
            if room and not (self._address + start + before) & (unit := max(alignment, dtype.itemsize)):
                start += unit  # at the edge, it may be aligned by chance
        self._start, self._end = start, start + size
        self._protect(0, self._low, _NONE)
        self._protect(self._high, len(self._memory) - self._high, _NONE)
        self._memory[self._low : start] = _CANARY
        self._memory[self._end : self._high] = _CANARY
        self.array = array_in(self._memory[start:], layout, dtype)
        self._gaps: Array | None = None
        if size > layout.size * dtype.itemsize:
            self._memory[start : self._end] = _CANARY
            used = np.zeros(size, np.uint8)
            array_in(used, layout, np.dtype(f"u{dtype.itemsize}"))[...] = np.iinfo(f"u{dtype.itemsize}").max
            self._gaps = used == 0
        self.region = Region(
            name,
            self._address + start + before,
            self._address + start,
            self._address + self._end,
            self._address,
            self._address + len(self._memory),
        )

    def make_read_only(self) -> None:
        """From now on, a write to the array is a fault."""
        self._protect(self._low, self._high - self._low, _READ)

    def damage(self) -> tuple[int, int] | None:
        """The first and the last byte that was overwritten past the end, or before the start, or between elements.

        They are relative to the pointer; None if nothing was overwritten.
        """
        inside = self._memory[self._start : self._end]
        for start, wrong in (
            (self._end, self._memory[self._end : self._high] != _CANARY),
            (self._low, self._memory[self._low : self._start] != _CANARY),
            (self._start, (inside != _CANARY) & self._gaps if self._gaps is not None else np.zeros(0, np.bool_)),
        ):
            if wrong.any():
                first, last = np.flatnonzero(wrong)[[0, -1]] + start + self._address - self.region.pointer
                return int(first), int(last)
        return None

    def _protect(self, start: int, length: int, protection: int) -> None:
        if protect := _mprotect():
            protect(self._address + start, length, protection)


def index_at(layout: Layout, itemsize: int, offset: int) -> tuple[int, ...] | None:
    """The index of the element at a byte ``offset`` from the pointer; past the ends, that which its outermost axis has.

    None where no element is, as in gaps, and where that is ambiguous.
    """
    if any(step <= 0 for extent, step in zip(layout.shape, layout.strides, strict=True) if extent > 1):
        return None
    position = offset // itemsize - layout.offset
    index = [0] * len(layout.shape)
    # Axes with one element may have any stride.
    axes = sorted(range(len(index)), key=lambda axis: (layout.shape[axis] > 1, layout.strides[axis]), reverse=True)
    for number, axis in enumerate(axes):
        step = max(1, layout.strides[axis])
        index[axis] = position // step
        position -= index[axis] * step
        if number and not 0 <= index[axis] < max(1, layout.shape[axis]):
            return None
    return tuple(index) if index and not position else None


def _up(size: int, unit: int) -> int:
    return -(-size // unit) * unit


def _map(length: int) -> Array:
    if sys.platform == "win32":
        return np.frombuffer(mmap.mmap(-1, length), np.uint8)
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | (_NO_RESERVE if sys.platform == "linux" else 0)
    return np.frombuffer(mmap.mmap(-1, length, flags=flags), np.uint8)


@functools.cache
def _mprotect() -> Callable[[int, int, int], Any] | None:
    """The system's call that changes what may be done with pages; None where there is none."""
    if sys.platform == "win32":
        return None
    call = ctypes.CDLL(None).mprotect
    call.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    protect: Callable[[int, int, int], Any] = call
    return protect
