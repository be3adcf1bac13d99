"""What the typedefs and enums of a file stand for."""

from __future__ import annotations

import pytest

from hatframe.c.elements import DataModel
from hatframe.c.expressions import Constant
from hatframe.c.scopes import Scope
from hatframe.c.syntax import UnsupportedDeclaration, parse
from hatframe.c.types import Aggregate, Array, CType, Pointer, Scalar
from hatframe.machine import Platform

LINUX = DataModel.of(Platform("linux", "x86_64"))
WINDOWS = DataModel.of(Platform("windows", "x86_64"))


def declared(code: str, model: DataModel = LINUX) -> tuple[str, CType]:
    """The name and type of the last declaration of some code."""
    root = parse(code.encode()).root_node
    return Scope(root.children, model).declared(root.named_children[-1], {})


def scalar(code: str, model: DataModel = LINUX) -> Scalar:
    found = declared(code, model)[1]
    assert isinstance(found, Scalar)
    return found


@pytest.mark.parametrize(
    ("code", "name", "original"),
    [
        ("int x;", "int", "int"),
        ("unsigned long long x;", "unsigned long long", "unsigned long long"),
        ("typedef int whole; typedef whole number; number x;", "int", "int"),
        ("typedef int int32_t; int32_t x;", "int32_t", "int32_t"),
        ("typedef unsigned short bfloat16_t; bfloat16_t x;", "bfloat16_t", "bfloat16_t"),
        ("enum mode { OFF, ON }; enum mode x;", "int", "enum mode"),
        ("enum mode { BIG = 0x80000000u }; enum mode x;", "unsigned int", "enum mode"),
        ("_Float16 x;", "float16_t", "_Float16"),
    ],
)
def test_a_name_is_resolved_to_a_type_of_the_format(code: str, name: str, original: str) -> None:
    found = scalar(code)
    assert (found.name, found.original) == (name, original)


def test_sizes_are_those_of_the_platform() -> None:
    assert scalar("long x;").element.size == 8
    assert scalar("long x;", WINDOWS).element.size == 4


def test_declarators_wrap_the_base_type() -> None:
    name, found = declared("typedef float row[4]; const row *x[2];")
    assert name == "x"
    assert isinstance(found, Array)
    assert found.extent == Constant(2)
    assert isinstance(found.of, Pointer)
    row = found.of.to
    assert isinstance(row, Array)
    assert row.extent == Constant(4)
    assert isinstance(row.of, Scalar)
    assert row.of.qualifiers == ("const",)


def test_constants_of_enums_count_on_and_may_be_extents() -> None:
    code = "enum { FIRST = 3, SECOND, THIRD = SECOND * 2 }; float x[THIRD];"
    root = parse(code.encode()).root_node
    scope = Scope(root.children, LINUX)
    assert scope.constant("SECOND") == Constant(4)
    assert scope.constant("FOURTH") is None
    found = scope.declared(root.named_children[-1], {})[1]
    assert isinstance(found, Array)
    assert found.extent == Constant(8)


def test_a_struct_keeps_the_name_that_the_code_gives_it() -> None:
    assert declared("typedef struct { int a; } point; point x;")[1] == Aggregate("point")
    assert declared("struct point x;")[1] == Aggregate("struct point")


@pytest.mark.parametrize(
    ("code", "named"),
    [
        ("strange x;", "strange"),
        ("long double x;", "long double"),
        ("__int128 x;", "__int128"),
        ("typedef float v4 __attribute__((vector_size(16))); v4 x;", "v4"),
        ("enum mode x;", "enum mode"),
        ("float x[0];", "0"),
        ("float x[n];", "n"),
        ("typedef a b; typedef b a; a x;", "a"),
    ],
)
def test_what_the_format_cannot_say_is_unsupported_with_its_name(code: str, named: str) -> None:
    with pytest.raises(UnsupportedDeclaration) as caught:
        declared(code)
    assert named in caught.value.reason
