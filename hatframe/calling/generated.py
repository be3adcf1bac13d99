"""Generated calls: one Python function for each signature that binds, checks and converts arguments, and calls.

It handles the usual arguments: whatever does not fit goes the slow way, which makes the call or explains what is wrong.
Its code is made from the templates below, whose variables are numbered by the positions of parameters: ``v`` is a
value that a caller gives, ``c`` what the C function takes, ``s`` an extent, ``d`` a dimension. Names and sizes of a
file get in as nodes of the syntax tree, never as text.
"""

from __future__ import annotations

import ast
import functools
import threading
import types
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from hatframe.c.layouts import Layout, row_major
from hatframe.c.size_expressions import DIVISIONS
from hatframe.calling.checks import Checker
from hatframe.calling.interface import unchanged
from hatframe.calling.plans import ArgumentPlan, CallPlan, PassingMode
from hatframe.calling.results import Results
from hatframe.errors import CallError
from hatframe.format.names import python_name

OMITTED: Any = object()
"""Stands for an argument that a call leaves out."""

# C promises no more. Code for the thousand that a plan may have takes seconds to compile.
_MOST_ARGUMENTS = 127

# Threads that parse Python code at the same time make each other fail in Python 3.11.
_GENERATING = threading.Lock()

Bind = Callable[[Sequence[Any], Mapping[str, Any]], Sequence[Any]]

# Bits of `flags.num` of numpy arrays.
_ROW_MAJOR, _COLUMN_MAJOR, _ALIGNED, _WRITEABLE = 0x1, 0x2, 0x100, 0x400

# What conversions raise for arguments that take the slow way, and sizes that have no value.
_UNFIT = (BufferError, TypeError, ValueError, OverflowError, ZeroDivisionError, CallError)


def generated_call(
    plan: CallPlan,
    checker: Checker,
    c_function: Callable[..., Any],
    bind: Bind,
    slow: Callable[[Sequence[Any]], Any],
) -> Callable[..., Any] | None:
    """A function that is called as ``plan`` says, and calls ``c_function``; None while another is generated.

    ``bind`` takes the arguments and keywords of a call that Python cannot bind, and returns the values in declared
    order; ``slow`` makes the call with values that do not fit. :data:`OMITTED` stands for an argument that is left out.
    Both raise :class:`CallError`. Raises :class:`RecursionError` for a call that is too large.
    """
    if len(plan.arguments) > _MOST_ARGUMENTS:
        raise RecursionError
    if not _GENERATING.acquire(blocking=False):
        return None
    try:
        values = [f"v{argument.position}" for argument in plan.arguments]
        code = _Code(plan, checker)
        by_name = _by_name(plan) or (lambda *args, **named: bind(args, named))
        code.names |= {"c_function": c_function, "slow": slow, "bind": bind, "by_name": by_name}
        head = f"def call({''.join(f'{value}, ' for value in values)}{'/, ' if values else ''}*more, **named):"
        function = _function([head, *_indented(code.binding()), *_indented(code.call(()))], code.nodes, code.names)
    except SystemError:  # other code parses
        return None
    finally:
        _GENERATING.release()
    function.__defaults__ = (OMITTED,) * len(values)
    return function


