"""Rates: the floating-point operations and the bytes of arrays that a function processes in a second.

The metadata of a function give the number of operations of one call in ``auxiliary.flops``: a number, or an expression
over the function's dimensions, like the ``size`` of a ``runtime_array``: ``"2*M*N*K"``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from hatframe.c.size_expressions import SizeExpression
from hatframe.calling.plans import ArgumentPlan, PassingMode, plan_call
from hatframe.errors import FormatError
from hatframe.format.model import Function

FLOPS_KEY = "flops"


def rates(function: Function, sizes: Mapping[str, int], seconds: float) -> dict[str, float]:
    """``flops_per_second`` and ``bytes_per_second`` of a function whose calls take ``seconds``.

    A rate is left out if the metadata do not give it, or if there is nothing to count.
    """
    if seconds <= 0:
        return {}
    flops, traffic = floating_point_operations(function, sizes), least_traffic(function, sizes)
    counted = {"flops_per_second": flops, "bytes_per_second": traffic}
    return {name: count / seconds for name, count in counted.items() if count}


def floating_point_operations(function: Function, sizes: Mapping[str, int]) -> float | None:
    """The operations of one call by ``auxiliary.flops``; None if the metadata do not say."""
    flops = function.auxiliary.get(FLOPS_KEY)
    if flops is None:
        return None
    where = f"{function.name}: auxiliary.{FLOPS_KEY}"
    count: object = flops
    if isinstance(flops, str):
        try:
            expression = SizeExpression(flops)
            if unknown := sorted(expression.names - sizes.keys()):
                known = f"its dimensions are {', '.join(sorted(sizes))}" if sizes else "it has no dimensions"
                raise FormatError(f"{flops!r} refers to {', '.join(unknown)}", hint=known)
            count = expression.value(sizes)
        except FormatError as error:
            raise FormatError(error.message, where=where, hint=error.hint) from None
    if isinstance(count, bool) or not isinstance(count, (int, float)) or not math.isfinite(count) or count < 0:
        hint = 'use a number, or an expression such as "2*M*N*K"'
        raise FormatError(f"invalid number of operations {flops!r}", where=where, hint=hint)
    return count


def least_traffic(function: Function, sizes: Mapping[str, int]) -> int | None:
    """The bytes that one call must read and write at least; None if the size of an array is unknown before the call.

    Each element of each array counts once where the function reads it, and once where it writes it.
    """
    total = 0
    for argument in plan_call(function).arguments:
        if argument.passing in (PassingMode.VALUE, PassingMode.CELL):
            continue
        elements = _elements(argument, sizes, function.name)
        if elements is None:
            return None
        total += elements * argument.element.size * (argument.read + argument.written)
    return total


def _elements(argument: ArgumentPlan, sizes: Mapping[str, int], function_name: str) -> int | None:
    if layout := argument.layout:
        # An axis of stride 0 repeats the same elements; overlapping axes have no more than lie between their ends.
        extents = [extent for extent, step in zip(layout.shape, layout.strides, strict=True) if step]
        return min(math.prod(extents), layout.last - layout.first + 1) if layout.size else 0
    if argument.size is None or not argument.size.names <= sizes.keys():
        return None
    try:
        return max(0, argument.size.value(sizes))
    except FormatError as error:
        raise FormatError(error.message, where=f"{function_name}: {argument.name}", hint=error.hint) from None
