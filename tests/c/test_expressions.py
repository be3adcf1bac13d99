"""Integer expressions of C: constants as the compiler evaluates them, formulas over parameters."""

from __future__ import annotations

import ctypes

import pytest
from tree_sitter import Node

from hatframe.c.elements import ElementType, element_type
from hatframe.c.expressions import MAX_DEPTH, Constant, Extent, Formula, evaluate, parameter_value, product
from hatframe.c.syntax import UnsupportedDeclaration, parse_expression, text_of


class Names:
    """``n`` and ``m`` are parameters, and ``four`` is a constant."""

    def value(self, name: str) -> Extent:
        if name == "four":
            return Constant(4)
        return parameter_value(name)

    def size_of(self, node: Node) -> int:
        return ctypes.sizeof(ctypes.c_double)

    def integer_type(self, node: Node) -> ElementType:
        return element_type(text_of(node))


def value(text: str) -> Extent:
    return evaluate(parse_expression(text), Names())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2 + 3 * four", 14),
        ("-7 / 2", -3),
        ("-7 % 2", -1),
        ("010 + 0x10 + 0b11", 27),
        ("'A'", 65),
        ("1 ? 2 : 3", 2),
        ("(5 > 3) && !0", 1),
        ("1u << 31", 1 << 31),
        ("0u - 1", (1 << 32) - 1),
        ("(unsigned char)257", 1),
        ("(int8_t)200", -56),
        ("~0", -1),
        ("6 & 3 | 8", 10),
    ],
)
def test_constants_have_the_value_that_c_gives_them(text: str, expected: int) -> None:
    found = value(text)
    assert isinstance(found, Constant)
    assert found.value == expected


@pytest.mark.parametrize(
    ("text", "formula", "names"),
    [
        ("n * m", "n*m", {"n", "m"}),
        ("(n + 1) * four", "(n+1)*4", {"n"}),
        ("n / 2 - -m", "n/2--m", {"n", "m"}),
        ("1 ? n : m", "n", {"n"}),
        ("(int64_t)n", "n", {"n"}),
    ],
)
def test_parameters_stay_in_a_formula_with_no_more_parentheses_than_it_needs(
    text: str, formula: str, names: set[str]
) -> None:
    assert value(text) == Formula(formula, frozenset(names))


@pytest.mark.parametrize(
    "text",
    [
        "1 / 0",
        "n % 0",
        "1 << 32",
        "2147483647 + 1",
        "99999999999999999999",
        "n << 1",
        "n ? 1 : 2",
        "~n",
        "(int8_t)n",
        "f(1)",
        "1.5",
        "lambda",
    ],
)
def test_what_no_size_expression_can_say_is_unsupported(text: str) -> None:
    with pytest.raises(UnsupportedDeclaration):
        value(text)


def test_nesting_has_a_limit() -> None:
    assert value("(" * 50 + "1" + ")" * 50) == Constant(1)
    with pytest.raises(UnsupportedDeclaration):
        value("-(" * MAX_DEPTH + "1" + ")" * MAX_DEPTH)


def test_the_size_of_an_array_has_a_factor_for_each_extent() -> None:
    assert product([value("n + 1"), value("4"), value("m")]) == "(n+1)*4*m"
    assert product([value("2")]) == "2"
