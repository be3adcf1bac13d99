"""Arguments made from metadata: what one argument set takes, and arrays of the right layout filled with values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from hatframe.c.layouts import Layout
from hatframe.calling.buffers import aligned_array
from hatframe.calling.plans import ArgumentPlan, CallPlan, PassingMode
from hatframe.errors import CallError, FormatError

Array = np.ndarray[Any, Any]


def argument_bytes(plan: CallPlan, sizes: Mapping[str, int]) -> int:
    """The bytes of the arrays of one argument set; ``sizes`` gives the dimensions of runtime-sized arrays.

    Raises :class:`CallError` if a dimension is missing or a size is negative.
    """
    return sum(argument_layout(plan, argument, sizes).bytes(argument.element.size) for argument in plan.arguments)


def make_arguments(
    plan: CallPlan,
    scalars: Mapping[str, int | float],
    fill: Callable[[str, Array], None],
    make: Callable[[Layout, np.dtype[Any], str], Array] = lambda layout, dtype, name: aligned_array(layout, dtype),
) -> list[Any]:
    """One argument set: a value for each parameter in declared order, with arrays aligned to 64 bytes.

    ``make`` makes an uninitialised array for the parameter of a name.
    ``fill`` is called with the name and the array of each parameter that the function reads, and fills it in place.
    Scalars are their entry of ``scalars``, which also gives the dimensions; other integers are 1, and other numbers are
    filled as arrays are.
    """
    values: list[Any] = []
    for argument in plan.arguments:
        if argument.passing is PassingMode.ALLOCATED:
            values.append(np.zeros(1, np.uintp))
            continue
        array = make(argument_layout(plan, argument, scalars), argument.element.dtype, argument.name)
        if argument.is_scalar and argument.name in scalars:
            array[...] = scalars[argument.name]
        elif argument.is_scalar and argument.element.is_integer:
            array[...] = 1
        elif argument.read:
            fill(argument.name, array)
        values.append(array[0].item() if argument.passing is PassingMode.VALUE else array)
    return values


def make_array(plan: CallPlan, argument: ArgumentPlan, sizes: Mapping[str, int]) -> Array:
    """An uninitialised array for an argument, in the layout of its metadata."""
    layout = argument_layout(plan, argument, sizes)
    try:
        return aligned_array(layout, argument.element.dtype)
    except (MemoryError, ValueError):
        problem = f"its {layout.bytes(argument.element.size):,} bytes cannot be allocated"
        raise CallError(problem, where=_where(plan, argument)) from None


def argument_layout(plan: CallPlan, argument: ArgumentPlan, sizes: Mapping[str, Any]) -> Layout:
    """The layout of an argument in memory that is made for it; a number is an array of one."""
    where = _where(plan, argument)
    if argument.passing in (PassingMode.VALUE, PassingMode.CELL) and argument.element.kind in ("int", "uint"):
        low, high = argument.element.integer_range
        if not low <= (value := sizes.get(argument.name, 1)) <= high:
            problem = f"it is an {argument.element.name}, from {low} to {high}, and cannot be {value}"
            raise CallError(problem, where=where)
    if argument.passing is PassingMode.ALLOCATED or (argument.layout is None and argument.size is None):
        return Layout.dense((1,))
    if argument.layout:
        return argument.layout
    assert argument.size is not None
    if missing := sorted(argument.size.names - set(sizes)):
        raise CallError(f"its size {argument.size.text} needs {', '.join(missing)}", where=where)
    factors = argument.size.factor_values(sizes)
    if any(factor < 0 for factor in factors):
        raise CallError(f"its size {argument.size.text} is negative", where=where)
    try:
        return Layout.of(factors, None)
    except FormatError as error:
        raise CallError(error.message, where=where) from None


def _where(plan: CallPlan, argument: ArgumentPlan) -> str:
    return f"{plan.function.name}: argument {argument.position} ({argument.name})"
