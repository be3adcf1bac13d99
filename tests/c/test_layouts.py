"""Layouts, as properties: any shape, map and offset."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hatframe.c.layouts import Layout, row_major
from hatframe.calling.buffers import ALIGNMENT, aligned_array
from hatframe.errors import FormatError
from hatframe.format.model import LogicalType, Parameter

shapes = st.lists(st.integers(0, 5), max_size=4).map(tuple)


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    shape = draw(shapes)
    strides = tuple(draw(st.integers(-40, 40)) for _ in shape)
    return Layout(shape, strides, draw(st.integers(0, 20)))


@given(layouts(), st.sampled_from(["f4", "f8", "i1", "u2"]))
def test_an_aligned_array_has_its_layout_and_every_element_lies_in_its_buffer(layout: Layout, dtype: str) -> None:
    array = aligned_array(layout, np.dtype(dtype))
    assert array.shape == layout.shape
    steps = tuple(step // array.itemsize for step in array.strides)
    assert layout.fits(steps)
    if array.size:
        pointer = array.__array_interface__["data"][0] - layout.offset * array.itemsize
        assert pointer % ALIGNMENT == 0
        base = array.base
        assert base is not None
        start = base.__array_interface__["data"][0]
        low, high = pointer + layout.first * array.itemsize, pointer + (layout.last + 1) * array.itemsize
        assert start <= low
        assert high <= start + base.nbytes
        assert start <= pointer
        array[...] = 1


@given(shapes)
def test_row_major_is_numpys_default(shape: tuple[int, ...]) -> None:
    layout = Layout(shape, row_major(shape))
    assert layout.row_major
    assert layout.size == np.empty(shape).size
    strides = tuple(step // 8 for step in np.empty(shape).strides)
    assert layout.fits(strides)
    transposed = Layout(shape[::-1], row_major(shape)[::-1])
    assert transposed.column_major


@given(layouts())
def test_first_and_last_bound_every_position(layout: Layout) -> None:
    if layout.size:
        positions = [
            layout.offset + sum(i * step for i, step in zip(index, layout.strides, strict=True))
            for index in np.ndindex(layout.shape)
        ]
        assert (min(positions), max(positions)) == (layout.first, layout.last)


@pytest.mark.parametrize(
    ("shape", "strides", "message"),
    [
        (None, None, "has no shape"),
        ((2, 3), (1,), "differ in length"),
        ((-1,), (1,), "negative extent"),
        ((1 << 62, 4), None, "larger than any memory"),
    ],
)
def test_a_contradictory_layout_is_an_error(
    shape: tuple[int, ...] | None, strides: tuple[int, ...] | None, message: str
) -> None:
    parameter = Parameter(logical_type=LogicalType.AFFINE_ARRAY, shape=shape, affine_map=strides)
    with pytest.raises(FormatError, match=message):
        Layout.of(parameter.shape, parameter.affine_map, parameter.affine_offset)


def test_an_offset_of_minus_one_is_none_and_other_negative_ones_are_refused() -> None:
    assert Layout.of((4,), None, -1) == Layout.dense((4,))
    for offset in (-2, -1_000_000):
        with pytest.raises(FormatError, match=str(offset)):
            Layout.of((4,), None, offset)


def test_a_shape_of_thousands_of_extents_is_refused_at_once() -> None:
    with pytest.raises(FormatError, match="30000"):
        Layout.of((1 << 60,) * 30_000, None)
