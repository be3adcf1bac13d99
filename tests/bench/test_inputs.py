"""Input sets: random, the same for the same seed, aligned, and enough of them."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from sample_packages import affine, element, function, make_package, runtime

from hatframe import Kernel
from hatframe.backends import BoundFunction
from hatframe.bench.inputs import MAX_SETS, InputData, InputSets
from hatframe.errors import BenchmarkError


@pytest.fixture(scope="module")
def bound(tmp_path_factory: pytest.TempPathFactory) -> BoundFunction:
    source = "void f(int n, float s, const double *a, float *x, int *out) { }"
    arguments = [
        element("n"),
        element("s", "float"),
        affine("a", [3, 5], "double", affine_map=[8, 1], offset=2),
        runtime("x", "n", usage="input_output"),
        element("out", usage="output"),
    ]
    hat: Path = make_package(tmp_path_factory.mktemp("inputs"), source, {"f": function(*arguments)})
    return Kernel().load(hat).f


def test_sets_are_aligned_different_and_as_large_as_asked(bound: BoundFunction) -> None:
    inputs = InputSets(bound, {"n": 1000}, InputData(1), 100_000)
    sets, set_bytes = inputs.sets, inputs.set_bytes
    assert set_bytes == 4 + 4 + (2 + 2 * 8 + 5) * 8 + 1000 * 4 + 4
    assert len(sets) == -(-100_000 // set_bytes)
    for n, s, a, x, _ in sets:
        assert n == 1000
        assert 0 <= s < 1
        assert (a.__array_interface__["data"][0] - 2 * 8) % 64 == 0
        assert x.__array_interface__["data"][0] % 64 == 0
    assert not np.array_equal(sets[0][3], sets[1][3])
    assert len({id(arguments[3]) for arguments in sets}) == len(sets)


def test_the_same_seed_gives_the_same_inputs(bound: BoundFunction) -> None:
    first = InputSets(bound, {"n": 10}, InputData(1), 1000).sets
    again = InputSets(bound, {"n": 10}, InputData(1), 1000).sets
    other = InputSets(bound, {"n": 10}, InputData(2), 1000).sets
    for one, two, three in zip(first, again, other, strict=True):
        assert np.array_equal(one[2], two[2])
        assert np.array_equal(one[3], two[3])
        assert not np.array_equal(one[3], three[3])


def test_the_number_of_sets_is_bounded(bound: BoundFunction) -> None:
    sets = InputSets(bound, {"n": 1}, InputData(0), 1 << 40).sets
    assert len(sets) == MAX_SETS
    sets = InputSets(bound, {"n": 1}, InputData(0), 0).sets
    assert len(sets) == 1


def test_too_large_inputs_are_an_error_with_a_hint(bound: BoundFunction) -> None:
    with pytest.raises(
        BenchmarkError, match=r"16384 input sets of 8,589.9 MB each do not fit in the .* choose smaller"
    ):
        InputSets(bound, {"n": (1 << 31) - 1}, InputData(0), 1 << 60)


@pytest.mark.parametrize("dtype", ["bool", "i1", "u8", "i8", "f2", "f4", "f8", ml_dtypes.bfloat16])
def test_every_dtype_is_filled(dtype: object) -> None:
    array = np.zeros((3, 4000), dtype)  # type: ignore[call-overload]
    InputData(0).fill("x", array)
    assert len(np.unique(array.astype(np.float64))) > 1
    if array.dtype.kind == "f":
        assert array.min() >= 0
        assert array.max() <= 1
