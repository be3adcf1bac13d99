"""Integer expressions in C code, such as the extents of arrays: constants are evaluated, and parameters kept."""

from __future__ import annotations

import ast
import functools
import keyword
import operator
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias

import msgspec

from hatframe.c.elements import ElementType
from hatframe.c.size_expressions import ARITHMETIC
from hatframe.c.syntax import UnsupportedDeclaration, text_of

if TYPE_CHECKING:
    from tree_sitter import Node


class Constant(msgspec.Struct, frozen=True):
    """An integer constant with its type: ``bits`` wide, ``unsigned`` or not."""

    value: int
    bits: int = 32
    unsigned: bool = False

    def __str__(self) -> str:
        return str(self.value)


class Formula(msgspec.Struct, frozen=True):
    """A size expression over parameters, in the grammar of :class:`hatframe.c.size_expressions.SizeExpression`."""

    text: str
    names: frozenset[str]

    def __str__(self) -> str:
        return self.text


Extent: TypeAlias = Constant | Formula


class Names(Protocol):
    """What names and types mean where an expression stands; raises :class:`UnsupportedDeclaration`."""

    def value(self, name: str) -> Extent: ...

    def size_of(self, node: Node) -> int: ...

    def integer_type(self, node: Node) -> ElementType: ...


MAX_DEPTH = 150
_LITERAL = re.compile(r"(?P<digits>0[xX][0-9a-fA-F]+|0[bB][01]+|[0-9]+)(?P<suffix>[uUlL]*)")
_ESCAPES = {"n": 10, "t": 9, "r": 13, "0": 0, "a": 7, "b": 8, "f": 12, "v": 11, "\\": 92, "'": 39, '"': 34, "?": 63}
_BITWISE: dict[str, Callable[[int, int], int]] = {"&": operator.and_, "|": operator.or_, "^": operator.xor}
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


def evaluate(node: Node, names: Names, depth: int = 0) -> Extent:
    """The value of an expression; raises :class:`UnsupportedDeclaration` where the format cannot express it."""
    if depth > MAX_DEPTH:
        raise UnsupportedDeclaration("a size expression is nested too deeply")

    def operand(field: str) -> Extent:
        child = node.child_by_field_name(field)
        if child is None:
            raise _unsupported(node)
        return evaluate(child, names, depth + 1)

    kind = node.type
    if kind == "number_literal":
        return _number(node)
    if kind == "char_literal":
        return _character(node)
    if kind in ("true", "false"):
        return Constant(int(kind == "true"))
    if kind == "identifier":
        return names.value(text_of(node))
    if kind == "parenthesized_expression" and node.named_child_count == 1:
        return evaluate(node.named_children[0], names, depth + 1)
    if kind == "unary_expression":
        return _unary(node, _operator(node), operand("argument"))
    if kind == "binary_expression":
        return _binary(node, _operator(node), operand("left"), operand("right"))
    if kind == "conditional_expression" and node.child_by_field_name("consequence"):
        condition = operand("condition")
        if isinstance(condition, Constant):
            chosen, other = operand("consequence"), operand("alternative")
            return _of_common_type(chosen, other) if condition.value else _of_common_type(other, chosen)
    if kind == "cast_expression" and (target := node.child_by_field_name("type")):
        return _cast(node, operand("value"), names.integer_type(target))
    if kind == "sizeof_expression":
        measured = node.child_by_field_name("type") or _name_in_parentheses(node.child_by_field_name("value"))
        if measured is not None:
            return Constant(names.size_of(measured), 64, True)
    raise _unsupported(node)


def parameter_value(name: str) -> Formula:
    """The formula of a single parameter; raises :class:`UnsupportedDeclaration` for a name that none can contain."""
    if keyword.iskeyword(name) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise UnsupportedDeclaration(f"the dimension `{name}` cannot be used in a size expression; rename it")
    return Formula(name, frozenset([name]))


def product(extents: Sequence[Extent]) -> str:
    """The number of elements of an array, as a size expression with a factor for each extent."""
    return str(functools.reduce(lambda left, right: _formula(left, "*", right), extents))


def _formula(left: Extent, sign: str, right: Extent) -> Formula:
    names = frozenset[str]().union(*(side.names for side in (left, right) if isinstance(side, Formula)))
    return Formula(_normal(f"({left}){sign}({right})"), names)


def _normal(expression: str) -> str:
    """A size expression with only the parentheses that it needs: Python binds its operators as C does."""
    return ast.unparse(ast.parse(expression, mode="eval")).replace(" ", "")


def _unsupported(node: Node) -> UnsupportedDeclaration:
    return UnsupportedDeclaration(
        f"unsupported size expression `{text_of(node)}`; use integers, parameters, + - * / % and parentheses"
    )


