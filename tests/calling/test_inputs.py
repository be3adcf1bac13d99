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
from hatframe.calling.inputs import InputData
from hatframe.calling.plans import CallPlan, plan_call
from hatframe.errors import BenchmarkError
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
