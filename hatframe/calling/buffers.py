"""Buffers: aligned arrays of any layout, and arrays over memory that a C function allocated."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import numpy as np

from hatframe.c.layouts import Layout
from hatframe.calling.interface import address_of

Array = np.ndarray[Any, Any]

ALIGNMENT = 64
"""Bytes: a cache line of all current processors, and the widest vector register."""


def aligned_array(layout: Layout, dtype: np.dtype[Any], alignment: int = ALIGNMENT) -> Array:
    """An uninitialised array of ``layout``, such that the pointer that a function is given is aligned.

    Beside the elements, the memory between them and from the pointer to the first of them is there too.
    """
    before = layout.before * dtype.itemsize
    raw = np.empty(layout.bytes(dtype.itemsize) + alignment, np.uint8)
    pointer = before + -(raw.ctypes.data + before) % alignment
    return array_in(raw[pointer - before :], layout, dtype)


def array_in(memory: Array, layout: Layout, dtype: np.dtype[Any]) -> Array:
    """An array of ``layout`` in bytes that begin where its memory does."""
    return np.ndarray(
        layout.shape,
        dtype,
        buffer=memory,
        offset=(layout.before + (layout.offset if layout.size else 0)) * dtype.itemsize,
        strides=tuple(step * dtype.itemsize for step in layout.strides),
    )


def memory_bounds(array: Array) -> tuple[int, int]:
    """Where the memory begins and ends that an array is a view of: its own, or that of its last base."""
    owner = _owner(array)
    low = high = address_of(owner)
    if owner.flags.c_contiguous:
        return low, low + owner.nbytes
    for extent, step in zip(owner.shape, owner.strides, strict=True):
        low, high = low + min(0, (extent - 1) * step), high + max(0, (extent - 1) * step)
    return low, high + owner.itemsize


def _owner(array: Array) -> Array:
    base: Any = array.base
    if base is None or isinstance(base, _Allocated):
        return array
    if isinstance(base, memoryview):
        base = base.obj
    elif not isinstance(base, np.ndarray):
        base = getattr(base, "base", base)  # as_strided puts an object between a view and its array
    if isinstance(base, np.ndarray):
        return _owner(base)
    try:
        return np.frombuffer(base, np.uint8)
    except (TypeError, ValueError, BufferError):  # of memory without a buffer, only what the array shows is known
        return array


def owned_array(address: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """An array over memory that a C function allocated with ``malloc``; it is freed with the last view of it.

    ``address`` 0 gives an empty array where the shape is empty too.
    """
    if not address or 0 in shape:
        if address:
            free(address)
        return np.empty(shape, dtype)
    # numpy keeps the memory alive as the base of the array and of all its views.
    return np.ndarray(shape, dtype, _Allocated.from_address(address))


class _Allocated(ctypes.c_char * (sys.maxsize // 2)):  # type: ignore[misc]
    """Memory that was allocated with ``malloc``; only its array knows how much. One type serves all sizes."""

    def __del__(self) -> None:
        _free(ctypes.addressof(self))


def free(address: int) -> None:
    """Give memory back that a C function allocated with ``malloc``."""
    _free(address)


_free = ctypes.CDLL("ucrtbase" if sys.platform == "win32" else None).free
_free.argtypes, _free.restype = [ctypes.c_void_p], None