class _Code:
    """The code of one call: ``names`` are its globals, and ``nodes`` the expressions that stand for a name in it."""

    def __init__(self, plan: CallPlan, checker: Checker) -> None:
        self._plan = plan
        self._checker = checker
        self._dimensions = frozenset(plan.dimensions)
        # The variables of dimensions, by their names in sizes.
        self._variables: dict[str, str] = {}
        self.nodes: dict[str, ast.expr] = {}
        self.names: dict[str, Any] = {
            "__builtins__": {},
            **{
                known.__name__: known
                for known in (type, len, int, float, bool, ZeroDivisionError, np.ndarray, np.array)
            },
            **DIVISIONS,
            "readable": checker.conversions.readable,
            "writable": checker.conversions.writable,
            "address": np.uintp,
            "bits": np.uint16,
            "unbound": (TypeError, KeyError),
            "misfit": ValueError,
            "unfit": _UNFIT,
            "omitted": OMITTED,
        }

    def binding(self) -> Iterator[str]:
        """Name the values where not all are given by position, and make the call that omits all that it can."""
        values = [f"v{argument.position}" for argument in self._plan.arguments]
        needed = [f"v{argument.position}" for argument in self._plan.needed]
        follows = [f"v{argument.position}" for argument in self._plan.arguments if argument.follows]
        yield f"if {f'{values[-1]} is omitted or ' if values else ''}more or named:"
        if not follows:
            yield from _indented(self._binding_by_name(values))
            return
        count = len(needed)
        complete = f"{values[count - 1]} is not omitted and " if needed else ""
        yield f"    if {complete}{values[count]} is omitted and not named:"
        yield f"        [{', '.join(needed + follows)}] = [{', '.join(values[:count] + ['omitted'] * len(follows))}]"
        yield "    else:"
        yield from _indented(_indented(self._binding_by_name(values)))
        yield f"    if {' and '.join(f'{value} is omitted' for value in follows)}:"
        omitted = [argument.position for argument in self._plan.arguments if argument.follows]
        yield from _indented(_indented(self.call(omitted)))
        yield f"    if {' or '.join(f'{value} is omitted' for value in follows)}:"
        yield f"        return slow([{', '.join(values)}])"

    def _binding_by_name(self, values: list[str]) -> Iterator[str]:
        given = f"[{', '.join([*values, '*more'])}]"
        bound = f"[{', '.join(values)}] =" if values else ""
        keywords = [f"named[name{argument.position}]" for argument in self._plan.arguments]
        self.names |= {f"name{position}": name for position, name in enumerate(_keywords(self._plan))}
        yield "try:"
        if values:
            yield f"    if {values[0]} is omitted and len(named) == {len(values)}:"
            yield f"        {bound} [{', '.join(keywords)}]"
            yield "    else:"
        else:
            yield "    if True:"
        yield f"        {bound} by_name(*[value for value in {given} if value is not omitted], **named)"
        yield "except unbound:"
        yield f"    {bound} bind({given}, named)"

    def call(self, omitted: Collection[int]) -> Iterator[str]:
        """Check, convert and call, without the arguments at the positions ``omitted``."""
        arguments = self._plan.arguments
        given = [argument for argument in arguments if argument.position not in omitted]
        runtime = [argument for argument in given if argument.passing is PassingMode.RUNTIME]
        left_out = [argument for argument in arguments if argument.position in omitted]
        self._variables.clear()
        values = ["omitted" if argument.position in omitted else f"v{argument.position}" for argument in arguments]
        slow = f"return slow([{', '.join(values)}])"
        checks = [line for argument in given for line in (*self._check(argument), *self._dimension(argument))]
        extents = [self._implied(argument) for argument in runtime]
        if any(self._lacks(argument) for argument in (*runtime, *left_out)):
            yield slow
            return
        for argument, names in zip(runtime, extents, strict=True):
            checks += [f"{', '.join(names)}, = v{argument.position}.shape"] if names else []
        for argument, names in zip(runtime, extents, strict=True):
            checks += self._size(argument, names)
        for argument in left_out:
            checks += self._filled_in(argument)
        for argument in arguments:
            checks += self._conversion(argument, argument.position in omitted)
        if checks:
            yield "try:"
            yield from _indented(checks)
            yield "except unfit:"
            yield f"    {slow}"
        yield from self._results([argument for argument in left_out if argument.written])

    def _check(self, argument: ArgumentPlan) -> Iterator[str]:
        """Check a value by itself; arrays of fixed layouts are checked where they are converted."""
        at, value, usual = argument.position, f"v{argument.position}", self._usual_number(argument)
        if argument.passing is PassingMode.VALUE and usual:
            self.names[f"number{at}"] = functools.partial(self._checker.number, argument)
            yield f"if not ({usual}):"
            yield f"    {value} = number{at}({value})"
            if argument.name in self._dimensions:
                yield f"    if {value} < 0:"
                yield "        raise misfit"
        elif argument.passing is PassingMode.CELL:
            self.names[f"cell{at}"] = functools.partial(self._checker.cell, argument)
            yield f"if not ({self._usual_array(argument)} and {value}.size == 1):"
            made = f"array({value}, dtype{at}) if {usual} else " if usual and not argument.written else ""
            yield f"    {value} = {made}cell{at}({value})"
        elif argument.passing is PassingMode.RUNTIME:
            self.names[f"row_major{at}"] = functools.partial(self._checker.row_major_array, argument)
            yield f"if not ({self._usual_array(argument, _ROW_MAJOR)}):"
            yield f"    {value} = row_major{at}({value})"

    def _usual_number(self, argument: ArgumentPlan) -> str:
        """The condition for a number of the usual type, in its range; empty for half precision."""
        value, element = f"v{argument.position}", argument.element
        if element.is_integer:
            low, high = element.integer_range
            low = 0 if argument.name in self._dimensions else low
            return f"type({value}) is int and {low} <= {value} <= {high}"
        return f"type({value}) is {element.kind}" if element.kind in ("bool", "float") else ""

    def _usual_array(self, argument: ArgumentPlan, flags: int = 0) -> str:
        """The condition for a numpy array that needs no conversion."""
        at, dtype = argument.position, argument.element.dtype
        self.names[f"dtype{at}"] = dtype
        flags |= (_ALIGNED if dtype.alignment > 1 else 0) | (_WRITEABLE if argument.written else 0)
        fits = f"type(v{at}) is ndarray and v{at}.dtype is dtype{at}"
        return f"{fits} and v{at}.flags.num & {flags} == {flags}" if flags else fits

    def _dimension(self, argument: ArgumentPlan) -> Iterator[str]:
        """Name the dimension that an argument is."""
        at = argument.position
        if argument.name not in self._dimensions or not argument.read:
            return
        self._variables[argument.name] = f"v{at}"
        if argument.passing is PassingMode.CELL:
            self._variables[argument.name] = f"d{at}"
            yield f"d{at} = v{at}.item()"
            yield f"if d{at} < 0:"
            yield "    raise misfit"

    def _implied(self, argument: ArgumentPlan) -> list[str]:
        """Variables for the extents of an array that implies dimensions which nothing before it gives."""
        assert argument.size is not None
        names = [name for name in argument.size.factors if isinstance(name, str)]
        if self._variables.keys() >= set(names):
            return []
        extents = [f"s{argument.position}_{axis}" for axis in range(len(argument.size.factors))]
        for name, extent in zip(argument.size.factors, extents, strict=True):
            if isinstance(name, str):
                self._variables.setdefault(name, extent)
        return extents

    def _lacks(self, argument: ArgumentPlan) -> bool:
        """Whether nothing gives a dimension that the call needs."""
        if argument.passing is PassingMode.RUNTIME:
            return argument.size is not None and not argument.size.names <= self._variables.keys()
        return argument.passing is not PassingMode.ALLOCATED and argument.read and argument.name not in self._variables

    def _size(self, argument: ArgumentPlan, extents: list[str]) -> Iterator[str]:
        """Check the size of a runtime array, or its shape if it has an axis for each factor of its size."""
        assert argument.size is not None
        at, factors = argument.position, self._factors(argument)
        if extents:
            known = [self._variables.get(str(factor)) for factor in argument.size.factors]
            compared = zip(extents, factors, known, strict=True)
            unequal = [f"{extent} != {factor}" for extent, factor, name in compared if extent != name]
            if not unequal:
                return
            yield f"if {' or '.join(unequal)}:"
        elif len(factors) == 1:
            yield f"if v{at}.size != {factors[0]}:"
        else:
            shape, size = f"({', '.join(factors)})", " * ".join(factors)
            yield f"if v{at}.shape != {shape} and (v{at}.ndim == {len(factors)} or v{at}.size != {size}):"
        yield "    raise misfit"

    def _factors(self, argument: ArgumentPlan) -> list[str]:
        """The names that stand for the factors of a size."""
        assert argument.size is not None
        nodes = argument.size.factor_nodes(self._variables)
        names = [f"size{len(self.nodes) + index}" for index in range(len(nodes))]
        self.nodes |= zip(names, nodes, strict=True)
        return names

    def _filled_in(self, argument: ArgumentPlan) -> Iterator[str]:
        """Give an omitted argument its value."""
        at = argument.position
        if argument.passing is PassingMode.ALLOCATED:
            yield f"v{at} = array(0, address)"
            return
        implied = self._variables.get(argument.name)
        high = argument.element.integer_range[1]
        if implied and high < np.iinfo(np.intp).max:
            yield f"if {implied} > {high}:"
            yield "    raise misfit"
        self.names[f"dtype{at}"] = argument.element.dtype
        made = f"array({implied or 0}, dtype{at})"
        yield f"v{at} = {implied if argument.passing is PassingMode.VALUE else made}"

    def _conversion(self, argument: ArgumentPlan, omitted: bool) -> Iterator[str]:
        """Convert a value to what the C function takes."""
        at = argument.position
        made = omitted and argument.passing is PassingMode.ALLOCATED
        if made or argument.passing in (PassingMode.CELL, PassingMode.RUNTIME):
            yield f"c{at} = {self._pointer(argument, f'v{at}')}"
        elif argument.passing is PassingMode.VALUE and self._usual_number(argument):
            self.names[f"convert{at}"] = convert = self._checker.conversions.number(argument.element.abi_type)
            yield f"c{at} = v{at}" if convert is unchanged else f"c{at} = convert{at}(v{at})"
        else:
            self.names[f"convert{at}"] = self._checker.converter(argument)
            usual = self._usual_affine(argument) if argument.passing is PassingMode.ARRAY else ""
            yield f"c{at} = {usual}convert{at}(v{at})"

    def _pointer(self, argument: ArgumentPlan, array: str) -> str:
        """The pointer to the first element of a row-major array."""
        # numpy exports no buffer of bfloat16.
        array += ".view(bits)" if argument.element.kind == "bfloat16" else ""
        return f"{'writable' if argument.written else 'readable'}({array})"

    def _usual_affine(self, argument: ArgumentPlan) -> str:
        """The pointer to an array of a fixed layout, if it is a usual one, and ``else``."""
        at, layout = argument.position, argument.layout
        assert layout is not None
        array, flags, strided = f"v{at}", 0, ""
        if not layout.size or layout.first:  # the pointer is not to an element
            return ""
        if layout.row_major:
            flags = _ROW_MAJOR
        elif layout.column_major:
            array, flags = f"v{at}.T", _COLUMN_MAJOR
        else:
            self.names[f"first{at}"] = _first_elements(layout)
            self.names[f"strides{at}"] = tuple(step * argument.element.size for step in layout.strides)
            array = f"v{at}[first{at}]"
            # numpy keeps views within their base, unless that is a view of something else.
            within = f"type(v{at}.base) is ndarray and v{at}.base.base is None"
            strided = f" and v{at}.strides == strides{at} and {within}"
        self.names[f"shape{at}"] = layout.shape
        fits = f"{self._usual_array(argument, flags)} and v{at}.shape == shape{at}{strided}"
        return f"{self._pointer(argument, array)} if {fits} else "

    def _results(self, outputs: Sequence[ArgumentPlan]) -> Iterator[str]:
        """Call, and return the results."""
        results = Results(self._plan, self._checker, outputs)
        returned = f"c_function({', '.join(f'c{argument.position}' for argument in self._plan.arguments)})"
        if results.finish:
            self.names["finish"] = results.finish
            returned = f"finish({returned})"
        if not outputs:
            yield f"return {returned}"
            return
        yield f"returned = {returned}"
        cells = [argument for argument in self._plan.arguments if argument.passing is PassingMode.CELL]
        for argument in cells:  # what they are after the call
            yield f"d{argument.position} = v{argument.position}.item()"
            self._variables[argument.name] = f"d{argument.position}"
        names = ["returned"] if self._plan.returns else []
        for argument in outputs:
            names.append(f"d{argument.position}")
            if argument.passing is PassingMode.ALLOCATED:
                yield from self._allocated(argument, results)
        if results.several:
            self.names["several"] = results.several
        yield f"return several({', '.join(names)})" if results.several else f"return {names[0]}"

    def _allocated(self, argument: ArgumentPlan, results: Results) -> Iterator[str]:
        at = argument.position
        self.names[f"allocated{at}"] = functools.partial(results.allocated, argument)
        if argument.layout:
            self.names[f"shape{at}"] = argument.layout.shape
        else:
            assert argument.size is not None
            self.names[f"division_error{at}"] = argument.size.division_error
            yield "try:"
            yield f"    shape{at} = {', '.join(self._factors(argument))},"
            yield "except ZeroDivisionError:"
            yield f"    raise division_error{at}() from None"
        yield f"d{at} = allocated{at}(v{at}, shape{at})"