def _name_in_parentheses(node: Node | None) -> Node | None:
    """The operand of ``sizeof`` where it may be a typedef, which the parser takes for a variable."""
    while node is not None and node.type == "parenthesized_expression" and node.named_child_count == 1:
        node = node.named_children[0]
    return node if node is not None and node.type == "identifier" else None


def _operator(node: Node) -> str:
    found = node.child_by_field_name("operator")
    return text_of(found) if found else ""


def _number(node: Node) -> Constant:
    text = text_of(node).replace("'", "")
    # The parser includes a sign in the literal.
    match = _LITERAL.fullmatch(text.lstrip("+-"))
    if not match:
        raise _unsupported(node)
    sign = -1 if text[0] == "-" else 1
    digits, suffix = match["digits"], match["suffix"].lower()
    is_octal = len(digits) > 1 and digits[0] == "0" and digits[1].isdigit()
    try:
        value = int(digits, 8) if is_octal else int(digits, 0)
    except ValueError:
        raise _unsupported(node) from None
    is_decimal = digits[0] != "0"
    for bits in (64,) if "l" in suffix else (32, 64):
        for unsigned in (True,) if "u" in suffix else (False,) if is_decimal else (False, True):
            if value < 1 << (bits - (not unsigned)):
                return _fitted(sign * value, bits, unsigned)
    raise UnsupportedDeclaration(f"`{text_of(node)}` is too large for an integer type")


def _character(node: Node) -> Constant:
    inside = text_of(node)[1:-1]
    if len(inside) == 1 and inside.isascii():
        return Constant(ord(inside))
    if len(inside) == 2 and inside[0] == "\\" and inside[1] in _ESCAPES:
        return Constant(_ESCAPES[inside[1]])
    raise _unsupported(node)


def _fitted(value: int, bits: int, unsigned: bool) -> Constant:
    """A result of arithmetic: unsigned numbers wrap, and the overflow of signed ones is undefined in C."""
    if unsigned:
        return Constant(value % (1 << bits), bits, True)
    if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
        raise UnsupportedDeclaration("integer overflow in a constant expression")
    return Constant(value, bits)


def _promoted(number: Constant) -> Constant:
    return Constant(number.value) if number.bits < 32 else number


def _common_type(first: Constant, second: Constant) -> tuple[int, bool]:
    bits = max(first.bits, second.bits)
    return bits, any(number.unsigned and number.bits == bits for number in (first, second))


def _of_common_type(chosen: Extent, other: Extent) -> Extent:
    if isinstance(chosen, Formula) or isinstance(other, Formula):
        return chosen
    chosen, other = _promoted(chosen), _promoted(other)
    return _fitted(chosen.value, *_common_type(chosen, other))


def _unary(node: Node, sign: str, operand: Extent) -> Extent:
    if isinstance(operand, Formula):
        if sign not in ("+", "-"):
            raise _unsupported(node)
        return operand if sign == "+" else Formula(_normal(f"-({operand})"), operand.names)
    operand = _promoted(operand)
    if sign == "!":
        return Constant(int(not operand.value))
    value = {"+": operand.value, "-": -operand.value, "~": ~operand.value}.get(sign)
    if value is None:
        raise _unsupported(node)
    return _fitted(value, operand.bits, operand.unsigned)


def _binary(node: Node, sign: str, left: Extent, right: Extent) -> Extent:
    if sign in ("/", "%") and isinstance(right, Constant) and not right.value:
        raise UnsupportedDeclaration(f"division by zero in `{text_of(node)}`")
    if isinstance(left, Formula) or isinstance(right, Formula):
        if sign not in ARITHMETIC:
            raise _unsupported(node)
        return _formula(left, sign, right)
    left, right = _promoted(left), _promoted(right)
    if sign in ("<<", ">>"):
        if not 0 <= right.value < left.bits:
            raise UnsupportedDeclaration(f"shift out of range in `{text_of(node)}`")
        shifted = left.value << right.value if sign == "<<" else left.value >> right.value
        return _fitted(shifted, left.bits, left.unsigned)
    bits, unsigned = _common_type(left, right)
    first, second = (_fitted(number.value, bits, unsigned).value for number in (left, right))
    if sign in _COMPARISONS:
        return Constant(int(_COMPARISONS[sign](first, second)))
    operation = ARITHMETIC.get(sign) or _BITWISE.get(sign)
    if operation is None:
        raise _unsupported(node)
    return _fitted(operation(first, second), bits, unsigned)


def _cast(node: Node, value: Extent, target: ElementType) -> Extent:
    bits, unsigned = 8 * target.size, target.kind == "uint"
    if isinstance(value, Formula):
        if bits < 32:
            raise _unsupported(node)
        return value
    wrapped = value.value % (1 << bits)
    if not unsigned and wrapped >> (bits - 1):
        wrapped -= 1 << bits
    return Constant(wrapped, bits, unsigned)
