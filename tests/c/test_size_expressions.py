"""Size expressions: C's integer arithmetic over names, and nothing else."""

from __future__ import annotations

import ast
import math
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hatframe.c.size_expressions import DIVISIONS, SizeExpression
from hatframe.errors import FormatError


@pytest.mark.parametrize(
    ("text", "value", "factors"),
    [
        ("M*K", 12, ("M", "K")),
        ("lda * K", 4 * 7, ("lda", "K")),
        ("N", 5, ("N",)),
        ("(M + 1) * K * 2", 32, (None, "K", 2)),
        ("16", 16, (16,)),
        ("M*K - 1", 11, (None,)),
        ("-7 / 2 + N", 2, (None,)),
        ("-7 % 4 + N", 2, (None,)),
    ],
)
def test_value_and_factors(text: str, value: int, factors: tuple[str | int | None, ...]) -> None:
    expression = SizeExpression(text)
    assert expression.value({"M": 3, "K": 4, "N": 5, "lda": 7}) == value
    assert expression.factors == factors


@pytest.mark.parametrize(
    "text",
    [
        "",
        "M*",
        "M**K",
        "f(M)",
        "M.K",
        "M[0]",
        "1.5*M",
        "'a'",
        "__import__('os')",
        "M if K else N",
        "True",
        "M;K",
        "lambda: 1",
        "M\x00",
        "(" * 400 + "M" + ")" * 400,
        "M" * 2000,
    ],
)
def test_anything_else_is_an_error(text: str) -> None:
    with pytest.raises(FormatError):
        SizeExpression(text)


def test_division_by_zero_is_a_format_error() -> None:
    with pytest.raises(FormatError, match="divides by zero"):
        SizeExpression("M / K").value({"M": 1, "K": 0})


@given(st.integers(-1000, 1000), st.integers(-50, 50).filter(bool))
def test_division_rounds_towards_zero(left: int, right: int) -> None:
    values = {"a": left, "b": right}
    quotient = SizeExpression("a / b").value(values)
    remainder = SizeExpression("a % b").value(values)
    assert quotient == int(left / right)
    assert quotient * right + remainder == left


@given(st.text(max_size=30))
def test_any_text_is_a_number_or_a_format_error(text: str) -> None:
    try:
        expression = SizeExpression(text)
        expression.value(dict.fromkeys(expression.names, 2))
    except FormatError:
        pass


@pytest.mark.parametrize("text", ["1if n else 2", "2or n", "0or 1", "1_0and n"])
def test_a_word_after_a_number_is_invalid_without_a_warning_of_python(text: str) -> None:
    with pytest.raises(FormatError, match="invalid size expression"):
        SizeExpression(text)


def test_numbers_of_other_forms_stay() -> None:
    assert SizeExpression("0x10 * n1 + 1_000").value({"n1": 2}) == 1032


def text_of(tree: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds("({} {} {})".format, tree, st.sampled_from("+-*/%"), tree) | st.builds("-{}".format, tree)


@given(
    st.recursive(st.sampled_from(["a", "b"]) | st.integers(0, 10**30).map(str), text_of, max_leaves=12),
    st.integers(-(2**63), 2**63),
    st.integers(-9, 9),
)
def test_the_code_of_an_expression_has_its_value(text: str, a: int, b: int) -> None:
    expression = SizeExpression(text)
    tree = ast.parse("lambda x, y: 0", mode="eval")
    assert isinstance(tree.body, ast.Lambda)
    tree.body.body = ast.Tuple(expression.factor_nodes({"a": "x", "b": "y"}), ast.Load())
    code = compile(ast.fix_missing_locations(tree), "test", "eval").co_consts[0]
    function = types.FunctionType(code, {"__builtins__": {}, **DIVISIONS})
    try:
        expected = expression.factor_values({"a": a, "b": b})
    except FormatError:
        with pytest.raises(ZeroDivisionError):
            function(a, b)
    else:
        assert function(a, b) == expected
        assert math.prod(expected) == expression.value({"a": a, "b": b})
