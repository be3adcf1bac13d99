"""Distributions: how they are written, which arrays can have them, and the values that are drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hatframe.c.elements import element_type
from hatframe.calling.distributions import Distribution, Values
from hatframe.errors import BenchmarkError, FormatError

INTEGERS = ["int8_t", "uint8_t", "int16_t", "uint32_t", "int64_t", "uint64_t"]


def drawn(text: str, element: str, count: int, **scalars: int) -> np.ndarray[Any, Any]:
    of = element_type(element)
    distribution = Distribution.parse(text)
    distribution.check(of)
    return distribution.values(of, count, scalars).draw(np.random.default_rng(1), count, of.dtype)


@pytest.mark.parametrize(
    "text",
    [
        *("", "in 0..m", "in 0..((m + 1) * 2) sorted", "uniform -1.5..2.5", "normal", "normal sorted"),
        *("permutation", "in 1..n+1 permutation", "in 0..m sorted distinct"),
    ],
)
def test_a_distribution_is_written_as_it_is_read(text: str) -> None:
    assert str(Distribution.parse(text)) == text
    assert str(Distribution.parse(f"  {text}\t")) == text


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("in 0", "0"),
        ("in ..3", "..3"),
        ("in", "in"),
        ("between 1 and 2", "between"),
        ("in 0..1 in 0..2", "in"),
        ("normal uniform 0..1", "uniform"),
        ("sorted sorted", "sorted"),
        ("in 0..m, sorted", "m,"),
        ("IN 0..m", "IN"),
    ],
)
def test_another_text_is_an_error(text: str, named: str) -> None:
    with pytest.raises(FormatError) as caught:
        Distribution.parse(text).check(element_type("int"))
    assert named in str(caught.value)


@pytest.mark.parametrize(
    ("text", "element"),
    [
        *(("normal", "int"), ("uniform 0..1", "int"), ("in 0..3", "double"), ("permutation", "float")),
        *(("distinct", "float16_t"), ("sorted", "bool"), ("uniform 0..inf", "float"), ("in a.b..3", "int")),
    ],
)
def test_values_that_a_type_cannot_have_are_an_error(text: str, element: str) -> None:
    with pytest.raises(FormatError):
        Distribution.parse(text).check(element_type(element))


@given(
    element=st.sampled_from(INTEGERS),
    low=st.integers(-130, 120),
    size=st.integers(1, 300),
    count=st.integers(0, 400),
    words=st.sets(st.sampled_from(["sorted", "distinct", "permutation"])),
)
def test_integers_are_in_their_range_and_as_the_words_say(
    element: str, low: int, size: int, count: int, words: set[str]
) -> None:
    least, most = element_type(element).integer_range
    text = " ".join([f"in {low}..{low + size}", *sorted(words)])
    is_possible = low >= least and low + size - 1 <= most
    is_possible = is_possible and ("distinct" not in words or size >= count)
    is_possible = is_possible and ("permutation" not in words or size == count)
    if count and not is_possible:
        with pytest.raises(BenchmarkError):
            drawn(text, element, count)
        return
    values = drawn(text, element, count)
    assert values.dtype == element_type(element).dtype
    found = [int(value) for value in values]
    assert len(found) == count
    assert all(low <= value < low + size for value in found)
    if "sorted" in words:
        assert found == sorted(found)
    if words & {"distinct", "permutation"}:
        assert len(set(found)) == count


@pytest.mark.parametrize("element", INTEGERS)
@pytest.mark.parametrize("text", ["", "sorted", "distinct"])
def test_without_a_range_integers_are_any_of_their_type(element: str, text: str) -> None:
    found = [int(value) for value in drawn(text, element, 200)]
    low, high = element_type(element).integer_range
    assert len(set(found)) > 50
    assert max(found) - min(found) > (high - low) // 4


def test_a_range_refers_to_scalars_and_missing_ones_are_1() -> None:
    assert set(drawn("in n..2*n", "int", 2000, n=5)) == {5, 6, 7, 8, 9}
    assert set(drawn("in m..m+2", "int", 100)) == {1, 2}
    assert Distribution.parse("in n..2*n").names == {"n"}


@pytest.mark.parametrize(("text", "count"), [("in 0..n", 1), ("in 0..n permutation", 3), ("in 5..n+2 distinct", 1)])
def test_an_impossible_range_is_an_error_unless_the_array_is_empty(text: str, count: int) -> None:
    with pytest.raises(BenchmarkError):
        drawn(text, "int", count, n=0)
    if "permutation" not in text:
        assert drawn(text, "int", 0, n=0).size == 0


@pytest.mark.parametrize("element", ["float", "double", "float16_t", "bfloat16_t"])
def test_other_numbers_are_uniform_or_normal(element: str) -> None:
    uniform = drawn("uniform -2..3", element, 20_000).astype(np.float64)
    assert -2 <= uniform.min() < -1.9
    assert 2.9 < uniform.max() <= 3
    normal = drawn("normal sorted", element, 20_000).astype(np.float64)
    assert abs(normal.mean()) < 0.05
    assert abs(normal.std() - 1) < 0.05
    assert (np.diff(normal) >= 0).all()


def test_zeros_and_ones_move_into_the_range() -> None:
    array = np.array([0, 1, 7], np.uint8)
    Values("in", 2, 5).nearest(array)
    assert array.tolist() == [2, 2, 4]
