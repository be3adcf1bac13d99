"""Arrays at the edge of what can be accessed, and the bytes around them."""

from __future__ import annotations

import mmap

import numpy as np
import pytest

from hatframe.c.layouts import Layout
from hatframe.verifying.placing import Edge, PlacedArray, index_at

FLOAT = np.dtype(np.float32)


def test_an_array_ends_where_its_memory_does_and_begins_where_it_does() -> None:
    layout = Layout.dense((3, 5))
    at_end = PlacedArray("x", layout, FLOAT, Edge.END).region
    at_begin = PlacedArray("x", layout, FLOAT, Edge.BEGIN).region
    assert at_end.end % mmap.PAGESIZE == 0
    assert at_begin.begin % mmap.PAGESIZE == 0
    assert at_end.end - at_end.begin == at_begin.end - at_begin.begin == 60
    assert at_end.low < at_end.begin - mmap.PAGESIZE
    assert at_end.high > at_end.end + mmap.PAGESIZE


@pytest.mark.parametrize("alignment", [16, 32, 64])
@pytest.mark.parametrize("edge", Edge)
def test_the_pointer_is_aligned_on_request(edge: Edge, alignment: int) -> None:
    placed = PlacedArray("x", Layout((3,), (-1,)), FLOAT, edge, alignment)
    assert placed.region.pointer % alignment == 0
    assert placed.region.pointer == placed.region.begin + 8


def test_an_empty_array_has_the_address_of_the_edge() -> None:
    placed = PlacedArray("x", Layout.dense((0,)), FLOAT, Edge.END)
    assert placed.array.__array_interface__["data"][0] == placed.region.end


@pytest.mark.parametrize(("edge", "offset"), [(Edge.END, -1), (Edge.END, -100), (Edge.BEGIN, 12), (Edge.NEITHER, 99)])
def test_bytes_that_were_overwritten_are_found(edge: Edge, offset: int) -> None:
    placed = PlacedArray("x", Layout.dense((3,)), FLOAT, edge)
    placed.array[...] = 1
    assert placed.damage() is None
    start = placed._low if edge is Edge.BEGIN else placed._start
    placed._memory[start + offset] = 7
    assert placed.damage() == (offset, offset)


def test_gaps_between_elements_hold_known_bytes() -> None:
    placed = PlacedArray("x", Layout((2, 3), (8, 1), 2), FLOAT, Edge.END)
    placed.array[...] = 1
    assert placed.damage() is None
    placed._memory[placed._start] = 7
    placed._memory[placed._start + 4 * 5] = 7
    assert placed.damage() == (0, 20)


@pytest.mark.parametrize(
    ("layout", "offset", "index"),
    [
        (Layout.dense((4,)), 8, (2,)),
        (Layout.dense((4,)), 16, (4,)),
        (Layout.dense((4,)), -1, (-1,)),
        (Layout.dense((2, 3)), 16, (1, 1)),
        (Layout.dense((2, 3)), 24, (2, 0)),
        (Layout((2, 3), (1, 2)), 12, (1, 1)),
        (Layout((2, 3), (8, 1), 2), 4 * 11, (1, 1)),
        (Layout((2, 3), (8, 1), 2), 4 * 7, None),
        (Layout((3,), (-1,)), 4, None),
        (Layout((), ()), 0, None),
    ],
)
def test_the_index_of_a_byte(layout: Layout, offset: int, index: tuple[int, ...] | None) -> None:
    assert index_at(layout, 4, offset) == index
