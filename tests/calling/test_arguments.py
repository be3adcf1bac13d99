"""Argument sets made from metadata: their bytes, layouts and values."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from sample_packages import affine, element, function, runtime

from hatframe.calling.arguments import argument_bytes, make_arguments, make_array
from hatframe.calling.plans import CallPlan, plan_call
from hatframe.errors import CallError
from hatframe.format.model import Function


def plan(*arguments: dict[str, Any]) -> CallPlan:
    return plan_call(msgspec.convert({**function(*arguments), "name": "f"}, Function))


MADE = plan(
    element("n", "int"),
    element("other", "int"),
    element("factor", "double"),
    runtime("x", "n*4", "double"),
    affine("y", [2, 3], usage="output"),
)


def test_an_argument_set_has_a_value_for_each_parameter() -> None:
    filled: list[str] = []

    def fill(name: str, array: Any) -> None:
        filled.append(name)
        array[...] = 7

    n, other, factor, x, y = make_arguments(MADE, {"n": 5}, fill)
    assert (n, other, factor) == (5, 1, 7.0)
    assert (x.shape, x.dtype, y.shape) == ((5, 4), np.float64, (2, 3))
    assert filled == ["factor", "x"]
    assert (x == 7).all()


def test_integer_arrays_without_axes_are_scalars() -> None:
    made = plan(affine("start", [], "int32_t"), affine("limit", [], "int32_t"), affine("scale", []))
    start, limit, scale = make_arguments(made, {"limit": 1000, "scale": 0.5}, lambda name, array: None)
    assert [start.shape, limit.shape] == [(), ()]
    assert (start, limit, scale) == (1, 1000, 0.5)


def test_the_bytes_of_a_set_are_those_of_its_arrays() -> None:
    assert argument_bytes(plan(affine("y", [2, 3])), {}) == 24
    assert argument_bytes(plan(element("n", "int"), runtime("x", "n", "double")), {"n": 100}) >= 800


@pytest.mark.parametrize("sizes", [{}, {"n": -1}])
def test_a_missing_or_negative_dimension_is_an_error_with_the_argument(sizes: dict[str, int]) -> None:
    with pytest.raises(CallError) as caught:
        make_array(MADE, MADE.arguments[3], sizes)
    assert "x" in caught.value.where


@pytest.mark.parametrize(
    ("sizes", "name"),
    [({"n": 1 << 31}, "n"), ({"n": -(1 << 31) - 1}, "n"), ({"other": 10**30}, "other")],
)
def test_a_size_that_its_parameter_cannot_hold_is_an_error_with_its_range(sizes: dict[str, int], name: str) -> None:
    for make in (
        lambda: argument_bytes(MADE, {"n": 1, **sizes}),
        lambda: make_arguments(MADE, {"n": 1, **sizes}, print),
    ):
        with pytest.raises(CallError) as caught:
            make()
        assert f"({name})" in caught.value.where
        assert str(sizes[name]) in caught.value.message


def test_an_array_larger_than_any_memory_is_an_error_with_the_argument() -> None:
    made = plan(element("n", "int64_t"), runtime("x", "n*n", "double"))
    for n in (1 << 22, 1 << 29, 1 << 40):
        with pytest.raises(CallError) as caught:
            make_array(made, made.arguments[1], {"n": n})
        assert "(x)" in caught.value.where
