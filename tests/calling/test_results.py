"""What a call returns: one value, or several by their names."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import msgspec
import numpy as np
import pytest
from sample_packages import VOID, element, function, runtime

from hatframe.calling.addresses import Addresses
from hatframe.calling.checks import Checker
from hatframe.calling.plans import CallPlan, plan_call
from hatframe.calling.results import Results, from_bits
from hatframe.errors import CallError
from hatframe.format.model import Function


def plan(*arguments: dict[str, Any], name: str = "f", returns: str = "") -> CallPlan:
    returned = element("", returns, "output", returns) if returns else VOID
    return plan_call(msgspec.convert({**function(*arguments, returns=returned), "name": name}, Function))


def results(made: CallPlan) -> Results:
    return Results(made, Checker(made, Addresses()), [argument for argument in made.arguments if argument.follows])


COUNT = element("count", "int32_t", "output")
OUT = runtime("out", "count", usage="output", declared="float**")


def test_nothing_is_none_and_one_result_is_itself() -> None:
    assert results(plan()).of(None, []) is None
    assert results(plan(returns="int32_t")).of(3, []) == 3


def test_several_results_have_names_with_the_return_value_first() -> None:
    made = results(plan(COUNT, OUT, returns="int32_t")).of(7, [np.zeros(1, np.int32), np.zeros(1, np.uintp)])
    assert made._fields == ("returned", "count", "out")
    assert made.out.shape == (0,)


@pytest.mark.parametrize("name", ["lambda", "lambda_0123456789abcdef", "with space"])
def test_a_function_may_have_the_name_of_a_keyword(name: str) -> None:
    made = results(plan(COUNT, OUT, name=name)).of(None, [np.zeros(1, np.int32), np.zeros(1, np.uintp)])
    assert made.count == 0


@pytest.mark.parametrize("count", [1, -1])
def test_an_array_that_was_not_allocated_is_an_error(count: int) -> None:
    with pytest.raises(CallError, match="out"):
        results(plan(COUNT, OUT)).of(None, [np.full(1, count, np.int32), np.zeros(1, np.uintp)])


def test_half_precision_comes_back_as_its_number() -> None:
    assert results(plan(returns="float16_t")).of(0x3E00, []) == 1.5
    assert from_bits(plan(returns="bfloat16_t").returns, 0x3FC0) == ml_dtypes.bfloat16(1.5)  # type: ignore[arg-type]
