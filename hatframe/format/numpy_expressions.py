"""Numpy expressions: the statements by which ``auxiliary.reference`` says what a function computes.

Such as ``C = C + A @ B`` or ``y[1:-1] = x[:-2] + x[2:]; return = sum(y)``. Python's own parser reads them, and every
node must be one of those below. Nothing here or elsewhere executes them as Python.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from typing import NoReturn

import msgspec

from hatframe.errors import FormatError, listed

REFERENCE_KEY = "reference"
"""The key of a function's ``auxiliary`` for its reference."""
SAME_AS_KEY = "same_as"
"""The key of a function's ``auxiliary`` for the name of a function that computes the same."""

RETURN = "return"
"""What a statement assigns to for the return value."""

# Far beyond any reference that a person reads; they bound the work for a file of unknown origin.
MAX_LENGTH = 2000
MAX_DEPTH = 60


class InvalidReferenceError(FormatError):
    """A reference is not one; ``line`` is where, from 1."""

    line = 1


class Signature(msgspec.Struct, frozen=True):
    """The arguments of a function: their names in order, and how many are required. ``*`` stands for any number."""

    names: tuple[str, ...]
    required: int


class Statement(msgspec.Struct, frozen=True):
    """``target = value``, or ``target[index] = value``; ``target`` is a parameter, a local name, or ``return``."""

    target: str
    index: ast.expr | None
    value: ast.expr
    names: frozenset[str]
    """The names that it reads."""
    text: str


def _signatures(text: str, required: int = 1) -> dict[str, Signature]:
    """Functions with equal arguments: ``sum mean: a axis keepdims``."""
    functions, names = text.split(":")
    return dict.fromkeys(functions.split(), Signature(tuple(names.split()), required))


FUNCTIONS: dict[str, Signature] = {
    **_signatures("sum mean prod min max amin amax any all: a axis keepdims"),
    **_signatures("argmin argmax cumsum sort: a axis"),
    **_signatures("dot matmul outer: a b", 2),
    **_signatures("convolve: a v mode", 2),
    **_signatures("einsum: subscripts *", 2),
    **_signatures("minimum maximum power fmod logical_and logical_or add subtract multiply divide: x1 x2", 2),
    **_signatures(
        "abs absolute fabs negative square sqrt exp exp2 expm1 log log2 log10 log1p sin cos sinh cosh tanh arctan "
        "floor ceil trunc rint sign logical_not: x"
    ),
    **_signatures("where: condition x y", 3),
    **_signatures("clip: a a_min a_max", 3),
    **_signatures("arange: start stop step"),
    **_signatures("zeros_like ones_like: a"),
    **_signatures("full_like: a fill_value", 2),
    **_signatures("transpose: a axes"),
    **_signatures("reshape: a shape", 2),
    **_signatures("broadcast_to: a shape", 2),
    **_signatures("ravel: a"),
    **_signatures("flip squeeze: a axis"),
    **_signatures("roll: a shift axis", 2),
    **_signatures("expand_dims: a axis", 2),
    **_signatures("swapaxes: a axis1 axis2", 3),
    **_signatures("concatenate stack: arrays axis"),
    **_signatures("tril triu diag: v k"),
    **_signatures("size: a"),
}
"""The functions, with the names that numpy gives to their arguments."""

METHODS = frozenset("sum mean prod min max any all argmin argmax cumsum dot clip transpose reshape ravel".split())  # noqa: SIM905
ATTRIBUTES = frozenset(("T", "shape", "size", "ndim"))
_MODULES = frozenset(("np", "numpy"))
_MODES = frozenset(("full", "same", "valid"))

_OPERATORS = (
    *(ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.MatMult),
    *(ast.BitAnd, ast.BitOr, ast.BitXor, ast.LShift, ast.RShift),
)
_COMPARISONS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)
_SUBSCRIPTS = re.compile(r"(?:[A-Za-z]*,)*[A-Za-z]*(?:->[A-Za-z]*)?")

# Python warns of other characters and numbers, and there is no other use for them.
_CHARACTER = re.compile(r"[\w\s.,;:=+\-*/%@<>!&|^~()\[\]'\"]")
_NUMBER_LIKE = re.compile(r"(?<![\w.])\.?\d[\w.]*", re.ASCII)
_NUMBER = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE]\d*)?|0[xX][\da-fA-F]+", re.ASCII)
_RETURNING = re.compile(r"(?m)(?P<before>(?:^|;)\s*)return(?=\s*=(?!=))")
_ALIASES = ("Return", "RETURN", "rETURN", "reTURN")


