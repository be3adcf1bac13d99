"""Rates: operations as the metadata give them, and the least bytes that a function must read and write."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from sample_packages import affine, element, function, runtime

from hatframe.errors import FormatError
from hatframe.format.model import Function
from hatframe.results.rates import floating_point_operations, least_traffic, rates


def make(*arguments: dict[str, Any], **auxiliary: Any) -> Function:
    return msgspec.convert({"name": "f", **function(*arguments, auxiliary=auxiliary)}, Function)


GEMM = [
    element("M"),
    element("N"),
    element("K"),
    runtime("A", "M*K"),
    runtime("B", "K*N"),
    runtime("C", "M*N", usage="input_output"),
]
SIZES = {"M": 10, "N": 20, "K": 30}


def test_operations_come_from_an_expression_over_the_dimensions() -> None:
    gemm = make(*GEMM, flops="2*M*N*K")
    assert floating_point_operations(gemm, SIZES) == 12_000
    assert rates(gemm, SIZES, 1e-6)["flops_per_second"] == pytest.approx(12e9)


@pytest.mark.parametrize(("flops", "count"), [(12_000, 12_000), (1.5e9, 1.5e9), (0, 0), ("3", 3)])
def test_operations_may_be_a_number(flops: object, count: float) -> None:
    assert floating_point_operations(make(affine("x", [4]), flops=flops), {}) == count


def test_without_the_key_no_operations_are_told() -> None:
    gemm = make(*GEMM, accera={"parameters": {"flops": 1}})
    assert floating_point_operations(gemm, SIZES) is None
    assert rates(gemm, SIZES, 1e-6).keys() == {"bytes_per_second"}


@pytest.mark.parametrize(
    ("flops", "message"),
    [
        ("2*M*", r"2\*M\*"),
        ("2*M*Q*P", "P, Q.*K, M, N"),
        ("M/(K-30)", "zero"),
        ("M-100", "'M-100'"),
        (-1, "-1"),
        (float("nan"), "nan"),
        (True, "True"),
        ([1], r"\[1\]"),
    ],
)
def test_operations_that_cannot_be_understood_are_an_error_that_says_where(flops: object, message: str) -> None:
    with pytest.raises(FormatError, match=f"^f: auxiliary.flops: .*{message}"):
        rates(make(*GEMM, flops=flops), SIZES, 1e-6)


def test_each_element_counts_once_for_each_direction() -> None:
    assert least_traffic(make(*GEMM), SIZES) == 4 * (10 * 30 + 30 * 20 + 2 * 10 * 20)
    assert rates(make(*GEMM), SIZES, 2.0) == {"bytes_per_second": 2600.0}
    saxpy = make(element("a", "double"), affine("x", [100], "double"), affine("y", [100], "double", "output"))
    assert least_traffic(saxpy, {}) == 2 * 100 * 8


@pytest.mark.parametrize(
    ("shape", "affine_map", "elements"),
    [
        ([], [], 1),
        ([8, 0], [1, 1], 0),
        ([8, 5], [100, 2], 40),  # gaps are not read
        ([8, 5], [0, 1], 5),  # the same row again and again
        ([8, 5], [1, 1], 12),  # a window that slides
        ([8], [-1], 8),
    ],
)
def test_elements_count_as_they_lie_in_memory(shape: list[int], affine_map: list[int], elements: int) -> None:
    made = make(affine("x", shape, "int16_t", affine_map=affine_map, offset=9))
    assert least_traffic(made, {}) == 2 * elements


def test_an_array_that_the_function_allocates_counts_where_its_size_is_known() -> None:
    fixed = make(affine("x", [6], "float", "output") | {"declared_type": "float**"})
    assert least_traffic(fixed, {}) == 24
    given = make(element("n"), runtime("x", "n", usage="output", declared="float**"))
    assert least_traffic(given, {"n": 7}) == 28
    made = make(affine("y", [5]), element("n", usage="output"), runtime("x", "n", usage="output", declared="float**"))
    assert least_traffic(made, {}) is None
    assert rates(made, {}, 1.0) == {}


def test_without_arrays_or_a_time_there_are_no_rates() -> None:
    assert rates(make(element("n"), element("out", usage="output"), flops=0), {"n": 3}, 1.0) == {}
    assert rates(make(*GEMM, flops=1), SIZES, 0.0) == {}
    assert rates(make(*GEMM, flops=1), SIZES, -1e-9) == {}


def test_a_size_that_divides_by_zero_says_where() -> None:
    with pytest.raises(FormatError, match=r"^f: x: .*divides by zero"):
        least_traffic(make(element("n"), runtime("x", "8/n")), {"n": 0})
