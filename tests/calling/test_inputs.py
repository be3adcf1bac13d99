"""Input data: values of every type."""

from __future__ import annotations

import os
from pathlib import Path

import ml_dtypes
import msgspec
import numpy as np
import pytest
from facts import assert_names
from sample_packages import affine, element, function, runtime

from hatframe.calling.arguments import argument_layout
from hatframe.calling.inputs import InputData, input_values
from hatframe.calling.plans import CallPlan, plan_call
from hatframe.errors import BenchmarkError, FormatError
from hatframe.format.model import Function


@pytest.mark.parametrize("dtype", ["bool", "i1", "u8", "i8", "f2", "f4", "f8", ml_dtypes.bfloat16])
def test_every_dtype_is_filled(dtype: object) -> None:
    array = np.zeros((3, 4000), dtype)  # type: ignore[call-overload]
    InputData(0).fill("x", array)
    assert len(np.unique(array.astype(np.float64))) > 1
    if array.dtype.kind == "f":
        assert array.min() >= 0
        assert array.max() <= 1


PLAN = plan_call(
    msgspec.convert(
        {
            **function(
                element("M"),
                element("K"),
                element("alpha", "float"),
                affine("start", [], "int32_t"),
                runtime("a", "M*K"),
                runtime("b", "K", "double"),
                element("total", "float", "output"),
                runtime("c", "M", usage="output"),
            ),
            "name": "f",
        },
        Function,
    )
)


def check(data: InputData, plan: CallPlan = PLAN, **sizes: int) -> None:
    data.check(plan, lambda argument: argument_layout(plan, argument, sizes))


def test_a_file_gives_scalars_and_the_dimensions_of_its_arrays(tmp_path: Path) -> None:
    path = tmp_path / "inputs.npz"
    np.savez(path, a=np.zeros((3, 5), np.float32), b=np.zeros(5), start=7, alpha=0.5)
    data = InputData(0, str(path))
    assert data.scalars(PLAN) == {"alpha": 0.5, "start": 7, "M": 3, "K": 5}
    check(data, M=3, K=5)


def test_a_scalar_of_a_file_must_be_one_number_of_its_type(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", M=[1, 2])
    with pytest.raises(BenchmarkError) as caught:
        InputData(0, str(tmp_path / "x.npz")).scalars(PLAN)
    assert_names(caught.value, "M", "x.npz")


def test_a_file_needs_only_arrays_that_are_read_and_all_misfits_are_reported_at_once(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", b=np.zeros(4))
    with pytest.raises(BenchmarkError) as caught:
        check(InputData(0, str(tmp_path / "x.npz")), M=3, K=5)
    assert_names(caught.value, "'a'", "'b'", "(5,)")
    for other in ("'alpha'", "'total'", "'c'", "'M'"):
        assert other not in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such files")
def test_a_pipe_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.npz")
    with pytest.raises(BenchmarkError, match="not a regular file"):
        InputData(0, str(tmp_path / "pipe.npz"))


INDEXED = plan_call(
    msgspec.convert(
        {
            **function(
                element("n"),
                element("m"),
                runtime("index", "n", "int32_t"),
                runtime("order", "n", "uint8_t", usage="input_output"),
                runtime("x", "m"),
                auxiliary={"inputs": {"index": "in 0..m sorted", "order": "permutation", "unknown": "normal", "x": 3}},
            ),
            "name": "gather",
        },
        Function,
    )
)


def test_arrays_are_filled_as_the_metadata_say() -> None:
    values = input_values(INDEXED, {"n": 100, "m": 7})
    data = InputData(0)
    index, order = np.empty((2, 100), np.int32)
    order = order.astype(np.uint8)
    seen = []
    for _ in range(3):
        begin = data.position
        data.fill("index", index, values["index"])
        data.fill("order", order, values["order"])
        assert (np.diff(index) >= 0).all()
        assert set(index) == set(range(7))
        assert sorted(order) == list(range(100))
        seen.append(order.copy())
        data.position = begin
        again = np.empty_like(index)
        data.fill("index", again, values["index"])
        assert (again == index).all(), "the position says which values they are"
    assert not (seen[0] == seen[1]).all()
    InputData(0, "ones").fill("index", index, msgspec.structs.replace(values["index"], low=2))
    assert set(index) == {2}


@pytest.mark.parametrize("sizes", [{"n": 4, "m": 0}, {"n": 300, "m": 5}])
def test_sizes_without_such_values_are_an_error_that_names_the_array(sizes: dict[str, int]) -> None:
    with pytest.raises(BenchmarkError) as caught:
        input_values(INDEXED, sizes)
    assert_names(caught.value, "gather", "index" if sizes["m"] == 0 else "order")


def test_an_invalid_distribution_is_an_error_that_names_its_key() -> None:
    plan = msgspec.structs.replace(
        INDEXED, function=msgspec.structs.replace(INDEXED.function, auxiliary={"inputs": {"x": "in 0..n"}})
    )
    with pytest.raises(FormatError) as caught:
        input_values(plan, {})
    assert_names(caught.value, "gather", "auxiliary.inputs.x")
