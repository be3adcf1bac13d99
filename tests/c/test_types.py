"""C types as data: what a prototype with them needs, and how they are declared."""

from __future__ import annotations

import pytest

from hatframe.c.elements import element_type
from hatframe.c.expressions import Constant
from hatframe.c.syntax import UnsupportedDeclaration
from hatframe.c.types import (
    Aggregate,
    Array,
    CType,
    FunctionType,
    Pointer,
    Scalar,
    Void,
    check_by_value,
    check_named,
    declaration,
    prerequisites,
    qualified,
    scalar_of,
)


def scalar(name: str, original: str | None = None, *qualifiers: str) -> Scalar:
    return Scalar(element_type(name), name if original is None else original, qualifiers)


INT = scalar("int")
CONST_FLOAT = scalar("float", None, "const")


@pytest.mark.parametrize(
    ("c_type", "text"),
    [
        (INT, "int x"),
        (Pointer(CONST_FLOAT), "const float *x"),
        (Pointer(INT, ("restrict",)), "int *restrict x"),
        (Array(Array(INT, Constant(4)), None), "int x[][4]"),
        (Pointer(Array(INT, Constant(4))), "int (*x)[4]"),
        (Pointer(Pointer(Void())), "void **x"),
    ],
)
def test_a_type_is_declared_as_in_c(c_type: CType, text: str) -> None:
    assert declaration(c_type, "x", lambda found: found.original) == text


def test_a_parameter_without_a_name_is_a_type_alone() -> None:
    assert declaration(Pointer(CONST_FLOAT), "", lambda found: found.original) == "const float *"


@pytest.mark.parametrize(
    ("c_type", "expected"),
    [(Pointer(Array(INT, None)), INT), (INT, INT), (Pointer(Void()), None), (Aggregate("struct s"), None)],
)
def test_the_arithmetic_type_within_a_type_is_found(c_type: CType, expected: Scalar | None) -> None:
    assert scalar_of(c_type) == expected


def test_qualifiers_of_an_array_are_those_of_its_elements() -> None:
    assert qualified(Array(INT, None), ("const",)) == Array(scalar("int", None, "const"), None)
    assert qualified(CONST_FLOAT, ("const", "volatile")).qualifiers == ("const", "volatile")  # type: ignore[union-attr]
    assert qualified(FunctionType(INT), ("const",)) == FunctionType(INT)


def test_a_prototype_includes_the_header_of_the_names_in_it() -> None:
    assert prerequisites(Pointer(scalar("uint8_t"))) == {"#include <stdint.h>"}
    assert prerequisites(INT) == set()
    includes = prerequisites(Pointer(scalar("bfloat16_t")))
    assert "#include <stdint.h>" in includes
    assert any("typedef uint16_t bfloat16_t;" in text for text in includes)


def test_half_precision_by_value_is_its_16_bits_and_not_a_floating_point_register() -> None:
    check_by_value(scalar("float16_t"))
    with pytest.raises(UnsupportedDeclaration, match="_Float16"):
        check_by_value(scalar("float16_t", "_Float16"))


def test_an_enum_without_a_tag_cannot_be_named() -> None:
    check_named(scalar("int", "enum mode"))
    with pytest.raises(UnsupportedDeclaration):
        check_named(scalar("int", ""))