def _keywords(plan: CallPlan) -> list[str]:
    """The keywords of the signature; the names themselves if two of those are the same."""
    keywords = [python_name(argument.name) for argument in plan.arguments]
    return keywords if len(set(keywords)) == len(keywords) else [argument.name for argument in plan.arguments]


def _by_name(plan: CallPlan) -> Callable[..., Sequence[Any]] | None:
    """A function with the parameters of the signature, which returns their values in declared order."""
    keywords = _keywords(plan)
    follows = [argument.position for argument in plan.arguments if argument.follows]
    needed = "".join(f"v{argument.position}, " for argument in plan.needed)
    head = f"def by_name({needed}{'*, ' if follows else ''}{', '.join(f'v{position}' for position in follows)}):"
    values = {f"v{position}": name for position, name in enumerate(keywords)}
    nodes: dict[str, ast.expr] = {value: ast.Name(name, ast.Load()) for value, name in values.items()}
    try:
        function = _function([head, f"    return [{', '.join(values)}]"], nodes, {}, values)
    except (SyntaxError, ValueError):  # a name such as __debug__, or with a null character
        return None
    function.__kwdefaults__ = {keywords[position]: OMITTED for position in follows}
    return function


def _first_elements(layout: Layout) -> Any:
    """The index of the contiguous elements at the pointer of a layout."""
    index: list[Any] = [
        extent - 1 if step < 0 else 0 for extent, step in zip(layout.shape, layout.strides, strict=True)
    ]
    rank = len(index)
    leading = next(axis for axis in range(rank + 1) if layout.strides[axis:] == row_major(layout.shape[axis:]))
    if leading == rank:
        index[-1] = slice(index[-1], index[-1] + 1)
    return index[0] if leading == 1 else tuple(index[:leading])


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"    {line}" for line in lines)


def _function(
    lines: Iterable[str], nodes: Mapping[str, ast.expr], names: dict[str, Any], parameters: Mapping[str, str] = {}
) -> Callable[..., Any]:
    """The function that code defines: ``nodes`` stand for names in it, and ``parameters`` for names of parameters."""
    tree = _Filled(nodes, parameters).visit(ast.parse("\n".join(lines)))
    module = compile(ast.fix_missing_locations(tree), "<generated call>", "exec")
    code = next(constant for constant in module.co_consts if isinstance(constant, types.CodeType))
    return types.FunctionType(code, names)


class _Filled(ast.NodeTransformer):
    def __init__(self, nodes: Mapping[str, ast.expr], parameters: Mapping[str, str]) -> None:
        self._nodes = nodes
        self._parameters = parameters

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._nodes.get(node.id, node)

    def visit_arg(self, node: ast.arg) -> ast.arg:
        return ast.arg(self._parameters.get(node.arg, node.arg))
