"""Size expressions: the integer arithmetic by which a .hat file gives the size of a runtime array."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

from hatframe.errors import FormatError


def quotient(left: int, right: int) -> int:
    """C's ``/`` of integers: it rounds towards zero."""
    magnitude = abs(left) // abs(right)
    return magnitude if (left < 0) == (right < 0) else -magnitude


def remainder(left: int, right: int) -> int:
    """C's ``%`` of integers: it has the sign of ``left``."""
    return left - right * quotient(left, right)


ARITHMETIC: dict[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": quotient,
    "%": remainder,
}
"""The operators of size expressions on integers, as C has them."""

SizeTree: TypeAlias = "int | str | tuple[str, SizeTree, SizeTree]"
"""An expression: an integer, a name, or an operator of :data:`ARITHMETIC` with its operands."""

_SIGNS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Mod: "%"}

# Far beyond any that describes an array; it bounds the work for a file of unknown origin.
MAX_LENGTH = 1000

_WORD_AFTER_NUMBER = re.compile(r"(?<!\w)(?!0[xX])\d\w*?[^\W\d_]")


class SizeExpression:
    """An expression such as ``(rows + 1) * lda``; raises :class:`FormatError` for anything but integer arithmetic."""

    def __init__(self, text: str) -> None:
        self.text = text
        if len(text) > MAX_LENGTH:
            raise FormatError(f"the size expression has {len(text)} characters; the limit is {MAX_LENGTH}")
        try:
            if _WORD_AFTER_NUMBER.search(text):
                raise ValueError  # Python would only warn
            tree = ast.parse(text.strip(), mode="eval").body
            self.names = frozenset(_names(tree))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise FormatError(
                f"invalid size expression {text!r}", hint="use integers, parameter names, + - * / % and parentheses"
            ) from None
        self._factors = _factors(tree)
        self.factors = tuple(map(_simple, self._factors))
        """The factors of the product, each a name, an integer, or None where it is another expression."""

    @property
    def trees(self) -> tuple[SizeTree, ...]:
        """The factors of the product, in order, for code that computes them by other means."""
        return tuple(map(_tree, self._factors))

    def __repr__(self) -> str:
        return f"SizeExpression({self.text!r})"

    def value(self, values: Mapping[str, int]) -> int:
        """The value for given names; :class:`FormatError` where it divides by zero."""
        return math.prod(self.factor_values(values))

    def factor_values(self, values: Mapping[str, int]) -> tuple[int, ...]:
        """The value of each factor, in order: the shape that the array can be passed with."""
        try:
            return tuple(_evaluate(node, values) for node in self._factors)
        except ZeroDivisionError:
            raise self.division_error() from None

    def division_error(self) -> FormatError:
        return FormatError(f"the size expression {self.text!r} divides by zero")

    def factor_nodes(self, variables: Mapping[str, str]) -> list[ast.expr]:
        """The factors as Python code: ``variables`` stand for the names, and :data:`DIVISIONS` must be there."""
        return [_as_python(node, variables) for node in self._factors]


DIVISIONS: dict[str, Callable[[int, int], int]] = {"quotient": quotient, "remainder": remainder}
"""The functions that the code of :meth:`SizeExpression.factor_nodes` calls, since C and Python divide differently."""


def _as_python(node: ast.expr, variables: Mapping[str, str]) -> ast.expr:
    if isinstance(node, ast.Name):
        return ast.Name(variables[node.id], ast.Load())
    if isinstance(node, ast.UnaryOp):
        return ast.UnaryOp(node.op, _as_python(node.operand, variables))
    if not isinstance(node, ast.BinOp):
        return node
    left, right = _as_python(node.left, variables), _as_python(node.right, variables)
    if isinstance(node.op, (ast.Div, ast.Mod)):
        name = "quotient" if isinstance(node.op, ast.Div) else "remainder"
        return ast.Call(ast.Name(name, ast.Load()), [left, right], [])
    return ast.BinOp(left, node.op, right)


def _evaluate(node: ast.expr, values: Mapping[str, int]) -> int:
    if isinstance(node, ast.Constant):
        return int(node.value)  # type: ignore[arg-type]
    if isinstance(node, ast.Name):
        return int(values[node.id])
    if isinstance(node, ast.UnaryOp):
        return -_evaluate(node.operand, values)
    assert isinstance(node, ast.BinOp)
    return ARITHMETIC[_SIGNS[type(node.op)]](_evaluate(node.left, values), _evaluate(node.right, values))


def _tree(node: ast.expr) -> SizeTree:
    if isinstance(node, ast.Constant):
        return int(node.value)  # type: ignore[arg-type]
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.UnaryOp):
        return "-", 0, _tree(node.operand)
    assert isinstance(node, ast.BinOp)
    return _SIGNS[type(node.op)], _tree(node.left), _tree(node.right)


def _names(node: ast.expr) -> list[str]:
    """All names in the expression; ValueError where it holds anything but integer arithmetic."""
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return []
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return _names(node.operand)
    if isinstance(node, ast.BinOp) and type(node.op) in _SIGNS:
        return _names(node.left) + _names(node.right)
    raise ValueError


def _factors(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return _factors(node.left) + _factors(node.right)
    return [node]


def _simple(node: ast.expr) -> str | int | None:
    if isinstance(node, ast.Name):
        return node.id
    return int(node.value) if isinstance(node, ast.Constant) else None  # type: ignore[arg-type]
