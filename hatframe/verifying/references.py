"""References: what a function should compute, as numpy expressions of its metadata or a Python function of the user."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from hatframe.c.elements import ElementType, element_type
from hatframe.calling.arguments import argument_layout
from hatframe.calling.plans import ArgumentPlan, CallPlan, PassingMode
from hatframe.calling.results import from_bits
from hatframe.errors import FormatError, HatError, UsageError
from hatframe.format.names import python_name
from hatframe.format.numpy_expressions import FUNCTIONS, RETURN, Statement, called, parse
from hatframe.verifying.bounded import (
    Arithmetic,
    Bounded,
    Precision,
    SizeError,
    constant,
    leaf,
    limited,
    unknown,
    wide_dtype,
)
from hatframe.verifying.tolerances import Expected, measured, sum_length

Array = np.ndarray[Any, Any]


class Reference(Protocol):
    """Computes what a function should."""

    def __call__(self, inputs: Mapping[str, Any]) -> dict[str, Expected]:
        """Expected outputs by the names of parameters, and ``return`` for the return value.

        ``inputs`` are arrays and numbers by the names of parameters, from before the call. What an output held that
        the function only writes may be missing: then any number agrees with the parts that the reference leaves as
        they were. Raises :class:`HatError` where the reference cannot be computed.
        """


# Results that are kept: those of the inputs with which the functions of a group are verified.
_MOST_KEPT = 16


def remembered(reference: Reference, key: Hashable, results: dict[Hashable, dict[str, Expected]]) -> Reference:
    """A reference that takes from ``results`` what another one of the same ``key`` computed for equal inputs."""

    def expected(inputs: Mapping[str, Any]) -> dict[str, Expected]:
        digest = hashlib.blake2b()
        for name, value in sorted(inputs.items()):
            array = np.ascontiguousarray(value)
            digest.update(f"{name} {array.dtype} {np.shape(value)} ".encode())
            digest.update(array.tobytes())
        known = (key, digest.digest())
        if known not in results:
            while len(results) >= _MOST_KEPT:
                del results[next(iter(results))]
            results[known] = reference(inputs)
        return results[known]

    return expected


def parse_reference(text: str, plan: CallPlan) -> Reference:
    """A reference from numpy expressions, such as ``C = C + A @ B``, ``y[1:-1] = x[2:]`` or ``return = sum(x)``.

    A name is a parameter of the function (``in_`` for one that is a keyword of Python), or was assigned before.
    Floating-point numbers are computed in float64, and in longdouble for double; integers as C computes them. The
    expected values come with the bound on rounding errors of :mod:`hatframe.verifying.bounded`, in the precision of
    the shortest type that a statement uses. Raises :class:`FormatError` with the text and the position of a mistake.
    """
    return _ExpressionReference(text, plan)


class _ExpressionReference:
    def __init__(self, text: str, plan: CallPlan) -> None:
        self._plan = plan
        self._arguments = {python_name(argument.name): argument for argument in plan.arguments}
        try:
            self._statements = parse(text, plan.readable_names, plan.written_names)
        except FormatError as error:
            raise FormatError(error.message, where=plan.function.name, hint=error.hint) from None
        self._precisions: list[Precision] = []
        local: dict[str, list[ElementType]] = {}
        wide: np.dtype[Any] = np.dtype(np.float64)
        for statement in self._statements:
            elements = [each for name in sorted(statement.names) for each in self._elements(name, local)]
            elements += self._elements(statement.target, {})
            local[statement.target] = elements
            floats = [each for each in elements if not each.is_integer and each.kind != "bool"]
            self._precisions.append(
                max(map(Precision.of, floats or [element_type("float")]), key=lambda precision: precision.unit)
            )
            if any(wide_dtype(each) == np.longdouble for each in floats):
                wide = np.dtype(np.longdouble)
        self._wide = wide

    def _elements(self, name: str, local: Mapping[str, list[ElementType]]) -> list[ElementType]:
        if name == RETURN and self._plan.returns:
            return [self._plan.returns]
        if argument := self._arguments.get(name):
            return [argument.element]
        return local.get(name, [])

    def __call__(self, inputs: Mapping[str, Any]) -> dict[str, Expected]:
        names: dict[str, Bounded] = {}
        expected: dict[str, Expected] = {}
        for name, argument in self._arguments.items():
            if argument.name in inputs:
                names[name] = leaf(_given(argument, inputs[argument.name]), argument.element, self._wide)
            elif not argument.read and argument.passing is not PassingMode.ALLOCATED:
                shape = () if argument.is_scalar else argument_layout(self._plan, argument, inputs).shape
                names[name] = unknown(shape, argument.element, self._wide)
        for statement, precision in zip(self._statements, self._precisions, strict=True):
            evaluation = _Evaluation(names, Arithmetic(precision, self._wide))
            try:
                with np.errstate(all="ignore"):
                    value = evaluation.assigned(statement)
                    target = self._arguments.get(statement.target)
                    element = target.element if target else self._plan.returns
                    if element is None or (target is None and statement.target != RETURN):
                        names[statement.target] = value
                        continue
                    before = names.get(statement.target)
                    if target is None or target.passing is not PassingMode.ALLOCATED:
                        shape = before.value.shape if target and before else ()
                        value = evaluation.arithmetic.broadcast_to(value, shape)
                    names[statement.target] = value = evaluation.arithmetic.stored(value, element)
            except (ArithmeticError, LookupError, MemoryError, SizeError, TypeError, ValueError) as error:
                place = f" at column {evaluation.column}" if evaluation.column else ""
                raise FormatError(
                    f"the reference cannot be computed{place} of `{statement.text}`: {error}",
                    where=self._plan.function.name,
                ) from None
            values = value.value if value.is_float else value.value.astype(element.dtype)
            expected[target.name if target else RETURN] = Expected(values, value.error)
        return expected


def _given(argument: ArgumentPlan, value: Any) -> Any:
    """An argument as numbers: half-precision numbers by value are given as their bits."""
    if argument.element.kind in ("float16", "bfloat16") and isinstance(value, int):
        return from_bits(argument.element, value)
    return np.reshape(value, ()) if argument.is_scalar else value


# Arguments that say how to compute, rather than being computed with.
_PLAIN = frozenset(("axis", "axes", "axis1", "axis2", "keepdims", "shape", "shift", "k", "mode", "subscripts"))
_ALIASES = {"abs": "absolute", "fabs": "absolute", "amin": "min", "amax": "max"}
_BINARY = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.FloorDiv: "floor_divide",
    ast.Mod: "remainder",
    ast.Pow: "power",
    ast.MatMult: "matmul",
}
_UNARY: dict[type[ast.unaryop], Callable[[Arithmetic, Bounded], Bounded]] = {
    ast.USub: Arithmetic.negative,
    ast.UAdd: lambda _, operand: operand,
    ast.Invert: Arithmetic.invert,
}
_BITWISE: dict[type[ast.operator], Callable[..., Any]] = {
    ast.BitAnd: np.bitwise_and,
    ast.BitOr: np.bitwise_or,
    ast.BitXor: np.bitwise_xor,
    ast.LShift: np.left_shift,
    ast.RShift: np.right_shift,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[..., Any]] = {
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
}


class _Evaluation:
    """Walks the nodes of one statement; ``column`` is where the node begins that is computed, from 1."""

    def __init__(self, names: Mapping[str, Bounded], arithmetic: Arithmetic) -> None:
        self._names = names
        self.arithmetic = arithmetic
        self.column = 0

    def assigned(self, statement: Statement) -> Bounded:
        """What the target of a statement holds after it."""
        value = self.arithmetic.collapsed(self._number(statement.value))
        if statement.index is None:
            return value
        before = self._named(statement.target)
        index = self._index(statement.index, before)
        return self.arithmetic.replaced(before, index, value)

    def _named(self, name: str) -> Bounded:
        if name not in self._names:
            raise ValueError(f"{name} has no value before the call")
        return self._names[name]

    def _number(self, node: ast.expr) -> Bounded:
        value = self._value(node)
        if not isinstance(value, Bounded):
            raise TypeError("a number or an array is needed here")
        return value

    def _value(self, node: ast.expr) -> Any:
        """The value of a node: a bounded array, None, text, or a tuple of these."""
        if isinstance(node, ast.Name):
            return self._named(node.id)
        if isinstance(node, ast.Constant):
            plain = node.value is None or isinstance(node.value, str)
            return node.value if plain else constant(node.value, self.arithmetic.wide)  # type: ignore[arg-type]
        if isinstance(node, (ast.Tuple, ast.List)):
            return tuple(map(self._value, node.elts))
        if isinstance(node, ast.Call):
            return self._call(node)
        if isinstance(node, ast.Attribute):
            return self._attribute(node.attr, self._number(node.value))
        if isinstance(node, ast.Subscript):
            return self._subscript(node)
        if isinstance(node, ast.UnaryOp):
            operand = self._number(node.operand)
            self._enter(node)
            return _UNARY[type(node.op)](self.arithmetic, operand)
        if isinstance(node, ast.Compare):
            left, right = self._number(node.left), self._number(node.comparators[0])
            self._enter(node)
            return self.arithmetic.compare(_COMPARISONS[type(node.ops[0])], left, right)
        if not isinstance(node, ast.BinOp):
            raise TypeError("a slice is an index of arrays only")
        left, right = self._number(node.left), self._number(node.right)
        self._enter(node)
        if combine := _BITWISE.get(type(node.op)):
            return self.arithmetic.bitwise(combine, left, right)
        return getattr(self.arithmetic, _BINARY[type(node.op)])(left, right)

    def _enter(self, node: ast.expr) -> None:
        self.column = node.col_offset + 1

    def _call(self, node: ast.Call) -> Any:
        name, receiver = called(node)
        names = FUNCTIONS[name].names
        expressions = [*([receiver] if receiver else []), *node.args]
        given = [*zip((*names, *names[-1:] * len(expressions)), expressions, strict=False)]
        positional = [self._argument(argument, each) for argument, each in given]
        keywords = {str(word.arg): self._argument(str(word.arg), word.value) for word in node.keywords}
        self._enter(node)
        return getattr(self.arithmetic, _ALIASES.get(name, name))(*positional, **keywords)

    def _argument(self, name: str, node: ast.expr) -> Any:
        value = self._value(node)
        if name in _PLAIN:
            return _plain(value)
        if not isinstance(value, (Bounded, tuple)) and not (value is None and name.startswith("a_m")):
            raise TypeError(f"{name} must be a number or an array")
        if isinstance(value, tuple) != (name == "arrays"):
            raise TypeError(f"{name} must be {'several arrays' if name == 'arrays' else 'a number or an array'}")
        return value

    def _attribute(self, name: str, value: Bounded) -> Any:
        if name == "T":
            return self.arithmetic.transpose(value)
        shape = value.value.shape
        if name == "shape":
            return tuple(constant(extent, self.arithmetic.wide) for extent in shape)
        return constant(value.value.size if name == "size" else len(shape), self.arithmetic.wide)

    def _subscript(self, node: ast.Subscript) -> Any:
        value = self._value(node.value)
        if isinstance(value, tuple):
            return value[_plain(self._value(node.slice))]
        if not isinstance(value, Bounded):
            raise TypeError("this has no elements")
        index = self._index(node.slice, value)
        self._enter(node)
        return self.arithmetic.indexed(value, index)

    def _index(self, node: ast.expr, array: Bounded) -> tuple[Any, ...]:
        items = node.elts if isinstance(node, ast.Tuple) else [node]
        index = tuple(map(self._index_item, items))
        axes = sum(np.ndim(item) if _is_mask(item) else 1 for item in index if item is not None and item is not ...)
        missing = array.value.ndim - axes
        # The extents that no array of the index replaces; arrays of integers may repeat what they take.
        kept, axis, taken = 1, 0, 1
        for item in index:
            if item is ...:
                axis += missing
            elif _is_mask(item):
                axis += np.ndim(item)
                taken = max(taken, np.size(item))
            elif item is not None:
                if isinstance(item, np.ndarray):
                    taken = max(taken, item.size)
                elif isinstance(item, slice) and axis < array.value.ndim:
                    kept *= array.value.shape[axis]
                axis += 1
        if taken > 1 and any(isinstance(item, np.ndarray) and not _is_mask(item) for item in index):
            limited(taken, array.value.size if missing else kept)
        return index

    def _index_item(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Slice):
            parts = (node.lower, node.upper, node.step)
            return slice(*(None if part is None else _plain(self._value(part)) for part in parts))
        if isinstance(node, ast.Constant) and (node.value is None or node.value is ...):
            return node.value
        value = self._number(node)
        if value.is_float or np.any(value.error):
            raise TypeError("an index must be an integer that is exact")
        if value.c_type == "bool":
            return value.value
        return value.value.astype(np.int64) if value.value.ndim else int(value.value)


def _is_mask(item: Any) -> bool:
    return isinstance(item, np.ndarray) and item.dtype == np.bool_


def _plain(value: Any) -> Any:
    """A value as Python's own: an integer, None, text, or a tuple of these."""
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    if not isinstance(value, Bounded):
        return value
    if value.is_float or value.value.ndim or np.any(value.error):
        raise TypeError("an integer that is exact is needed here")
    return value.value.item()


