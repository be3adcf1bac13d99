"""The check of a function whose results are known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sample_packages import affine, element, function, make_package

from hatframe import Kernel
from hatframe.testing import check_function

SOURCE = """
double scale(int n, const double *x, double *y) {
    double sum = 0;
    for (int i = 0; i < 4; i++) sum += y[i] = n * x[i];
    return sum;
}
"""
SCALE = function(
    element("n"),
    affine("x", [4], "double"),
    affine("y", [4], "double", "output"),
    returns=element("", "double", "output", "double"),
)


@pytest.fixture
def scale(tmp_path: Path) -> Iterator[Any]:
    with Kernel().load(make_package(tmp_path, SOURCE, {"scale": SCALE})) as loaded:
        yield loaded["scale"]


X = np.arange(4.0)


def arguments() -> list[Any]:
    return [3, X.copy(), np.zeros(4)]


def test_a_function_that_gives_the_results_passes(scale: Any) -> None:
    check_function(scale, arguments(), {"y": 3 * X}, returns=18.0)
    check_function(scale, arguments(), {"y": 3 * X * (1 + 1e-4)}, returns=18.0, tolerance=1e-3)


@pytest.mark.parametrize(
    ("expected", "returns", "named"),
    [({"y": 2 * X}, 18.0, "y"), ({"y": 3 * X}, 17.0, "18"), ({"y": 3 * X}, None, "18")],
)
def test_any_other_result_fails_with_what_was_found(scale: Any, expected: Any, returns: Any, named: str) -> None:
    with pytest.raises(AssertionError) as caught:
        check_function(scale, arguments(), expected, returns=returns)
    assert "scale" in str(caught.value)
    assert named in str(caught.value)


def test_what_is_not_a_bound_function_fails() -> None:
    with pytest.raises(AssertionError, match="BoundFunction"):
        check_function(print, [], {})  # type: ignore[arg-type]
