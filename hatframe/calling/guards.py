"""Guards: arrays with known bytes around them, which show that a function wrote outside its arguments.

The arrays lie in memory of their own, so that what is written a little outside of them does not damage the process.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from typing import Any

import numpy as np

from hatframe.c.layouts import Layout
from hatframe.calling.buffers import ALIGNMENT, array_in

_GUARD = 0xA5

# Memory is taken from the system in pieces of at least this size, and twice as much each time, up to the largest: to
# take a piece, and to check one, takes microseconds.
_CHUNK, _LARGEST_CHUNK = 1 << 22, 1 << 28

# Processors compare loads with earlier stores by the last 12 bits of the address: arrays of whole pages, one behind the
# other, would make a function wait that reads one and writes the next.
_PAGE, _STAGGER = 4096, 25 * 64


class GuardedArrays:
    """Uninitialised arrays, with at least :data:`ALIGNMENT` guard bytes before and after each.

    ``set_bytes`` are the bytes of the arrays that should lie together.
    """

    def __init__(self, set_bytes: int = 0) -> None:
        self._set_bytes = set_bytes
        self._chunks: list[_Chunk] = []

    def array(self, layout: Layout, dtype: np.dtype[Any], name: str) -> np.ndarray[Any, Any]:
        """An array of a layout, for the parameter of a name, such that the pointer to it is aligned."""
        size = layout.bytes(dtype.itemsize)
        if not self._chunks or not self._chunks[-1].has_room(size):
            # Each array of a set may need a gap.
            least = min(_CHUNK << len(self._chunks), _LARGEST_CHUNK)
            self._chunks.append(_Chunk(max(least, size, self._set_bytes + 64 * ALIGNMENT) + 4 * ALIGNMENT + _STAGGER))
        chunk = self._chunks[-1]
        return array_in(chunk.take(size, layout.before * dtype.itemsize, name), layout, dtype)

    def damage(self) -> str:
        """Where guard bytes were overwritten, such as ``4 bytes after 'y'``; empty if they are all there."""
        return next(filter(None, (chunk.damage() for chunk in self._chunks)), "")


class _Chunk:
    """A piece of memory, between pages that cannot be accessed where the system has them."""

    def __init__(self, size: int) -> None:
        page = mmap.PAGESIZE
        length = -(-size // page) * page + 2 * page
        if sys.platform == "win32":
            memory = mmap.mmap(-1, length)
        else:
            memory = mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        everything = np.frombuffer(memory, np.uint8)
        if sys.platform != "win32":
            protect = ctypes.CDLL(None).mprotect
            for start in (0, length - page):
                protect(ctypes.c_void_p(everything.ctypes.data + start), ctypes.c_size_t(page), 0)
        self._bytes = everything[page : length - page]
        # Guards from the end of an array to the start of the next, and the names of the parameters.
        self._starts, self._ends, self._names = [0], [0], [""]

    def has_room(self, size: int) -> bool:
        return self._ends[-1] + size + 4 * ALIGNMENT + _STAGGER <= self._bytes.size

    def take(self, size: int, before: int, name: str) -> np.ndarray[Any, Any]:
        """The bytes of an array; its pointer points ``before`` bytes into them."""
        start = self._starts[-1] + ALIGNMENT + (_STAGGER if size >= _PAGE else 0)
        start += -(start + before) % ALIGNMENT
        self._ends[-1] = start
        self._bytes[self._starts[-1] : start] = _GUARD
        end = start + size
        self._bytes[end : end + ALIGNMENT] = _GUARD
        self._starts.append(end)
        self._ends.append(end + ALIGNMENT)
        self._names.append(name)
        return self._bytes[start:end]

    def damage(self) -> str:
        # Nearly all arrays of a workload have one of few sizes, and so have their guards.
        starts, ends = np.array(self._starts), np.array(self._ends)
        lengths = ends - starts
        for length in np.unique(lengths):
            index = np.flatnonzero(lengths == length)
            guards = np.lib.stride_tricks.sliding_window_view(self._bytes, length)[starts[index]]
            wrong = guards != _GUARD
            if wrong.any():
                row = int(np.flatnonzero(wrong.any(axis=1))[0])
                first, last = np.flatnonzero(wrong[row])[[0, -1]]
                number = int(index[row])
                following = self._names[number + 1 :]
                if number == 0 or (following and first > length - 1 - last):
                    return f"{length - first} bytes before {self._names[number + 1]!r}"
                return f"{last + 1} bytes after {self._names[number]!r}"
        return ""
