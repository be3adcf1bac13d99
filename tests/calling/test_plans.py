"""How metadata become a call: how each parameter is passed, and what follows from the others."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from sample_packages import affine, element, function, runtime

from hatframe.calling.plans import PassingMode, plan_call
from hatframe.errors import FormatError
from hatframe.format.model import Function, LogicalType, Parameter


def plan(*arguments: dict[str, Any]) -> Any:
    return plan_call(convert(function(*arguments)))


def convert(table: dict[str, Any]) -> Function:
    return msgspec.convert({**table, "name": "f"}, Function)


@pytest.mark.parametrize(
    ("parameter", "mode"),
    [
        (element("n", "int"), PassingMode.VALUE),
        (element("n", "int", "output", declared="int *"), PassingMode.CELL),
        (affine("x", [4]), PassingMode.ARRAY),
        (runtime("x", "4"), PassingMode.RUNTIME),
        (runtime("x", "4", usage="output", declared="float **"), PassingMode.ALLOCATED),
    ],
)
def test_the_declared_type_decides_how_a_parameter_is_passed(parameter: dict[str, Any], mode: PassingMode) -> None:
    assert plan(parameter).arguments[0].passing is mode


def test_dimensions_of_a_product_follow_from_shapes_and_others_do_not() -> None:
    made = plan(
        element("M", "int"), element("N", "int"), element("lda", "int"), runtime("A", "M*N"), runtime("B", "lda+1")
    )
    assert [argument.name for argument in made.needed] == ["lda", "A", "B"]
    assert made.dimensions == ("M", "N", "lda")


def test_parameters_without_a_name_are_numbered() -> None:
    assert [argument.name for argument in plan(affine("", [4]), affine("", [4])).arguments] == ["arg0", "arg1"]


@pytest.mark.parametrize(
    "arguments",
    [
        (affine("x", [4]), affine("x", [4])),
        (runtime("x", "n"),),
        (element("n", "float"), runtime("x", "n")),
        (element("n", "int", "output", declared="int"),),
        (runtime("x", "4", declared="float ***"),),
    ],
    ids=["same name", "unknown dimension", "dimension not an integer", "output by value", "three pointers"],
)
def test_contradictions_are_refused_with_the_name_of_the_function(arguments: tuple[dict[str, Any], ...]) -> None:
    with pytest.raises(FormatError) as caught:
        plan(*arguments)
    assert caught.value.where.startswith("f")


def test_a_function_of_thousands_of_arguments_is_refused_at_once() -> None:
    number = Parameter(logical_type=LogicalType.ELEMENT, declared_type="int", element_type="int")
    with pytest.raises(FormatError, match="20000"):
        plan_call(Function(name="f", arguments=(number,) * 20_000))
