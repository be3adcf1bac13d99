"""Input data: values of every type."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from hatframe.calling.inputs import InputData


@pytest.mark.parametrize("dtype", ["bool", "i1", "u8", "i8", "f2", "f4", "f8", ml_dtypes.bfloat16])
def test_every_dtype_is_filled(dtype: object) -> None:
    array = np.zeros((3, 4000), dtype)  # type: ignore[call-overload]
    InputData(0).fill("x", array)
    assert len(np.unique(array.astype(np.float64))) > 1
    if array.dtype.kind == "f":
        assert array.min() >= 0
        assert array.max() <= 1
