"""Tolerances: the first wrong element is found, and nothing that is right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hatframe.c.elements import element_type
from hatframe.verifying.tolerances import Expected, compare, measured, sum_length

from .functions import array, plan, runtime, scalar

FLOAT, INT = element_type("float"), element_type("int")
NAN, INF = float("nan"), float("inf")


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=20), st.data())
@settings(max_examples=50)
def test_the_first_element_beyond_its_bound_is_found(values: list[float], data: st.DataObject) -> None:
    bound = np.array(data.draw(st.lists(st.floats(0, 1), min_size=len(values), max_size=len(values))))
    moved = np.array(data.draw(st.lists(st.floats(-2, 2), min_size=len(values), max_size=len(values))))
    expected = np.array(values)
    actual = expected + moved
    wrong = [place for place in range(len(values)) if abs(actual[place] - expected[place]) > bound[place]]
    found = compare(Expected(expected, bound), actual, FLOAT)
    assert (found is None) == (not wrong)
    if found:
        assert (found.index, found.count) == ((wrong[0],), len(wrong))
        assert (found.expected, found.actual, found.bound) == (expected[wrong[0]], actual[wrong[0]], bound[wrong[0]])


@pytest.mark.parametrize(
    ("expected", "actual", "bound", "agrees"),
    [
        (NAN, NAN, 0.0, True),
        (NAN, 1.0, 1.0, False),
        (1.0, NAN, 1.0, False),
        (INF, INF, 0.0, True),
        (INF, -INF, 1.0, False),
        (INF, 3e38, 1.0, False),
        (1.0, INF, 1.0, False),
        (1.0, INF, INF, True),
        (1.0, NAN, INF, True),
        (NAN, 1.0, NAN, True),
        (0.0, -0.0, 0.0, True),
    ],
)
def test_special_numbers_agree_only_with_themselves(expected: float, actual: float, bound: float, agrees: bool) -> None:
    found = compare(Expected(np.array([expected]), bound), np.array([actual], np.float32), FLOAT)
    assert (found is None) is agrees


def test_rtol_and_atol_replace_the_bound_of_floating_point_numbers_only() -> None:
    expected = Expected(np.array([100.0, 0.0]), np.array([0.0, 5.0]))
    near = np.array([101, 0.5], np.float32)
    assert compare(expected, near, FLOAT) is not None
    assert compare(expected, near, FLOAT, rtol=0.01, atol=0.5) is None
    found = compare(expected, near, FLOAT, rtol=0.02)
    assert found is not None
    assert found.index == (1,)
    assert compare(Expected(np.array([100])), np.array([101]), INT, rtol=1.0) is not None


@pytest.mark.parametrize(
    ("element", "numbers"),
    [("int", [1, -3, 7]), ("uint64_t", [2**64 - 1, 2**63, 2**53 + 1]), ("bool", [True, False, True])],
)
def test_integers_and_booleans_are_exact(element: str, numbers: list[int]) -> None:
    kind = element_type(element)
    right = np.array(numbers, kind.dtype)
    assert compare(Expected(right), right, kind) is None
    wrong = right.copy()
    wrong[2] ^= 1
    found = compare(Expected(right), wrong, kind)
    assert found is not None
    assert (found.index, found.count) == ((2,), 1)


def test_a_number_is_compared_with_an_array_of_one() -> None:
    assert compare(Expected(np.array(3.0)), np.array([3], np.float32), FLOAT) is None
    assert compare(Expected(np.array([[3]])), 3, INT) is None


def test_another_shape_is_a_mismatch_without_an_index() -> None:
    found = compare(Expected(np.zeros(3)), np.zeros(4, np.float32), FLOAT)
    assert found is not None
    assert found.index is None
    assert "(4,)" in found.message
    assert "(3,)" in found.message


def test_the_message_names_the_place_both_values_and_the_bound() -> None:
    expected = np.zeros((2, 3))
    actual = expected.astype(np.float32)
    actual[1, 1:] = 0.5
    found = compare(Expected(expected, 0.25), actual, FLOAT)
    assert found is not None
    assert found.message == "[1, 1] is 0.5, expected 0 ± 0.25 (and 1 more)"


@given(st.integers(1, 300), st.sampled_from(["float", "double", "float16_t", "bfloat16_t"]), st.booleans())
@settings(max_examples=40, deadline=None)
def test_results_in_the_same_precision_agree_in_any_order(length: int, element: str, signed: bool) -> None:
    kind = element_type(element)
    x = np.random.default_rng(length).uniform(-1 if signed else 0, 1, length).astype(kind.dtype)
    sums = []
    for order in (x, x[::-1], np.sort(x)):
        total = kind.dtype.type(0)
        for number in order:
            total = kind.dtype.type(total + number)
        sums.append(total)
    for other in sums[1:]:
        assert compare(measured(sums[0], kind, length, [x]), other, kind) is None


def test_a_term_that_is_missing_in_a_product_is_found() -> None:
    a, b = np.random.default_rng(1).random((2, 256, 256), np.float32)
    assert compare(measured(a @ b, FLOAT, 256, [a, b]), a[:, :-1] @ b[:-1], FLOAT) is not None


def test_the_length_of_the_sums_follows_from_the_arguments() -> None:
    product = plan(
        array("a", "float", (64, 32)), array("b", "float", (32, 16)), array("c", "float", (64, 16), "output")
    )
    shapes = {"a": np.zeros((64, 32)), "b": np.zeros((32, 16)), "c": np.zeros((64, 16))}
    assert sum_length(product, shapes) == 64
    total = plan(scalar("n"), runtime("x", "n"), returns="float")
    assert sum_length(total, {"n": 1000, "x": np.zeros(1000)}) == 1001
    assert sum_length(total, {"n": 0, "x": np.zeros(0)}) == 1
