"""Clusters: who differs from the majority, and that nobody is blamed without one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hatframe.c.elements import element_type
from hatframe.verifying.clusters import Clusters, odd_ones_out

FLOAT = {"y": element_type("float")}


def clusters(*results: Any, length: int = 10, element: str = "float") -> Clusters[int]:
    dtype = element_type(element).dtype
    outputs = {row: {"y": np.asarray(result).astype(dtype)} for row, result in enumerate(results)}
    return odd_ones_out(outputs, {"y": element_type(element)}, length)


@given(
    right=st.integers(1, 8),
    wrong=st.lists(
        st.tuples(st.integers(0, 19), st.sampled_from([-1e30, -3.0, 0.01, 5.0, float("nan"), float("inf")]))
    ),
    seed=st.integers(0, 100),
)
@settings(max_examples=40, deadline=None)
def test_exactly_the_wrong_ones_differ_from_a_right_majority(
    right: int, wrong: list[tuple[int, float]], seed: int
) -> None:
    wrong = wrong[: right - 1]
    random = np.random.default_rng(seed)
    base = random.uniform(1, 2, 20).astype(np.float32)
    # The right ones differ by a few roundings.
    rows = [base * (1 + 3e-7 * random.uniform(-1, 1, 20)) for _ in range(right)]
    for place, offset in wrong:
        row = base.copy()
        row[place] += offset
        rows.append(row)
    order = random.permutation(len(rows))
    found = clusters(*(rows[place] for place in order))
    assert {int(order[row]) for row in found.odd} == set(range(right, len(rows)))
    assert found.majority == right
    assert found.note == ""


def test_the_message_names_the_output_the_element_and_the_others() -> None:
    right = np.ones((2, 3))
    wrong = right.copy()
    wrong[1, 2] = 7
    found = clusters(*[right] * 59, wrong)
    assert found.message(59).startswith("y[1, 2] is 7, expected 1 ± ")
    assert found.message(59).endswith("differs from 59 others")


@pytest.mark.parametrize("rows", [[1, 2], [1, 1, 2, 2], [1, 2, 3], [1, 1, 2, 3]])
def test_without_a_majority_nobody_is_blamed(rows: list[int]) -> None:
    found = clusters(*([row] for row in rows))
    assert found.odd == {}
    assert str(len(rows)) in found.note


@pytest.mark.parametrize("rows", [[5], [5, 5], [5, 5, 5]])
def test_equal_results_are_all_right(rows: list[int]) -> None:
    assert clusters(*([row] for row in rows)) == Clusters({}, len(rows))


def test_a_chain_of_close_results_does_not_join_its_ends() -> None:
    # Each is within the bound of the next, and the first is far from the last.
    step = 10 * 2.0**-23
    chain = [[1 + place * step] for place in range(40)]
    found = clusters(*chain)
    assert found.odd == {}
    assert found.note
    found = clusters(*[[1.0]] * 60, *chain)
    assert min(found.odd) > 60
    assert 99 in found.odd


def test_integers_differ_by_one_and_shapes_by_their_extents() -> None:
    found = clusters([3, 4], [3, 4], [3, 5], [3, 4, 4], element="int")
    assert found.note
    found = clusters([3, 4], [3, 4], [3, 4], [3, 5], [3, 4, 4], element="int")
    assert set(found.odd) == {3, 4}
    assert found.odd[4][1].index is None


def test_every_output_counts_and_a_function_is_blamed_once() -> None:
    right = {"y": np.zeros(3, np.float32), "return": 1}
    first, second = {**right, "return": 2}, {"y": np.ones(3, np.float32), "return": 3}
    elements = {"return": element_type("int"), "y": element_type("float")}
    found = odd_ones_out({"a": right, "b": right, "c": right, "d": first, "e": second}, elements, 1)
    assert {row: name for row, (name, _) in found.odd.items()} == {"d": "return", "e": "return"}


@pytest.mark.parametrize("element", ["bfloat16_t", "float16_t", "double", "bool"])
def test_every_type_has_medians(element: str) -> None:
    assert set(clusters([1, 0], [1, 0], [0, 0], element=element).odd) == {2}


def test_nan_is_right_where_most_have_it() -> None:
    nan = float("nan")
    assert set(clusters([1, nan], [1, nan], [1, 2]).odd) == {2}
