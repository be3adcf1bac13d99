"""Amounts: the sizes of arrays as C writes them, constants worked out and expressions over parameters kept.

An amount is a :class:`Number` where the compiler knows it, or a :class:`Formula` in the grammar of the ``size`` of a
``runtime_array``: integers, names, ``+ - * / %`` and parentheses.
"""

from __future__ import annotations

import keyword
import operator
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias

import msgspec

from hatframe.c.parsing import text_of

if TYPE_CHECKING:
    from tree_sitter import Node


class UnsupportedDeclaration(Exception):  # noqa: N818 - no error of the user's, but why a function is left out
    """What keeps a function out of a package."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Number(msgspec.Struct, frozen=True):
    """An integer constant with its type: ``bits`` wide, ``unsigned`` or not."""

    value: int
    bits: int = 32
    unsigned: bool = False

    def __str__(self) -> str:
        return str(self.value)


# How tightly the outermost operator of a formula binds.
_SUM, _QUOTIENT, _PRODUCT, _ATOM = range(1, 5)


class Formula(msgspec.Struct, frozen=True):
    """An expression over parameters; ``level`` says how tightly its outermost operator binds."""

    text: str
    names: frozenset[str]
    level: int = _ATOM

    def __str__(self) -> str:
        return self.text


SizeValue: TypeAlias = Number | Formula


class Names(Protocol):
    """What names and types mean where an amount is written."""

    def amount(self, name: str) -> SizeValue:
        """The value of a name; raises :class:`UnsupportedDeclaration` where it has none."""

    def size_of(self, node: Node) -> int:
        """The bytes of a type; of a typedef where ``node`` is a name."""

    def integer_type(self, node: Node) -> tuple[int, bool]:
        """The bits of an integer type, and whether it is unsigned."""


MAX_DEPTH = 150
_LITERAL = re.compile(r"(?P<digits>0[xX][0-9a-fA-F]+|0[bB][01]+|[0-9]+)(?P<suffix>[uUlL]*)")
_ESCAPES = {"n": 10, "t": 9, "r": 13, "0": 0, "a": 7, "b": 8, "f": 12, "v": 11, "\\": 92, "'": 39, '"': 34, "?": 63}


def evaluate(node: Node, names: Names, depth: int = 0) -> SizeValue:
    """The amount that an expression of C means; :class:`UnsupportedDeclaration` where it is neither kind."""
    if depth > MAX_DEPTH:
        raise UnsupportedDeclaration("a size expression is nested too deeply")

    def operand(field: str) -> SizeValue:
        child = node.child_by_field_name(field)
        if child is None:
            raise _no_size(node)
        return evaluate(child, names, depth + 1)

    kind = node.type
    if kind == "number_literal":
        return _literal(node)
    if kind == "char_literal":
        return _character(node)
    if kind in ("true", "false"):
        return Number(int(kind == "true"))
    if kind == "identifier":
        return names.amount(text_of(node))
    if kind == "parenthesized_expression" and node.named_child_count == 1:
        return evaluate(node.named_children[0], names, depth + 1)
    if kind == "unary_expression":
        return _unary(node, _operator(node), operand("argument"))
    if kind == "binary_expression":
        return _binary(node, _operator(node), operand("left"), operand("right"))
    if kind == "conditional_expression" and node.child_by_field_name("consequence"):
        condition = operand("condition")
        if isinstance(condition, Number):
            chosen, other = operand("consequence"), operand("alternative")
            return _of_common_type(chosen, other) if condition.value else _of_common_type(other, chosen)
    if kind == "cast_expression":
        return _cast(node, names, operand("value"))
    if kind == "sizeof_expression":
        measured = node.child_by_field_name("type") or _name_in_parentheses(node.child_by_field_name("value"))
        if measured is not None:
            return Number(names.size_of(measured), 64, True)
    raise _no_size(node)


def parameter_size(name: str) -> Formula:
    """The formula that is one parameter; :class:`UnsupportedDeclaration` where its name cannot stand in one."""
    if keyword.iskeyword(name) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise UnsupportedDeclaration(
            f"the dimension `{name}` has a name that cannot stand in a size expression; rename it"
        )
    return Formula(name, frozenset([name]))


def product(amounts: list[SizeValue]) -> str:
    """The size of an array of these extents, as an expression with a factor for each extent."""
    whole: SizeValue = amounts[0]
    for amount in amounts[1:]:
        whole = _formula("*", whole, amount)
    return str(whole)


def _no_size(node: Node) -> UnsupportedDeclaration:
    return UnsupportedDeclaration(
        f"`{text_of(node)}` is no size expression; it can hold integers, parameters, + - * / % and ()"
    )


def _name_in_parentheses(node: Node | None) -> Node | None:
    """The typedef that ``sizeof`` may mean: the parser takes its name for a variable."""
    while node is not None and node.type == "parenthesized_expression" and node.named_child_count == 1:
        node = node.named_children[0]
    return node if node is not None and node.type == "identifier" else None


def _operator(node: Node) -> str:
    found = node.child_by_field_name("operator")
    return text_of(found) if found else ""


def _literal(node: Node) -> Number:
    text = text_of(node).replace("'", "")
    # The parser takes a sign before a number as part of it.
    match = _LITERAL.fullmatch(text.lstrip("+-"))
    if not match:
        raise _no_size(node)
    sign = -1 if text[0] == "-" else 1
    digits = match["digits"]
    is_octal = len(digits) > 1 and digits[0] == "0" and digits[1].isdigit()
    try:
        value = int(digits, 8) if is_octal else int(digits, 0)
    except ValueError:
        raise _no_size(node) from None
    suffix = match["suffix"].lower()
    is_decimal = digits[0] != "0"
    for bits in (64,) if "l" in suffix else (32, 64):
        for unsigned in (True,) if "u" in suffix else (False,) if is_decimal else (False, True):
            if value < 1 << (bits - (not unsigned)):
                return _fitted(sign * value, bits, unsigned)
    raise UnsupportedDeclaration(f"`{text_of(node)}` is too large")


def _character(node: Node) -> Number:
    inside = text_of(node)[1:-1]
    if len(inside) == 1 and inside.isascii():
        return Number(ord(inside))
    if len(inside) == 2 and inside[0] == "\\" and inside[1] in _ESCAPES:
        return Number(_ESCAPES[inside[1]])
    raise _no_size(node)


def _fitted(value: int, bits: int, unsigned: bool) -> Number:
    """A result of arithmetic: unsigned numbers wrap, and the overflow of others means nothing in C."""
    if unsigned:
        return Number(value % (1 << bits), bits, True)
    if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
        raise UnsupportedDeclaration("a constant overflows")
    return Number(value, bits)


def _promoted(number: Number) -> Number:
    return Number(number.value) if number.bits < 32 else number


def _common_type(first: Number, second: Number) -> tuple[int, bool]:
    bits = max(first.bits, second.bits)
    return bits, any(number.unsigned and number.bits == bits for number in (first, second))


def _of_common_type(chosen: SizeValue, other: SizeValue) -> SizeValue:
    if isinstance(chosen, Formula) or isinstance(other, Formula):
        return chosen
    chosen, other = _promoted(chosen), _promoted(other)
    return _fitted(chosen.value, *_common_type(chosen, other))


def _unary(node: Node, sign: str, operand: SizeValue) -> SizeValue:
    if isinstance(operand, Formula):
        if sign == "+":
            return operand
        if sign == "-":
            inside = operand.text if operand.level == _ATOM else f"({operand.text})"
            return Formula(f"-{inside}", operand.names, _SUM)
        raise _no_size(node)
    operand = _promoted(operand)
    if sign == "!":
        return Number(int(not operand.value))
    value = {"+": operand.value, "-": -operand.value, "~": ~operand.value}.get(sign)
    if value is None:
        raise _no_size(node)
    return _fitted(value, operand.bits, operand.unsigned)


def _divide(left: int, right: int) -> int:
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


_ARITHMETIC: dict[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divide,
    "%": lambda left, right: left - right * _divide(left, right),
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
}
_COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "&&": lambda left, right: bool(left) and bool(right),
    "||": lambda left, right: bool(left) or bool(right),
}


def _binary(node: Node, sign: str, left: SizeValue, right: SizeValue) -> SizeValue:
    if sign in ("/", "%") and isinstance(right, Number) and not right.value:
        raise UnsupportedDeclaration(f"`{text_of(node)}` divides by zero")
    if isinstance(left, Formula) or isinstance(right, Formula):
        if sign not in ("+", "-", "*", "/", "%"):
            raise _no_size(node)
        return _formula(sign, left, right)
    left, right = _promoted(left), _promoted(right)
    if sign in ("<<", ">>"):
        if not 0 <= right.value < left.bits:
            raise UnsupportedDeclaration(f"`{text_of(node)}` shifts too far")
        shifted = left.value << right.value if sign == "<<" else left.value >> right.value
        return _fitted(shifted, left.bits, left.unsigned)
    bits, unsigned = _common_type(left, right)
    first, second = (_fitted(number.value, bits, unsigned).value for number in (left, right))
    if sign in _COMPARISONS:
        return Number(int(_COMPARISONS[sign](first, second)))
    if sign not in _ARITHMETIC:
        raise _no_size(node)
    return _fitted(_ARITHMETIC[sign](first, second), bits, unsigned)


def _formula(sign: str, left: SizeValue, right: SizeValue) -> Formula:
    """Both sides with parentheses where the order of evaluation would change without."""
    least_left, least_right, level = {
        "+": (_SUM, _SUM, _SUM),
        "-": (_SUM, _QUOTIENT, _SUM),
        "*": (_QUOTIENT, _PRODUCT, _PRODUCT),
        "/": (_QUOTIENT, _ATOM, _QUOTIENT),
        "%": (_QUOTIENT, _ATOM, _QUOTIENT),
    }[sign]
    texts = []
    names: frozenset[str] = frozenset()
    for amount, least in ((left, least_left), (right, least_right)):
        if isinstance(amount, Number):
            texts.append(str(amount.value) if amount.value >= 0 else f"({amount.value})")
        else:
            texts.append(amount.text if amount.level >= least else f"({amount.text})")
            names |= amount.names
    if sign == "*" and isinstance(left, Formula) and left.level == _QUOTIENT:
        level = _QUOTIENT
    return Formula(f"{texts[0]}{sign}{texts[1]}", names, level)


def _cast(node: Node, names: Names, value: SizeValue) -> SizeValue:
    target = node.child_by_field_name("type")
    if target is None:
        raise _no_size(node)
    bits, unsigned = names.integer_type(target)
    if isinstance(value, Formula):
        if bits < 32:
            raise _no_size(node)
        return value
    wrapped = value.value % (1 << bits)
    if not unsigned and wrapped >> (bits - 1):
        wrapped -= 1 << bits
    return Number(wrapped, bits, unsigned)
