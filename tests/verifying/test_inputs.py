"""The values that functions are verified with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sample_packages import affine, document, element, function, hat_text, runtime

from hatframe.calling.plans import CallPlan, plan_call
from hatframe.format.reading import read_hat
from hatframe.verifying.inputs import ORDINARY, SIGNED, SPECIAL, Inputs, Trial, prefill


@pytest.fixture
def plan(tmp_path: Any) -> CallPlan:
    path = tmp_path / "f.hat"
    table = function(
        element("n"),
        runtime("x", "n"),
        affine("i", [50], "int32_t"),
        element("scale", "double"),
        affine("y", [50], usage="output"),
    )
    path.write_text(hat_text(document({"f": table}, "f.so")))
    return plan_call(read_hat(path).functions["f"])


def test_equal_trials_have_equal_values_and_others_have_not(plan: CallPlan) -> None:
    one, same, other = (Inputs(plan, Trial(row=0, sizes={"n": 9}, seed=seed), {}).before() for seed in (1, 1, 2))
    assert one.keys() == {"n", "x", "i", "scale", "y"}
    assert one["n"] == 9
    assert one["x"].shape == (9,)
    np.testing.assert_array_equal(one["x"], same["x"])
    assert not np.array_equal(one["x"], other["x"])


def test_ordinary_numbers_are_positive_and_signed_ones_are_not(plan: CallPlan) -> None:
    trial = Trial(row=0, sizes={"n": 1000})
    ordinary = Inputs(plan, trial, {}, ORDINARY).before()["x"]
    assert (ordinary.min() >= 0.125, ordinary.max() <= 0.875) == (True, True)
    signed = Inputs(plan, trial, {}, SIGNED).before()["x"]
    assert (signed.min() < -0.9, signed.max() > 0.9) == (True, True)
    special = Inputs(plan, trial, {}, SPECIAL).before()["x"]
    assert np.isnan(special).any()
    assert np.isinf(special).any()


def test_integers_have_the_whole_range_unless_they_are_indices(plan: CallPlan) -> None:
    wide = Inputs(plan, Trial(row=0, sizes={"n": 1}), {}).before()["i"]
    assert np.abs(wide.astype(np.int64)).max() > 1 << 24
    narrow = Inputs(plan, Trial(row=0, sizes={"n": 1}, index_limit=5), {}).before()["i"]
    assert set(narrow.tolist()) == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("name", ["int8_t", "uint8_t", "int32_t", "uint64_t"])
def test_signed_integers_have_equals_and_neighbors(tmp_path: Any, name: str) -> None:
    values = signed_values(tmp_path, name).astype(np.int64)
    assert len(set(values)) < len(values)
    assert 1 in set(np.diff(sorted(values)))
    assert np.abs(values).max() <= 100


@pytest.mark.parametrize("name", ["float16_t", "bfloat16_t"])
def test_signed_numbers_of_16_bits_are_small_integers(tmp_path: Any, name: str) -> None:
    assert set(signed_values(tmp_path, name).astype(float)) == {-2, -1, 1, 2}


def signed_values(folder: Path, element: str) -> Any:
    path = folder / "f.hat"
    path.write_text(hat_text(document({"f": function(affine("x", [64], element))}, "f.so")))
    return Inputs(plan_call(read_hat(path).functions["f"]), Trial(row=0), {}, SIGNED).before()["x"]


def test_scalars_that_are_given_have_their_value(plan: CallPlan) -> None:
    assert Inputs(plan, Trial(row=0, sizes={"n": 1}), {"scale": 3.5}).before()["scale"] == 3.5


@pytest.mark.parametrize("name", ["float", "double", "int32_t", "uint8_t", "float16_t", "bfloat16_t", "bool"])
def test_outputs_hold_other_bits_before_a_second_call(tmp_path: Any, name: str) -> None:
    path = tmp_path / "f.hat"
    path.write_text(hat_text(document({"f": function(affine("y", [99], name, "output"))}, "f.so")))
    (argument,) = plan_call(read_hat(path).functions["f"]).arguments
    first, second = (np.empty(99, argument.element.dtype) for _ in range(2))
    prefill(argument, first, 0, second=False)
    prefill(argument, second, 0, second=True)
    bits = f"u{argument.element.size}"
    assert not (first.view(bits) == second.view(bits)).any()
