"""What is wrong with outputs, and with the memory around arrays."""

from __future__ import annotations

import numpy as np
import pytest
from facts import assert_names

from hatframe.c.elements import element_type
from hatframe.verifying.checks import place, varies

FLOAT, INT = element_type("float"), element_type("int")


def test_results_of_sums_in_another_order_are_the_same() -> None:
    values = np.random.default_rng(0).random(1000, np.float32)
    one, other = np.array([values.sum()]), np.array([values[::-1].cumsum()[-1]])
    assert varies(one, other, FLOAT) is None
    assert varies(one, one * np.float32(1.01), FLOAT) == (0,)


def test_integers_are_the_same_only_if_they_are_equal() -> None:
    assert varies(np.array([[1, 2], [3, 4]]), np.array([[1, 2], [3, 5]]), INT) == (1, 1)


def test_nan_and_infinity_are_the_same_as_themselves_only() -> None:
    one = np.array([np.nan, np.inf, 1], np.float32)
    assert varies(one, one.copy(), FLOAT) is None
    assert varies(one, np.array([np.nan, -np.inf, 1], np.float32), FLOAT) == (1,)
    assert varies(one, np.array([np.nan, np.inf, np.nan], np.float32), FLOAT) == (2,)


@pytest.mark.parametrize(
    ("offset", "facts"),
    [
        (16, ["past the end", "'x'"]),
        (80, ["past the end", "64 bytes"]),
        (-1, ["before the start"]),
        (-64, ["64 bytes"]),
    ],
)
def test_a_place_is_named_by_the_distance_from_the_argument(offset: int, facts: list[str]) -> None:
    assert_names(place("x", 0, 16, offset), *facts)
