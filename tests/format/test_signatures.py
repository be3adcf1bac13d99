"""Which functions do the same work."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import sample_packages as sample

from hatframe.format.model import Function
from hatframe.format.signatures import group_name, signature


def function(*arguments: dict[str, Any], **more: Any) -> Function:
    return msgspec.convert(sample.function(*arguments, **more), Function)


SIZED = (sample.element("n", "int64_t"), sample.runtime("x", "n"), sample.runtime("y", "n", usage="output"))


@pytest.mark.parametrize(
    "other",
    [
        function(*SIZED, description="another text"),
        function(sample.element("n", "long long"), *SIZED[1:]),
        function(SIZED[0], sample.runtime("x", " n "), SIZED[2]),
    ],
    ids=["description", "spelling of a type", "spelling of a size"],
)
def test_the_same_parameters_are_the_same_work(other: Function) -> None:
    assert signature(other) == signature(function(*SIZED))


@pytest.mark.parametrize(
    "other",
    [
        function(SIZED[0], SIZED[2], SIZED[1]),
        function(SIZED[0], sample.runtime("z", "n"), SIZED[2]),
        function(sample.element("n", "int"), *SIZED[1:]),
        function(SIZED[0], sample.runtime("x", "n*n"), SIZED[2]),
        function(SIZED[0], sample.runtime("x", "n", usage="input_output"), SIZED[2]),
        function(*SIZED, **{"return": sample.element("", "int")}),
    ],
    ids=["order", "name", "type", "size", "usage", "return"],
)
def test_other_parameters_are_other_work(other: Function) -> None:
    assert signature(other) != signature(function(*SIZED))


def test_shapes_count_and_layouts_do_not() -> None:
    rows = function(sample.affine("A", [4, 8]))
    columns = function({**sample.affine("A", [4, 8]), "affine_map": [1, 4]})
    assert signature(rows) == signature(columns)
    assert signature(rows) != signature(function(sample.affine("A", [8, 4])))


def test_a_group_in_the_metadata_counts_instead_of_the_parameters() -> None:
    one = function(*SIZED, auxiliary={"group": "copy"})
    other = function(sample.affine("A", [4]), auxiliary={"group": "copy"})
    assert group_name(one) == "copy"
    assert signature(one) == signature(other)
    assert signature(one) != signature(function(*SIZED))
    assert group_name(function(*SIZED, auxiliary={"group": 3})) == ""


def test_metadata_that_make_no_sense_have_a_signature_all_the_same() -> None:
    odd = {**sample.element("n", "int"), "element_type": "quaternion", "declared_type": "quaternion**"}
    assert signature(function(odd)) == signature(function(odd))
    assert signature(function(odd)) != signature(function(sample.element("n", "int")))