def parse(text: str, read: Collection[str], written: Collection[str]) -> tuple[Statement, ...]:
    """The statements of a reference, of a function that reads and writes these parameters, and maybe ``return``.

    Raises :class:`InvalidReferenceError` for anything but the expressions above, with the text and the position.
    """
    if len(text) > MAX_LENGTH:
        raise InvalidReferenceError(f"the reference has {len(text)} characters; the limit is {MAX_LENGTH}")
    return _Parser(text, frozenset(read), frozenset(written)).statements()


class _Parser:
    def __init__(self, text: str, read: frozenset[str], written: frozenset[str]) -> None:
        self._text = text
        self._lines = "\n".join(line.strip() for line in text.strip().splitlines())
        self._read = read
        self._written = written
        self._assigned: set[str] = set()
        self._locals: dict[str, bool] = {}  # whether each has been read
        # `return` is a keyword: a name of the same length stands for it, so that positions stay right.
        self._alias = next((alias for alias in _ALIASES if alias not in text), "")

    def statements(self) -> tuple[Statement, ...]:
        found = []
        for node in self._tree().body:
            if isinstance(node, ast.Assign) and len(node.targets) == 1:
                found.append(self._statement(node, node.targets[0], node.value))
            elif isinstance(node, ast.AugAssign):
                read = ast.copy_location(_loaded(node.target), node.target)
                value = ast.copy_location(ast.BinOp(read, node.op, node.value), node)
                found.append(self._statement(node, node.target, value))
            else:
                self._fail("this is not an assignment", node, "write `C = C + A @ B`, or `return = sum(x)`")
        if not found:
            self._fail("the reference is empty", None, "write `C = C + A @ B`, or `return = sum(x)`")
        if unread := [name for name, is_read in self._locals.items() if not is_read]:
            known = ", ".join(sorted(self._written)) or "nothing"
            self._fail(f"{unread[0]!r} is not something that the function writes", None, f"it writes {known}")
        return tuple(found)

    def _tree(self) -> ast.Module:
        numbers = all(_NUMBER.fullmatch(number) for number in _NUMBER_LIKE.findall(self._lines))
        # What is left after all valid characters is invalid.
        invalid = _CHARACTER.sub("", self._lines)
        if invalid or not numbers or not self._alias:
            problem = f"invalid character {invalid[0]!r}" if invalid else "invalid number or name"
            raise InvalidReferenceError(f"{problem} in the reference {self._text!r}", hint=_HINT)
        try:
            return ast.parse(_RETURNING.sub(rf"\g<before>{self._alias}", self._lines))
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line, column = (error.lineno or 1, error.offset) if isinstance(error, SyntaxError) else (1, None)
            keywords = sorted(name for name in self._read | self._written if name.endswith("_"))
            hint = f"{_HINT}; {keywords[0]} for {keywords[0][:-1]}" if keywords else _HINT
            raise self._error("invalid syntax", line, column, hint) from None

    def _statement(self, node: ast.stmt, target: ast.expr, value: ast.expr) -> Statement:
        self._names: set[str] = set()
        self._check(value, 0)
        index = None
        if isinstance(target, ast.Subscript):
            index, target = target.slice, target.value
            self._check_index(index, 0)
        if not isinstance(target, ast.Name):
            self._fail("this cannot be assigned to", target, "assign to a parameter, or to a part of one")
        name = RETURN if target.id == self._alias else target.id
        if name not in self._written:
            if name in self._read or name == RETURN or name in FUNCTIONS or index is not None:
                known = ", ".join(sorted(self._written)) or "nothing"
                self._fail(f"the function does not write {name!r}", target, f"it writes {known}")
            self._locals.setdefault(name, False)
        elif name == RETURN and index is not None:
            self._fail("the return value is not an array", target, "write `return = …`")
        self._assigned.add(name)
        return Statement(name, index, value, frozenset(self._names), self._source(node))

    def _check(self, node: ast.expr, depth: int) -> None:
        if depth > MAX_DEPTH:
            self._fail("the expression is nested too deeply", node, f"the limit is {MAX_DEPTH} levels")
        for child in self._children(node, depth):
            self._check(child, depth + 1)

    def _children(self, node: ast.expr, depth: int) -> Iterator[ast.expr]:
        """The expressions in a node; fails for a node that is not allowed."""
        if isinstance(node, ast.Name):
            self._check_name(node)
        elif isinstance(node, ast.Constant) and type(node.value) in (int, float, bool, type(None)):
            if type(node.value) is int and node.value >= 1 << 64:
                self._fail("the number does not fit in 64 bits", node, _HINT)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, _OPERATORS):
            yield from (node.left, node.right)
        elif isinstance(node, ast.UnaryOp) and not isinstance(node.op, ast.Not):
            yield node.operand
        elif isinstance(node, ast.Compare) and all(isinstance(operator, _COMPARISONS) for operator in node.ops):
            if len(node.ops) > 1:
                self._fail("comparisons cannot be chained", node, "write `(0 < x) & (x < 1)`")
            yield from (node.left, *node.comparators)
        elif isinstance(node, ast.Subscript):
            yield node.value
            self._check_index(node.slice, depth)
        elif isinstance(node, ast.Attribute) and node.attr in ATTRIBUTES:
            yield node.value
        elif isinstance(node, (ast.Tuple, ast.List)):
            yield from node.elts
        elif isinstance(node, ast.Call):
            yield from self._called(node)
        else:
            self._fail("this is not supported", node, _HINT)

    def _check_name(self, node: ast.Name) -> None:
        name = node.id
        self._names.add(name)
        if name in self._locals:
            self._locals[name] = True
        elif name not in self._read | self._assigned:
            if name in self._written:
                self._fail(f"the function does not read {name!r}", node, "make it an input_output")
            hint = f"it can refer to {listed(sorted(self._read), most=12)}" if self._read else _HINT
            self._fail(f"unknown name {name!r}", node, hint)

    def _check_index(self, node: ast.expr, depth: int) -> None:
        for item in node.elts if isinstance(node, ast.Tuple) else [node]:
            if isinstance(item, ast.Slice):
                for bound in (item.lower, item.upper, item.step):
                    if bound is not None:
                        self._check(bound, depth + 1)
            elif not (isinstance(item, ast.Constant) and item.value is ...):
                self._check(item, depth + 1)

    def _called(self, node: ast.Call) -> Iterator[ast.expr]:
        name, receiver = called(node)
        signature = FUNCTIONS.get(name)
        if signature is None or (receiver is not None and name not in METHODS):
            self._fail(f"unknown function {name!r}", node, f"the functions are {', '.join(sorted(FUNCTIONS))}")
        arguments = [*([receiver] if receiver else []), *node.args]
        keywords = [keyword.arg for keyword in node.keywords]
        names = signature.names
        known = set(names[len(arguments) :])
        given = len(arguments) + len(keywords)
        if (
            any(isinstance(argument, ast.Starred) for argument in arguments)
            or not known.issuperset(keyword or "" for keyword in keywords)
            or len(arguments) > (MAX_LENGTH if "*" in names else len(names))
            or given < signature.required
        ):
            self._fail(f"invalid arguments of {name}", node, f"write {name}({', '.join(names)})")
        for position, argument in enumerate(arguments):
            literal = argument.value if isinstance(argument, ast.Constant) else None
            if name == "einsum" and position == 0:
                if not (isinstance(literal, str) and _SUBSCRIPTS.fullmatch(literal)):
                    self._fail("invalid subscripts of einsum", argument, "write einsum('ij,jk->ik', A, B)")
            elif not (name == "convolve" and literal in _MODES):
                yield argument
        for keyword in node.keywords:
            if not (name == "convolve" and isinstance(keyword.value, ast.Constant) and keyword.value.value in _MODES):
                yield keyword.value

    def _source(self, node: ast.AST) -> str:
        return (ast.get_source_segment(self._lines, node) or "").strip()

    def _fail(self, message: str, node: ast.expr | ast.stmt | None, hint: str) -> NoReturn:
        line, column = (node.lineno, node.col_offset + 1) if node else (1, None)
        raise self._error(message, line, column, hint)

    def _error(self, message: str, line: int, column: int | None, hint: str) -> InvalidReferenceError:
        place = f" at line {line}, column {column}" if line > 1 else f" at column {column}" if column else ""
        error = InvalidReferenceError(f"{message}{place} in the reference {self._text!r}", hint=hint)
        error.line = line
        return error


_HINT = "a reference uses names of parameters, numbers, operators, indices and functions of numpy"


def called(node: ast.Call) -> tuple[str, ast.expr | None]:
    """The name of a called function, and what it is a method of: ``sum(x)``, ``np.sum(x)``, ``x.sum()``."""
    function = node.func
    if isinstance(function, ast.Name):
        return function.id, None
    if not isinstance(function, ast.Attribute):
        return "", None
    is_module = isinstance(function.value, ast.Name) and function.value.id in _MODULES
    return function.attr, None if is_module else function.value


def _loaded(target: ast.expr) -> ast.expr:
    """The expression that reads what an augmented assignment writes."""
    if isinstance(target, ast.Subscript):
        return ast.copy_location(ast.Subscript(target.value, target.slice, ast.Load()), target)
    return ast.Name(target.id, ast.Load()) if isinstance(target, ast.Name) else target
