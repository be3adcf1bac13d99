"""Aligned arrays of any layout, and arrays over memory that C allocated."""

from __future__ import annotations

import array
import ctypes
import gc
import sys

import numpy as np
import pytest

from hatframe.c.layouts import Layout
from hatframe.calling.buffers import ALIGNMENT, aligned_array, memory_bounds, owned_array

FLOAT = np.dtype(np.float32)


@pytest.mark.parametrize(
    "layout",
    [Layout.dense((3, 5)), Layout.of((3, 4), (1, 3), 0), Layout.of((3, 4), (8, 1), 2), Layout.of((4,), (-1,), 3)],
    ids=["dense", "column-major", "padded", "backwards"],
)
def test_the_pointer_of_an_aligned_array_is_aligned_whatever_its_layout(layout: Layout) -> None:
    array = aligned_array(layout, FLOAT)
    pointer = array.__array_interface__["data"][0] - layout.offset * FLOAT.itemsize
    assert pointer % ALIGNMENT == 0
    assert array.shape == layout.shape
    assert array.strides == tuple(step * FLOAT.itemsize for step in layout.strides)


def allocate(size: int) -> int:
    runtime = ctypes.CDLL("ucrtbase" if sys.platform == "win32" else None)
    runtime.malloc.restype = ctypes.c_void_p
    address: int = runtime.malloc(ctypes.c_size_t(size))
    return address


def test_an_owned_array_is_valid_as_long_as_any_view_of_it() -> None:
    array = owned_array(allocate(40), (2, 5), FLOAT)
    array[:] = 3
    row = array[1]
    del array
    gc.collect()
    np.testing.assert_array_equal(row, np.full(5, 3, np.float32))


@pytest.mark.parametrize("size", [0, 8])
def test_an_empty_owned_array_needs_no_memory(size: int) -> None:
    assert owned_array(allocate(size) if size else 0, (0, 5), FLOAT).shape == (0, 5)


def test_the_memory_of_a_view_is_that_of_its_base() -> None:
    base = np.zeros((4, 6), np.float32)
    expected = (base.ctypes.data, base.ctypes.data + base.nbytes)
    beyond = np.lib.stride_tricks.as_strided(base[1:], (4,), (100,))
    for view in (base, base[1:, ::2], base[::-1].T, np.asarray(memoryview(base[1:])), beyond, beyond[1:]):
        assert memory_bounds(view) == expected
    buffer = array.array("f", [0.0] * 8)
    part = np.frombuffer(buffer, np.float32)[3:5]
    start, count = buffer.buffer_info()
    assert memory_bounds(part) == (start, start + 4 * count)
