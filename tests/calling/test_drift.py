"""The drift watch: reports values that left the normal range, whatever the layout, and nothing else."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hatframe.calling import drift
from hatframe.calling.drift import MAX_GROWTH, MAX_SAMPLES

FLOATS = [np.dtype(kind) for kind in (np.float16, ml_dtypes.bfloat16, np.float32, np.float64)]
Array = np.ndarray[Any, Any]


def DriftWatch(arrays: list[Any]) -> drift.DriftWatch:  # noqa: N802
    """Watch the arrays themselves."""
    return drift.DriftWatch([lambda array=array: array for array in arrays])


def limits(dtype: np.dtype[Any]) -> Any:
    return ml_dtypes.finfo(dtype)  # type: ignore[no-untyped-call]


@st.composite
def layouts(draw: st.DrawFn, dtypes: list[np.dtype[Any]] = FLOATS) -> Array:
    """An array of ordinary values in [0.25, 1), of any shape, with gaps, reversed or transposed axes."""
    shape = tuple(draw(st.lists(st.integers(1, 40), max_size=3)))
    gaps = [draw(st.integers(1, 3)) for _ in shape]
    whole = tuple(extent * gap for extent, gap in zip(shape, gaps, strict=True))
    seed = draw(st.integers(0, 99))
    values = np.random.default_rng(seed).uniform(0.25, 1, whole).astype(draw(st.sampled_from(dtypes)))
    array: Array = values[tuple(slice(None, None, gap * draw(st.sampled_from([1, -1]))) for gap in gaps) or ...]
    return array.T if draw(st.booleans()) else array


def strange(dtype: np.dtype[Any]) -> list[Any]:
    info = limits(dtype)
    with np.errstate(over="ignore"):
        large = np.float64(1.01 * MAX_GROWTH).astype(dtype)
    values = [np.inf, -np.inf, np.nan, info.smallest_subnormal, -info.smallest_subnormal, info.max, -info.max, large]
    return [np.float64(value).astype(dtype) for value in values]


@given(layouts(), st.integers(0, 7))
def test_an_array_that_leaves_the_normal_range_has_drifted(array: Array, which: int) -> None:
    first = array.copy()
    watch = DriftWatch([array])
    assert not watch.drifted()
    array[...] = strange(array.dtype)[which]
    assert watch.drifted()
    array[...] = first
    assert not watch.drifted()


@given(layouts(), st.data())
def test_ordinary_values_never_drift(array: Array, data: st.DataObject) -> None:
    watch = DriftWatch([array])
    info = limits(array.dtype)
    highest = min(MAX_GROWTH, float(info.max)) / 8
    magnitude = data.draw(st.one_of(st.just(0.0), st.floats(float(info.smallest_normal), highest)))
    array[...] = np.float64(data.draw(st.sampled_from([1, -1])) * magnitude).astype(array.dtype)
    assert not watch.drifted()


@given(st.integers(1, MAX_SAMPLES), st.data())
def test_one_bad_element_is_enough_in_a_row_that_is_no_longer_than_a_sample(length: int, data: st.DataObject) -> None:
    array = np.ones(length, data.draw(st.sampled_from(FLOATS)))
    watch = DriftWatch([array])
    place = data.draw(st.integers(0, length - 1))
    array[place] = data.draw(st.sampled_from(strange(array.dtype)))
    assert watch.drifted()


@given(st.data())
def test_integers_never_drift(data: st.DataObject) -> None:
    dtype = np.dtype(data.draw(st.sampled_from(["i1", "u2", "i4", "i8", "u8", "?"])))
    array = np.zeros(data.draw(st.integers(0, 50)), dtype)
    watch = DriftWatch([array])
    array[...] = np.iinfo(dtype).max if dtype.kind in "iu" else True
    assert not watch.drifted()


def test_any_one_of_several_arrays_is_enough() -> None:
    arrays = [np.ones((3, 1000), dtype) for dtype in (np.int32, np.float32, np.float64)]
    watch = DriftWatch(arrays)
    for array in arrays[1:]:
        array[...] = np.nan
        assert watch.drifted()
        array[...] = 1
        assert not watch.drifted()


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_growth_by_adding_is_found_before_it_overflows(dtype: np.dtype[Any]) -> None:
    total, step = np.ones(100, dtype), np.ones(100, dtype)
    watch = DriftWatch([total])
    for _ in range(40):
        if watch.drifted():
            break
        total += total * step
    assert watch.drifted()
    assert np.isfinite(total.astype(np.float64)).all()


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_decay_is_found_once_it_is_denormal_and_not_when_it_is_zero(dtype: np.dtype[Any]) -> None:
    values = np.ones(100, dtype)
    watch = DriftWatch([values])
    while values[0] >= limits(dtype).smallest_normal:
        assert not watch.drifted()
        values *= dtype.type(0.5)
    assert watch.drifted()
    values[...] = 0
    assert not watch.drifted()


def test_large_values_may_stay_what_they_are() -> None:
    values = np.full(1000, 3e38, np.float32)
    watch = DriftWatch([values])
    assert not watch.drifted()
    values[:] = -3.1e38
    assert not watch.drifted()


def test_elements_that_are_not_ordinary_at_first_are_not_watched() -> None:
    values = np.array([np.nan, np.inf, 1e-40, 1.0], np.float32)
    watch = DriftWatch([values])
    assert not watch.drifted()
    values[3] = np.nan
    assert watch.drifted()


def test_a_signalling_nan_is_found_without_a_warning() -> None:
    values = np.ones(10, np.float32)
    watch = DriftWatch([values])
    values.view(np.uint32)[:] = 0x7F800001
    assert watch.drifted()


@pytest.mark.parametrize("shape", [(0,), (5, 0), (0, 0, 3)])
def test_arrays_without_elements_never_drift(shape: tuple[int, ...]) -> None:
    assert not DriftWatch([np.empty(shape, np.float32)]).drifted()
    assert not DriftWatch([np.empty(shape), np.ones(4)]).drifted()
    assert not DriftWatch([]).drifted()


@pytest.mark.parametrize(
    ("shape", "parts"),
    [((1 << 20,), 64), ((1024, 1024), 12), ((2, 3, 100_000), 2), ((64, 64, 64), 4), ((7,) * 6, 2)],
)
def test_a_sample_covers_all_of_an_array(shape: tuple[int, ...], parts: int) -> None:
    array = np.ones(shape, np.float32)
    watch = DriftWatch([array])
    for axis in range(array.ndim):
        for part in np.array_split(np.moveaxis(array, axis, 0), parts):
            part[...] = np.inf
            assert watch.drifted()
            part[...] = 1


def test_few_elements_of_large_arrays_are_watched() -> None:
    watch = DriftWatch([np.ones((512, 512), np.float32) for _ in range(8)])
    assert MAX_SAMPLES * 8 >= watch.watched > 1000
