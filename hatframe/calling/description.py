"""What the metadata say about a bound function, where Python looks for it: name, signature, documentation."""

from __future__ import annotations

import inspect
from types import MappingProxyType

import numpy as np

from hatframe.backends import BoundFunction
from hatframe.calling.plans import ArgumentPlan, CallPlan, PassingMode, plan_call
from hatframe.errors import printable
from hatframe.format.names import base_name, python_name

_NUMBERS = {"int": int, "uint": int, "bool": bool}


def describe(function: BoundFunction) -> None:
    """Give a bound function its ``__name__``, ``__signature__``, ``__doc__`` and ``parameters``."""
    plan: CallPlan = getattr(function, "plan", None) or plan_call(function.function)
    arguments = function.function.arguments
    function.__name__ = function.name  # type: ignore[attr-defined]
    function.__signature__ = signature(plan)  # type: ignore[attr-defined]
    function.__doc__ = documentation(plan)
    function.parameters = MappingProxyType({made.name: arguments[made.position] for made in plan.arguments})


def signature(plan: CallPlan) -> inspect.Signature:
    """The call with as few arguments as possible; those that may be omitted are keywords."""
    parameters = [
        inspect.Parameter(
            python_name(argument.name),
            kind,
            default=default,
            annotation=_NUMBERS.get(argument.element.kind, float)
            if argument.passing is PassingMode.VALUE
            else np.ndarray,
        )
        for omitted, kind, default in (
            (False, inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.empty),
            (True, inspect.Parameter.KEYWORD_ONLY, None),
        )
        for argument in plan.arguments
        if argument.follows is omitted
    ]
    return inspect.Signature(parameters)


def documentation(plan: CallPlan) -> str:
    """The description of a function and of each parameter, with dtype, shape and usage."""
    function = plan.function
    name = base_name(function.name)
    lines = [f"{name}({', '.join(argument.name for argument in plan.arguments)})"]
    if len(plan.needed) != len(plan.arguments):
        lines.append(f"{name}({', '.join(argument.name for argument in plan.needed)})")
    if function.description:
        lines += ["", *function.description.splitlines()]
    if plan.arguments:
        lines += ["", "Parameters", "----------"]
    for argument in plan.arguments:
        lines.append(f"{argument.name} : {_described(argument)}, {str(argument.usage).replace('_', ' and ')}")
        if text := function.arguments[argument.position].description:
            lines.append(f"    {text}")
    outputs = [argument for argument in plan.arguments if argument.follows and argument.written]
    if plan.returns or outputs:
        lines += ["", "Returns", "-------"]
    if plan.returns:
        lines.append(f"{function.return_value.name or 'returned'} : {plan.returns.dtype}")
        if text := function.return_value.description:
            lines.append(f"    {text}")
    lines += [f"{argument.name} : {_described(argument)}, if it is omitted" for argument in outputs]
    return "\n".join(map(printable, lines))


def _described(argument: ArgumentPlan) -> str:
    dtype = str(argument.element.dtype)
    if argument.passing in (PassingMode.VALUE, PassingMode.CELL):
        return dtype
    if argument.layout:
        strides = "" if argument.layout.row_major else f" and strides {argument.layout.strides} (in elements)"
        return f"{dtype} array of shape {argument.layout.shape}{strides}"
    return f"{dtype} array of {argument.size.text if argument.size else '?'} elements"