# ------------------------------------------------------------------------------------------------ functions of the user


def reference_from_file(text: str, plan: CallPlan) -> Reference:
    """The function ``FUNCTION`` of the user's own Python file, from ``FILE.py:FUNCTION``.

    Its arguments are numbers and numpy arrays: float64 for floating-point types (longdouble for double), and each
    integer type as it is. They are passed by name if all its parameters are named as those of the C function (``in_``
    for ``in``), or else all by position, in declared order but for arrays that the C function allocates. It returns a
    dict of outputs by name (``return`` for the return value), a tuple of them in declared order with the return value
    first, the only one, or None after changing the arrays in place. Raises :class:`UsageError` if there is no such
    function.
    """
    file, _, name = text.rpartition(":")
    path = Path(file)
    if not file or not name.isidentifier():
        raise UsageError(f"invalid reference {text!r}", hint="write FILE.py:FUNCTION")
    spec = importlib.util.spec_from_file_location(f"hatframe_reference_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise UsageError("the file of the reference is missing or not a Python file", where=str(path))
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UsageError(f"the file of the reference raises {_described(error)}", where=str(path)) from error
    function = getattr(module, name, None)
    if not callable(function):
        raise UsageError(f"the file has no function {name!r}", where=str(path))
    return _FileReference(function, text, plan)


class _FileReference:
    def __init__(self, function: Callable[..., Any], text: str, plan: CallPlan) -> None:
        self._function = function
        self._text = text
        self._plan = plan
        self._passed = [each for each in plan.arguments if each.passing is not PassingMode.ALLOCATED]
        names = {python_name(argument.name) for argument in self._passed}
        parameters = inspect.signature(function).parameters.values()
        self._takes_all = any(each.kind is each.VAR_KEYWORD for each in parameters)
        named = {each.name for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)}
        self._keywords = names if self._takes_all else named
        self._by_name = self._takes_all or (named <= names and len(named) == len(parameters))
        self._outputs: dict[str, ElementType] = {RETURN: plan.returns} if plan.returns else {}
        self._outputs.update({each.name: each.element for each in plan.arguments if each.written})

    def __call__(self, inputs: Mapping[str, Any]) -> dict[str, Expected]:
        arguments = {each.name: self._widened(each, inputs[each.name]) for each in self._passed}
        try:
            with np.errstate(all="ignore"):
                if self._by_name:
                    named = {python_name(name): value for name, value in arguments.items()}
                    result = self._function(**{name: named[name] for name in named if name in self._keywords})
                else:
                    result = self._function(*arguments.values())
        except Exception as error:
            raise HatError(f"the reference raises {_described(error)}", where=self._text) from error
        found = self._named(result, arguments)
        if unknown := sorted(found.keys() - self._outputs.keys()):
            hint = f"the outputs are {', '.join(self._outputs) or 'none'}"
            raise HatError(f"the reference returns an unknown output {unknown[0]!r}", where=self._text, hint=hint)
        length = sum_length(self._plan, inputs)
        read = [inputs[each.name] for each in self._passed if each.read and each.is_array]
        return {name: self._expected(name, value, inputs, length, read) for name, value in found.items()}

    def _widened(self, argument: ArgumentPlan, value: Any) -> Any:
        value = np.asarray(_given(argument, value))
        if not argument.element.is_integer and argument.element.kind != "bool":
            value = value.astype(wide_dtype(argument.element))
        return value[()] if argument.is_scalar and not argument.written else np.array(value)

    def _named(self, result: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
        outputs = list(self._outputs)
        if result is None:
            return {name: arguments[name] for name in outputs if name in arguments}
        if isinstance(result, Mapping):
            names = {python_name(name): name for name in outputs if name != RETURN}
            return {names.get(str(name), str(name)): value for name, value in result.items()}
        values: Sequence[Any] = result if isinstance(result, (tuple, list)) and len(outputs) > 1 else [result]
        if len(values) != len(outputs):
            hint = f"return {'a tuple of ' if len(outputs) > 1 else ''}{', '.join(outputs) or 'nothing'}, or a dict"
            raise HatError(
                f"the reference returns {len(values)} of {len(outputs)} outputs", where=self._text, hint=hint
            )
        return dict(zip(outputs, values, strict=True))

    def _expected(self, name: str, value: Any, inputs: Mapping[str, Any], length: int, read: Sequence[Any]) -> Expected:
        element = self._outputs[name]
        try:
            values = np.asarray(value)
            if name in inputs and np.size(inputs[name]) == values.size:
                values = values.reshape(np.shape(inputs[name]))
            if element.is_integer or element.kind == "bool":
                return Expected(values.astype(element.dtype))
            return measured(values, element, length, read)
        except (TypeError, ValueError) as error:
            raise HatError(f"the reference returns something else than numbers: {error}", where=self._text) from None


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".removesuffix(": ")
