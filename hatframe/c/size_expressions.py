"""Size expressions: the integer arithmetic by which a .hat file tells how many elements a runtime array has."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping

from hatframe.errors import FormatError


def _divide(left: int, right: int) -> int:
    """Integer division as in C: towards zero."""
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


_OPERATORS: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: _divide,
    ast.Mod: lambda left, right: left - right * _divide(left, right),
}

MAX_LENGTH = 1000


class SizeExpression:
    """An expression such as ``M*K`` or ``(rows + 1) * lda``: integers, names, ``+ - * / %`` and parentheses.

    ``/`` and ``%`` divide as C does. Raises :class:`FormatError` for anything else.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        if len(text) > MAX_LENGTH:
            raise FormatError(f"the size expression has {len(text)} characters", hint=f"at most {MAX_LENGTH}")
        try:
            self._tree = ast.parse(text.strip(), mode="eval").body
            self.names = frozenset(_names(self._tree))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise FormatError(
                f"{text!r} is no size expression",
                hint="use integers, parameter names, + - * / % and parentheses",
            ) from None
        self.factors = tuple(_factors(self._tree))
        """The factors of the product, each a name, an integer, or None where it is another expression."""

    def __repr__(self) -> str:
        return f"SizeExpression({self.text!r})"

    def value(self, values: Mapping[str, int]) -> int:
        """The value for given names; :class:`FormatError` where it divides by zero."""
        return self._evaluate(self._tree, values)

    def factor_values(self, values: Mapping[str, int]) -> tuple[int, ...]:
        """The value of each factor, in order: the axes that the array can be given with."""
        return tuple(self._evaluate(node, values) for node in _factor_nodes(self._tree))

    def _evaluate(self, node: ast.expr, values: Mapping[str, int]) -> int:
        if isinstance(node, ast.Constant):
            return int(node.value)  # type: ignore[arg-type]
        if isinstance(node, ast.Name):
            return int(values[node.id])
        if isinstance(node, ast.UnaryOp):
            return -self._evaluate(node.operand, values)
        assert isinstance(node, ast.BinOp)
        left, right = self._evaluate(node.left, values), self._evaluate(node.right, values)
        try:
            return _OPERATORS[type(node.op)](left, right)
        except ZeroDivisionError:
            raise FormatError(f"the size expression {self.text!r} divides by zero") from None


def _names(node: ast.expr) -> list[str]:
    """All names in the expression; ValueError where it holds anything that is not integer arithmetic."""
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return []
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return _names(node.operand)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _names(node.left) + _names(node.right)
    raise ValueError


def _factor_nodes(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return _factor_nodes(node.left) + _factor_nodes(node.right)
    return [node]


def _factors(tree: ast.expr) -> list[str | int | None]:
    factors: list[str | int | None] = []
    for node in _factor_nodes(tree):
        if isinstance(node, ast.Name):
            factors.append(node.id)
        elif isinstance(node, ast.Constant):
            factors.append(int(node.value))  # type: ignore[arg-type]
        else:
            factors.append(None)
    return factors
